import { BATCH_STATES, ITEM_STATES } from '../domain/role-change.ts'
import type { BatchState, ItemState } from '../domain/role-change.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { follow } from './follow.ts'
import { readList, reader, requireWord } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'
import type { Column } from './table-text.ts'

export const CHANGES_PATH = '/admin/v1/role-changes'

/** What is read of a batch; the other members are there too, for JSON. */
export type Batch = {
  readonly id: string
  readonly state: BatchState
  readonly progress: { readonly done: number; readonly total: number }
  readonly counts: Readonly<Record<ItemState, number>>
  readonly requestedBy: string
  readonly comment: string
  readonly createdAt: string
  readonly finishedAt?: string
  readonly error?: string
}

export type NamedGrant = {
  readonly roleId: string
  readonly roleName?: string
  readonly divisionId: string
  readonly divisionName?: string
}

/** What is read of one user of a batch. */
export type BatchItem = {
  readonly userId: string
  readonly userName?: string
  readonly state: ItemState
  readonly written?: { readonly add: readonly NamedGrant[]; readonly remove: readonly NamedGrant[] }
  readonly error?: string
}

const MOVING: ReadonlySet<BatchState> = new Set(['pending', 'applying', 'rolling-back'])

/** Whether a batch has come to rest. */
export function isAtRest({ state }: Batch): boolean {
  return !MOVING.has(state)
}

const readBatchMembers = reader({
  id: 'string',
  state: 'string',
  progress: 'object',
  counts: 'object',
  requestedBy: 'string',
  comment: 'string',
  createdAt: 'string',
  finishedAt: 'string?',
  error: 'string?',
})
const readProgress = reader({ done: 'number', total: 'number' })
const readCounts = reader(
  Object.fromEntries(ITEM_STATES.map((state) => [state, 'number'] as const)),
)

export const readBatch: Reader<Batch> = (answer, where) => {
  const batch = readBatchMembers(answer, where)
  requireWord(batch.state, BATCH_STATES, where)
  readProgress(batch.progress, where)
  readCounts(batch.counts, where)
  return batch as unknown as Batch
}

const readItemMembers = reader({
  userId: 'string',
  userName: 'string?',
  state: 'string',
  written: 'object?',
  error: 'string?',
})
const readWritten = reader({ add: 'list', remove: 'list' })
const readGrant = reader({
  roleId: 'string',
  roleName: 'string?',
  divisionId: 'string',
  divisionName: 'string?',
})

const readItem: Reader<BatchItem> = (answer, where) => {
  const item = readItemMembers(answer, where)
  requireWord(item.state, ITEM_STATES, where)
  if (item.written) {
    const { add, remove } = readWritten(item.written, where)
    readList([...add, ...remove], `a grant of ${where}`, readGrant)
  }
  return item as unknown as BatchItem
}

export function pathOfBatch(id: string): string {
  return `${CHANGES_PATH}/${encodeURIComponent(id)}`
}

/** The batch without its users. */
export async function findBatch(admin: ServiceClient, id: string): Promise<Batch> {
  // Answered with a page of users: the smallest, which is left out.
  const answer = await admin.get(pathOfBatch(id), readBatch, { query: { limit: 1 } })
  const { items: _, nextCursor: __, ...batch } = answer as Batch & Record<string, unknown>
  return batch
}

/** The users of a batch, all or those in a state. */
export function itemsOf(
  admin: ServiceClient,
  id: string,
  state?: ItemState,
): AsyncGenerator<BatchItem> {
  return admin.items(pathOfBatch(id), readItem, { query: { state } })
}

/** Looks at a batch until it is at rest. */
export async function followBatch(
  session: Session,
  admin: ServiceClient,
  id: string,
): Promise<Batch> {
  return await follow(session, {
    name: 'users',
    read: () => findBatch(admin, id),
    isOver: isAtRest,
    progressOf: ({ progress }) => progress,
    advice: `the batch goes on in the service: permctl changes status ${id} --wait follows it, permctl changes stop ${id} halts it`,
  })
}

/** What a command that carried a batch out, or looks at one, ends with. */
export function exitCodeOfBatch({ state }: Batch): ExitCode {
  return EXIT_OF[state]
}

const EXIT_OF: Readonly<Record<BatchState, ExitCode>> = {
  pending: EXIT.done,
  applying: EXIT.done,
  'rolling-back': EXIT.done,
  succeeded: EXIT.done,
  'rolled-back': EXIT.done,
  'partially-applied': EXIT.partial,
  stopped: EXIT.partial,
  failed: EXIT.upstream,
}

/** `Agent in Sales`. */
export function describeGrant({ roleName, roleId, divisionName, divisionId }: NamedGrant): string {
  const everywhere = divisionId === '*' ? 'every division' : divisionId
  return `${roleName ?? roleId} in ${divisionName ?? everywhere}`
}

export const BATCH_COLUMNS: readonly Column<Batch>[] = [
  { name: 'id', value: ({ id }) => id, whole: true },
  { name: 'state', value: ({ state }) => state },
  { name: 'users', value: ({ progress: { done, total } }) => `${done} of ${total}` },
  { name: 'counts', value: countsText },
  { name: 'requestedBy', value: ({ requestedBy }) => requestedBy },
  { name: 'createdAt', value: ({ createdAt }) => createdAt },
  { name: 'finishedAt', value: ({ finishedAt }) => finishedAt },
  { name: 'comment', value: ({ comment }) => comment },
  { name: 'error', value: ({ error }) => error, wrap: true },
]

function countsText({ counts }: Batch): string {
  const filled = ITEM_STATES.filter((state) => counts[state] > 0)
  return filled.map((state) => `${counts[state]} ${state}`).join(', ')
}

export const ITEM_COLUMNS: readonly Column<BatchItem>[] = [
  { name: 'user', value: ({ userName, userId }) => userName ?? userId },
  { name: 'state', value: ({ state }) => state },
  { name: 'added', value: ({ written }) => written?.add.map(describeGrant), wrap: true },
  { name: 'removed', value: ({ written }) => written?.remove.map(describeGrant), wrap: true },
  { name: 'error', value: ({ error }) => error, wrap: true },
  { name: 'userId', value: ({ userId }) => userId, whole: true },
]
