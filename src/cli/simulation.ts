import type { RuleConflict } from '../domain/role-rules.ts'
import type { Simulation, SimulatedEntry, WithoutEffect } from '../domain/simulation.ts'
import { Failure } from '../domain/failure.ts'
import { CHANGES_PATH } from './role-changes.ts'
import { readList, reader } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import type { Sent, ServiceClient } from './service-client.ts'

type Named = {
  readonly userName?: string
  readonly roleName?: string
  readonly divisionName?: string
}

/** A simulation without its entries, in the words of the service. */
export type SimulationHead = Omit<
  Simulation,
  'entries' | 'nextOffset' | 'conflicts' | 'withoutEffect' | 'keptThroughGroups' | 'sunsets'
> & {
  readonly conflicts: readonly (RuleConflict & Named)[]
  readonly withoutEffect: readonly (WithoutEffect & Named)[]
  readonly keptThroughGroups: readonly (Simulation['keptThroughGroups'][number] & Named)[]
  readonly sunsets: readonly (Simulation['sunsets'][number] & Named)[]
  readonly sunsetsKnown: boolean
}

export type Simulated = {
  readonly head: SimulationHead
  /** Read as they are taken, page after page. */
  readonly entries: AsyncGenerator<SimulatedEntry>
}

const PATH = `${CHANGES_PATH}/simulations`
const MAX_PAGE = 1_000

/** Asks what changes would do. All pages stand on the revision of the first. */
export async function simulate(
  admin: ServiceClient,
  request: Sent,
  limit = Infinity,
): Promise<Simulated> {
  const ask = (left: number, cursor?: string): Promise<Page> => {
    const query = { ...request.query, limit: Math.min(left, MAX_PAGE), cursor }
    // The revision stands in the cursor too, and beside it only where it came in the body.
    return admin.query(PATH, readPage, { ...request, query })
  }
  const first = await ask(limit)
  const { entries: _, nextCursor: __, ...head } = first
  return { head, entries: entriesOf(first, ask, limit) }
}

async function* entriesOf(
  first: Page,
  ask: (left: number, cursor: string) => Promise<Page>,
  limit: number,
): AsyncGenerator<SimulatedEntry> {
  const seen = new Set<string>()
  let left = limit
  for (let page = first; ;) {
    const entries = readList(page.entries, `an entry of ${PATH}`, readEntry)
    yield* entries.slice(0, left)
    left -= entries.length
    const { nextCursor } = page
    if (nextCursor === undefined || left <= 0) return
    if (seen.has(nextCursor)) {
      throw new Failure('upstream-broken', `${PATH} gave the same page twice: nothing is complete`)
    }
    seen.add(nextCursor)
    page = await ask(left, nextCursor)
  }
}

/** Whether applying would change anything, or a rule keeps it from doing so. */
export function makesDifference(head: SimulationHead): boolean {
  return changesAnything(head) || head.blockedUsers > 0
}

/** Whether applying would change anything. */
export function changesAnything({ blastRadius, sunsets }: SimulationHead): boolean {
  const { users, clients, grantsAdded, grantsRemoved } = blastRadius
  return users + clients + grantsAdded + grantsRemoved + sunsets.length > 0
}

type Page = SimulationHead & {
  readonly entries: readonly unknown[]
  readonly nextCursor?: string
}

const readMembers = reader({
  revision: 'number',
  entries: 'list',
  conflicts: 'list',
  blockedUsers: 'number',
  blastRadius: 'object',
  withoutEffect: 'list',
  keptThroughGroups: 'list',
  lockouts: 'list',
  sunsets: 'list',
  sunsetsKnown: 'boolean',
  licences: 'list',
  truncated: 'boolean',
  nextCursor: 'string?',
})
const readRadius = reader({
  users: 'number',
  clients: 'number',
  grantsAdded: 'number',
  grantsRemoved: 'number',
  orphanedPermissions: 'list',
})
const LISTS = {
  conflicts: reader({ rule: 'string', userId: 'string', status: 'string', message: 'string' }),
  withoutEffect: reader({
    ...{ userId: 'string', operation: 'string', reason: 'string' },
    ...{ roleId: 'string', divisionId: 'string' },
  }),
  keptThroughGroups: reader({ userId: 'string', permission: 'string', groups: 'list' }),
  lockouts: reader({ userId: 'string', userName: 'string', permissions: 'list' }),
  sunsets: reader({
    ...{ userId: 'string', change: 'string' },
    ...{ roleId: 'string', divisionId: 'string' },
  }),
  licences: reader({ roleName: 'string', licences: 'list', gained: 'number', lost: 'number' }),
} as const
const LIST_NAMES = Object.keys(LISTS) as readonly (keyof typeof LISTS)[]

const readPage: Reader<Page> = (answer, where) => {
  const page = readMembers(answer, where)
  readRadius(page.blastRadius, where)
  for (const name of LIST_NAMES) {
    const readLine: Reader<unknown> = LISTS[name]
    readList(page[name], `${name} of ${where}`, readLine)
  }
  return page as unknown as Page
}

const readEntryMembers = reader({
  userId: 'string',
  userName: 'string',
  addedPermissions: 'list',
  removedPermissions: 'list',
  conditionalPermissions: 'list',
  divisions: 'list',
  blocked: 'boolean',
})

const readEntry: Reader<SimulatedEntry> = (answer, where) => {
  return readEntryMembers(answer, where) as unknown as SimulatedEntry
}
