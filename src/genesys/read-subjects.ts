import type { SubjectsRead } from '../domain/directory.ts'
import type { Grant } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { broken, listIn, objectIn, textIn } from './answer-shape.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import { concurrently } from './concurrently.ts'
import { LoginFailure, refusalStatus } from './login-failure.ts'
import { mapUser } from './map-user.ts'
import type { ListedUser } from './map-user.ts'
import type { PlatformClient } from './platform-client.ts'
import type { KnownUser } from './read-users.ts'
import type { SdkSession } from './sdk.ts'
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
 * The platform's ids. Whatever else is asked for is nobody's: in a path it could be the word of
 * another operation (`me`, `search`), lead out of the path
 * (`..`), or be several ids.
 */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

type Reader = <Value>(
  run: (sdk: SdkSession) => Promise<Value>,
  policy?: Partial<CallPolicy>,
) => Promise<Value>

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
    wanted.filter((id) => ID.test(id)),
  )
  const found = await concurrently([...users.values()], client.concurrency, async (user) => {
    try {
      return { ...user, kind: 'user' as const, grants: await readDirectGrants(read, user.id) }
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

/** What the subject was granted itself: the platform lists its groups' grants beside it. */
async function readDirectGrants(read: Reader, id: string): Promise<Grant[]> {
  const answer = await readGrants(read, id).catch(unlessAbsent)
  // A subject that never had a grant is not known to the authorization service.
  if (answer === undefined) return []
  const where = `the grants of ${id}`
  return listIn(objectIn(answer, where), 'grants', where).flatMap((item) => {
    const grant = objectIn(item, where)
    if (textIn(grant, 'subjectId', where) !== id) return []
    const roleId = textIn(objectIn(grant['role'], where), 'id', where)
    return [{ roleId, divisionId: textIn(objectIn(grant['division'], where), 'id', where) }]
  })
}

/**
 * Without duplicates a grant that a subject has both itself and through a group may be listed as
 * the group's: asked for only when the platform fails on the better question.
 */
async function readGrants(read: Reader, id: string): Promise<unknown> {
  try {
    return await read(
      (sdk) => sdk.authorization.getAuthorizationSubject(id, { includeDuplicates: true }),
      { attempts: ATTEMPTS_WITH_DUPLICATES },
    )
  } catch (error) {
    if (!(error instanceof Failure) || error instanceof LoginFailure) throw error
    if (error.upstream?.status !== 500) throw error
    return read((sdk) =>
      sdk.authorization.getAuthorizationSubject(id, { includeDuplicates: false }),
    )
  }
}

function unlessAbsent(error: unknown): undefined {
  if (refusalStatus(error) !== 404) throw error
  return undefined
}
