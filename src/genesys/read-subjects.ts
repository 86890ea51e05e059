import type { SubjectsRead } from '../domain/directory.ts'
import { Failure } from '../domain/failure.ts'
import { broken, listIn, objectIn } from './answer-shape.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import { concurrently } from './concurrently.ts'
import { listDirectGrants } from './list-direct-grants.ts'
import type { Reader } from './list-direct-grants.ts'
import { mapUser } from './map-user.ts'
import type { ListedUser } from './map-user.ts'
import type { PlatformClient } from './platform-client.ts'
import { isPlatformId } from './platform-id.ts'
import type { KnownUser } from './read-users.ts'
import { lateFailure } from './transport-failure.ts'

export const MAX_SUBJECTS = 50

const ATTEMPTS = 4
/** The call with duplicates is known to answer 500 for some subjects: no use in insisting. */
const ATTEMPTS_WITH_DUPLICATES = 2
const CALL_TIMEOUT_MS = 120_000
/** Bound of all calls together. */
const TIMEOUT_MS = 5 * 60_000
/** The platform takes at most 100 ids, and lists so many at once. */
const PAGE_SIZE = 100

/**
 * See `Directory.readSubjects`. Throws `invalid` for more than {@link MAX_SUBJECTS} ids. Who is a
 * user is asked once for all ids, so that unknown ids cost next to nothing: whoever makes them up
 * must not take the budget of rebuilds. OAuth clients are absent here; they come with rebuilds.
 */
export async function readSubjects(
  client: PlatformClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<SubjectsRead> {
  if (ids.length > MAX_SUBJECTS) {
    throw new Failure('invalid', `at most ${MAX_SUBJECTS} subjects can be read together`)
  }
  const stop = new AbortController()
  const late = (): Failure => lateFailure('reading subjects', TIMEOUT_MS)
  using deadline = new Deadline(systemClock, TIMEOUT_MS, signal, late)
  const base: CallPolicy = {
    priority: 'single-user',
    signal: AbortSignal.any([deadline.signal, stop.signal]),
    attempts: ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
  const read: Reader = (run, policy) => client.call({ ...base, ...policy }, run)
  const wanted = [...new Set(ids)]
  const users = await readUsersById(
    read,
    wanted.filter((id) => isPlatformId(id)),
  )
  const found = await concurrently([...users.values()], client.concurrency, async (user) => {
    try {
      // A subject that never had a grant is not known to the authorization service.
      const grants = (await listDirectGrants(read, user.id, ATTEMPTS_WITH_DUPLICATES)) ?? []
      return { ...user, kind: 'user' as const, grants }
    } catch (error) {
      stop.abort(error)
      throw error
    }
  })
  return { found, absent: wanted.filter((id) => !users.has(id)) }
}

/** The users among the ids, in whatever state, in the ids' order. */
async function readUsersById(
  read: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownUser>> {
  if (ids.length === 0) return new Map()
  const options = { id: ids, state: 'any', expand: ['groups'], pageSize: PAGE_SIZE }
  const where = 'a listing of users by id'
  const listing = objectIn(await read((sdk) => sdk.users.getUsers(options)), where)
  const entities = listIn(listing, 'entities', where)
  const { total } = listing
  // Whoever is left out would pass for nobody.
  if (typeof total !== 'number' || total !== entities.length) {
    throw broken(where, `${entities.length} users and another total`)
  }
  const listed = new Map(entities.map((entity) => mapUser(entity)).map((user) => [user.id, user]))
  // Ids compare byte for byte: a platform that overlooks case has found somebody else.
  return new Map(
    ids.flatMap((id) => withGroups(listed.get(id)) ?? []).map((user) => [user.id, user]),
  )
}

/** Users that are not active have no permissions: of them alone the groups may be left out. */
function withGroups(user: ListedUser | undefined): KnownUser | undefined {
  if (user === undefined) return undefined
  const groupIds = user.groupIds ?? (user.state === 'active' ? null : [])
  if (groupIds === null) throw broken(`user ${user.id}`, 'no "groups", which were asked for')
  return { ...user, groupIds }
}
