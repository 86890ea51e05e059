import { FaultList } from '../domain/fault-list.ts'
import { changesOf, compareQueue, creationOf } from '../domain/plan-queue.ts'
import type {
  PlatformQueue,
  QueueDifference,
  QueueMember,
  ResolvedQueue,
} from '../domain/plan-queue.ts'
import type { FieldChange } from '../domain/json-difference.ts'
import type { WantedQueue } from '../domain/queue-manifest.ts'
import { emailKey } from '../domain/user-row.ts'
import { applyQueue } from './apply-queue.ts'
import type { AppliedQueue } from './apply-queue.ts'
import { allOrFirstError, concurrently } from './concurrently.ts'
import { readDivisions } from './division-lookup.ts'
import type { DivisionLookup } from './division-lookup.ts'
import { findUsersByEmail, findUsersById } from './find-users.ts'
import { updateBody } from './map-queue.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { isPlatformId } from './platform-id.ts'
import { listQueues, misspelt, queueKey, readMembers } from './read-queues.ts'
import { runItems } from './run-items.ts'
import type { Ended } from './run-items.ts'

export type PlannedQueue = {
  readonly wanted: ResolvedQueue
  /** Undefined for a queue that does not exist. */
  readonly current: PlatformQueue | undefined
  readonly action: 'create' | 'change' | 'none'
  readonly changes: readonly FieldChange[]
  /** Undefined for a queue that does not exist. */
  readonly difference: QueueDifference | undefined
}

/**
 * Looks up everything that a manifest names and compares; writes nothing. Throws `invalid` with
 * every division and member that nobody has, and every name that differs from the queue's in its case.
 */
export async function planQueues(
  { read }: Pick<Platform, 'read'>,
  queues: readonly WantedQueue[],
  signal: AbortSignal,
): Promise<readonly PlannedQueue[]> {
  const [listed, wanted] = await allOrFirstError([
    listQueues(read, signal),
    resolveQueues(read, queues, signal),
  ])
  refuseMisspelt(queues, listed)
  const byName = new Map(listed.map((queue) => [queue.name, queue]))
  return concurrently(wanted, read.concurrency, async (queue): Promise<PlannedQueue> => {
    const current = byName.get(queue.name)
    if (current === undefined) {
      const changes = creationOf(queue)
      return { wanted: queue, current, action: 'create', changes, difference: undefined }
    }
    const members =
      queue.members === undefined ? undefined : await readMembers(read, current, signal)
    const difference = compareQueue(queue, current, members)
    // An update that could not give back all that was read is refused before anything is written.
    if (difference.settings.length > 0) updateBody(current)
    const changes = changesOf(difference)
    const action = changes.length === 0 ? 'none' : 'change'
    return { wanted: queue, current, action, changes, difference }
  })
}

function refuseMisspelt(queues: readonly WantedQueue[], listed: readonly PlatformQueue[]): void {
  const faults = new FaultList()
  const names = new Set(listed.map(({ name }) => name))
  const byKey = new Map(listed.map((queue) => [queueKey(queue.name), queue]))
  for (const [at, { name }] of queues.entries()) {
    const found = names.has(name) ? undefined : byKey.get(queueKey(name))
    if (found !== undefined) faults.add(`queues/${at}/name`, misspelt(found))
  }
  faults.throwIfAny()
}

async function resolveQueues(
  client: PlatformClient,
  queues: readonly WantedQueue[],
  signal: AbortSignal,
): Promise<readonly ResolvedQueue[]> {
  const faults = new FaultList()
  const [divisions, members] = await allOrFirstError([
    readDivisionsOf(client, queues, signal),
    findMembers(client, [...new Set(queues.flatMap((queue) => queue.members ?? []))], signal),
  ])
  const resolved = queues.map((queue, at) => {
    const { division } = queue
    return {
      ...queue,
      divisionId:
        division === undefined
          ? undefined
          : divisions?.resolve(division, `queues/${at}/division`, faults),
      members: queue.members?.flatMap((text, place): QueueMember[] => {
        const id = members.get(memberKey(text))
        if (id !== undefined) return [{ id, name: text }]
        faults.add(`queues/${at}/members/${place}`, `no active user has the id or email ${text}`)
        return []
      }),
    }
  })
  faults.throwIfAny()
  return resolved
}

async function readDivisionsOf(
  client: PlatformClient,
  queues: readonly WantedQueue[],
  signal: AbortSignal,
): Promise<DivisionLookup | undefined> {
  const none = queues.every(({ division }) => division === undefined)
  return none ? undefined : readDivisions(client, signal)
}

/** Ids of the users whom the texts stand for; only active ones can be members. */
async function findMembers(
  client: PlatformClient,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const ids = texts.filter(isPlatformId)
  const emails = texts.filter((text) => !isPlatformId(text))
  const [byId, byEmail] = await allOrFirstError([
    findUsersById(client, ids, signal),
    findUsersByEmail(client, emails, signal),
  ])
  const users = [...byId, ...byEmail].filter(([, { state }]) => state === 'active')
  return new Map(users.map(([key, { id }]) => [key, id]))
}

function memberKey(text: string): string {
  return isPlatformId(text) ? text : emailKey(text)
}

export type RunQueues = {
  /** Whether members whom a plan removes may be removed; others never are. */
  readonly allowRemoval: boolean
  /** Ends what runs at once. */
  readonly signal: AbortSignal
  /** Once aborted no further queue is begun. */
  readonly stop: AbortSignal
  readonly onEnd: (item: PlannedQueue, ended: Ended<AppliedQueue>) => void
}

/** Carries plans out, several at a time; what is as wanted is not touched. */
export function runQueues(
  platform: Platform,
  planned: readonly PlannedQueue[],
  { allowRemoval, stop, signal, onEnd }: RunQueues,
): Promise<void> {
  return runItems(planned, {
    limit: platform.write.concurrency,
    stop,
    divisionOf: ({ wanted, current }) => current?.divisionId ?? wanted.divisionId ?? '',
    run: async ({ wanted, current, action, difference }, written): Promise<AppliedQueue> => {
      if (action === 'none' && current !== undefined) {
        return { outcome: 'unchanged', id: current.id, changes: [] }
      }
      const leaving = allowRemoval ? (difference?.removeMembers ?? []) : []
      const mayRemove = new Set(leaving.map(({ id }) => id))
      return applyQueue(platform, wanted, current, { mayRemove, written, signal })
    },
    onEnd,
  })
}
