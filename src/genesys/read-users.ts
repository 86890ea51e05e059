import type { SubjectState } from '../domain/facts.ts'
import { concurrently } from './concurrently.ts'
import type { ListedGroup } from './map-directory.ts'
import { objectIn, textIn } from './answer-shape.ts'
import { mapUser } from './map-user.ts'
import type { ListedUser } from './map-user.ts'
import type { FactsReader } from './facts-reader.ts'

const PAGE_OF_USERS = 500
const PAGE_OF_MEMBERS = 100
/** The platform answers 400 to what is past this row of its listings of users that are not active. */
const ROW_LIMIT = 10_000

/** In ascending order of what they give: of a user met in two listings the later one counts less. */
const STATES: readonly SubjectState[] = ['deleted', 'inactive', 'active']

/** Listings that reading the users begins with. */
export const USER_LISTINGS = STATES.length

/** A user whose groups are known. */
export type KnownUser = ListedUser & { readonly groupIds: readonly string[] }

export type UsersRead = {
  readonly users: readonly KnownUser[]
  /** False when there are more users that are not active than the platform lists. */
  readonly complete: boolean
}

/**
 * Every user that the platform lists, with groups. The first request of each listing is planned by
 * the caller. @param groups are waited for only if some user came without its groups
 */
export async function readUsers(
  reader: FactsReader,
  groups: Promise<readonly ListedGroup[]>,
): Promise<UsersRead> {
  const listings = await concurrently(STATES, STATES.length, (state) => {
    const listing = {
      name: `${state} users`,
      pageSize: PAGE_OF_USERS,
      fetch: (page: { pageSize: number; pageNumber: number }) =>
        reader.call((sdk) => sdk.users.getUsers({ ...page, state, expand: ['groups'] })),
      map: (entity: unknown) => mapUser(entity, state),
      ...(state !== 'active' && { rowLimit: ROW_LIMIT }),
    }
    return reader.list(listing)
  })
  const byId = new Map<string, ListedUser>()
  for (const user of listings.flatMap((listing) => listing.items)) {
    // Who changes state while the listings are read stands in two of them, or in none.
    if (!byId.has(user.id)) byId.set(user.id, user)
  }
  const users = await completeGroups(reader, [...byId.values()], groups)
  return { users, complete: listings.every((listing) => listing.complete) }
}

/**
 * The platform expands groups "with best effort". Where it left them out they are found from the
 * other end, through the members of each group that carries roles. Users that are not active have
 * no permissions, so their groups are not worth a request.
 */
async function completeGroups(
  reader: FactsReader,
  users: readonly ListedUser[],
  groups: Promise<readonly ListedGroup[]>,
): Promise<KnownUser[]> {
  const unknown = users.some((user) => user.groupIds === null && user.state === 'active')
  const groupsByUser = unknown ? await readMemberships(reader, await groups) : new Map()
  return users.map((user) => {
    return { ...user, groupIds: user.groupIds ?? groupsByUser.get(user.id) ?? [] }
  })
}

/** Ids of the role-carrying groups of each user that is in any. */
async function readMemberships(
  reader: FactsReader,
  groups: readonly ListedGroup[],
): Promise<Map<string, string[]>> {
  const carrying = groups.filter((group) => group.rolesEnabled)
  const groupsByUser = new Map<string, string[]>()
  reader.progress.plan(carrying.length)
  await concurrently(carrying, reader.concurrency, async (group) => {
    const { items: members } = await reader.list({
      name: `members of group ${group.id}`,
      pageSize: PAGE_OF_MEMBERS,
      fetch: (page) => reader.call((sdk) => sdk.groups.getGroupMembers(group.id, page)),
      map: (entity) => ({ id: textIn(objectIn(entity, 'a member'), 'id', 'a member') }),
    })
    for (const { id } of members) {
      const ids = groupsByUser.get(id)
      if (ids) ids.push(group.id)
      else groupsByUser.set(id, [group.id])
    }
  })
  return groupsByUser
}
