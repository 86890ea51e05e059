import type { Failure } from '../domain/failure.ts'
import type { PlatformUser } from '../domain/plan-user.ts'
import { emailKey, USER_STATES } from '../domain/user-row.ts'
import type { UserState } from '../domain/user-row.ts'
import { needing, readAll, readPolicy } from './admin-policy.ts'
import { broken, listIn, objectIn } from './answer-shape.ts'
import { concurrently } from './concurrently.ts'
import { refusalStatus } from './login-failure.ts'
import { mapPlatformUser } from './map-platform-user.ts'
import type { PlatformClient } from './platform-client.ts'
import { RequestProgress } from './request-progress.ts'

const PAGE_SIZE = 500
/** The platform answers 400 to what is past this row of its listings of users that are not active. */
const ROW_LIMIT = 10_000
const ADVICE = 'with --state active they are left out'
/** A page of search results is twice as long: the email of a deleted user may be in use again. */
const EMAILS_PER_SEARCH = 50
const SEARCH_PAGE = 100
const MAX_SEARCH_PAGES = 20
const MAX_IDS = 100

const VIEW = 'directory:user:view'

export type ListUsers = {
  readonly states: readonly UserState[]
  readonly signal: AbortSignal
  readonly progress?: RequestProgress
}

/** Every user in these states, all pages accounted for, sorted by email. */
export async function listUsers(
  client: PlatformClient,
  { states, signal, progress = new RequestProgress(() => {}) }: ListUsers,
): Promise<readonly PlatformUser[]> {
  const listings = await concurrently(states, states.length, (state) => {
    const listing = {
      name: `${state} users`,
      pageSize: PAGE_SIZE,
      fetch: (page: { pageSize: number; pageNumber: number }) =>
        client.call(readPolicy(signal), (sdk) => sdk.users.getUsers({ ...page, state })),
      map: mapPlatformUser,
      ...(state !== 'active' && { rowLimit: ROW_LIMIT, advice: ADVICE }),
    }
    return needing(client, VIEW, readAll(client, listing, progress))
  })
  progress.finish()
  // Who changes state meanwhile stands in two listings.
  const byId = new Map(listings.flat().map((user) => [user.id, user]))
  return [...byId.values()].toSorted((a, b) => (a.email < b.email ? -1 : 1))
}

/**
 * The users that have these emails, whatever their state, by {@link emailKey}. The platform's search
 * may not know yet what was written a moment ago.
 */
export async function findUsersByEmail(
  client: PlatformClient,
  emails: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PlatformUser>> {
  const keys = [...new Set(emails.map(emailKey))]
  const found = await concurrently(chunksOf(keys, EMAILS_PER_SEARCH), client.concurrency, (some) =>
    needing(client, VIEW, searchEmails(client, some, signal)),
  )
  return byEmail(found.flat())
}

/** See {@link findUsersByEmail}; slower, from the listings, which know everybody. */
export async function findListedUser(
  client: PlatformClient,
  email: string,
  signal: AbortSignal,
): Promise<PlatformUser | undefined> {
  const users = await listUsers(client, { states: USER_STATES, signal })
  return byEmail(users).get(emailKey(email))
}

/** The users that have these ids, by id. */
export async function findUsersById(
  client: PlatformClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PlatformUser>> {
  const found = await concurrently(chunksOf(ids, MAX_IDS), client.concurrency, async (id) => {
    const options = { id, state: 'any', pageSize: MAX_IDS }
    const work = client.call(readPolicy(signal), (sdk) => sdk.users.getUsers(options))
    return usersIn(await needing(client, VIEW, work), 'entities', 'a listing of users by id')
  })
  return new Map(found.flat().map((user) => [user.id, user]))
}

/** The user as it is now; undefined when there is none. */
export async function readUser(
  client: PlatformClient,
  id: string,
  signal: AbortSignal,
): Promise<PlatformUser | undefined> {
  try {
    const work = client.call(readPolicy(signal), (sdk) => sdk.users.getUser(id, { state: 'any' }))
    return mapPlatformUser(await needing(client, VIEW, work))
  } catch (error) {
    if (refusalStatus(error) === 404) return undefined
    throw error
  }
}

async function searchEmails(
  client: PlatformClient,
  emails: readonly string[],
  signal: AbortSignal,
): Promise<readonly PlatformUser[]> {
  const where = 'a search of users by email'
  const users: PlatformUser[] = []
  for (let pageNumber = 1; pageNumber <= MAX_SEARCH_PAGES; pageNumber++) {
    const body = {
      pageSize: SEARCH_PAGE,
      pageNumber,
      query: [
        { type: 'EXACT', fields: ['email'], values: emails },
        // Without it the search leaves out who is deleted.
        { type: 'EXACT', fields: ['state'], values: USER_STATES },
      ],
    }
    // A search is a POST that changes nothing.
    const policy = { ...readPolicy(signal), idempotent: true }
    const answer = await client.call(policy, (sdk) => sdk.users.postUsersSearch(body))
    const page = pageIn(answer, 'results', where)
    users.push(...page.users)
    if (users.length === page.total) return users
    const short = page.users.length < SEARCH_PAGE
    if (short || users.length > page.total) throw anotherTotal(where, users.length)
  }
  throw broken(where, 'no end')
}

/** The users of an answer that has to hold all of them. */
function usersIn(answer: unknown, field: string, where: string): readonly PlatformUser[] {
  const { users, total } = pageIn(answer, field, where)
  if (total !== users.length) throw anotherTotal(where, users.length)
  return users
}

type Page = { readonly users: readonly PlatformUser[]; readonly total: number }

function pageIn(answer: unknown, field: string, where: string): Page {
  const envelope = objectIn(answer, where)
  const total = envelope['total']
  if (typeof total !== 'number') throw broken(where, 'no total')
  // An answer without hits comes without results.
  const isEmpty = total === 0 && (envelope[field] ?? null) === null
  const users = isEmpty ? [] : listIn(envelope, field, where)
  return { users: users.map(mapPlatformUser), total }
}

function anotherTotal(where: string, found: number): Failure {
  return broken(where, `${found} users and another total`)
}

/** Of several that have had an email, the one that uses it counts. */
function byEmail(users: readonly PlatformUser[]): ReadonlyMap<string, PlatformUser> {
  const sorted = users.toSorted((a, b) => rankOf(b) - rankOf(a))
  return new Map(sorted.map((user) => [emailKey(user.email), user]))
}

function rankOf({ state }: PlatformUser): number {
  return USER_STATES.indexOf(state)
}

/** Parts of a list, in order. */
export function chunksOf<Item>(items: readonly Item[], size: number): readonly Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  )
}
