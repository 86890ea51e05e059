import type { SubjectsRead } from '../domain/directory.ts'
import type { Grant, SubjectFact } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { broken, listIn, objectIn, optionalTextIn, textIn } from './answer-shape.ts'
import { clientFact } from './assign-grants.ts'
import type { CallPolicy } from './call-policy.ts'
import { concurrently } from './concurrently.ts'
import { mapUser } from './map-user.ts'
import type { PlatformClient } from './platform-client.ts'
import { isUntold } from './read-organization.ts'
import type { SdkSession } from './sdk.ts'

export const MAX_SUBJECTS = 50

const ATTEMPTS = 4
/** The call with duplicates is known to answer 500 for some subjects: no use in insisting. */
const ATTEMPTS_WITH_DUPLICATES = 2
const CALL_TIMEOUT_MS = 120_000

/**
 * The platform's ids. Whatever else is asked for is nobody's: in a path it could be the word of
 * another operation (`me`, `search`) or lead out of the path (`..`).
 */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

type Reader = <Value>(
  run: (sdk: SdkSession) => Promise<Value>,
  policy?: Partial<CallPolicy>,
) => Promise<Value>

/** See `Directory.readSubjects`. Throws `invalid` for more than {@link MAX_SUBJECTS} ids. */
export async function readSubjects(
  client: PlatformClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<SubjectsRead> {
  if (ids.length > MAX_SUBJECTS) {
    throw new Failure('invalid', `at most ${MAX_SUBJECTS} subjects can be read together`)
  }
  const stop = new AbortController()
  const base: CallPolicy = {
    priority: 'single-user',
    signal: AbortSignal.any([signal, stop.signal]),
    attempts: ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
  const read: Reader = (run, policy) => client.call({ ...base, ...policy }, run)
  const wanted = [...new Set(ids)]
  const subjects = await concurrently(wanted, client.concurrency, async (id) => {
    try {
      return ID.test(id) ? await readSubject(read, id) : undefined
    } catch (error) {
      stop.abort(error)
      throw error
    }
  })
  return {
    found: subjects.filter((subject) => subject !== undefined),
    absent: wanted.filter((_, index) => subjects[index] === undefined),
  }
}

async function readSubject(read: Reader, id: string): Promise<SubjectFact | undefined> {
  const entity = await readUserEntity(read, id)
  if (entity === undefined) return readClient(read, id)
  const user = mapUser(entity)
  // Ids compare byte for byte: a platform that overlooks case has found somebody else.
  if (user.id !== id) return undefined
  const { groupIds } = user
  if (groupIds === null) throw broken(`user ${id}`, 'no "groups", which were asked for')
  return { ...user, groupIds, kind: 'user', grants: await readDirectGrants(read, id) }
}

/** The user in whatever state; users that are not active may be found by listing only. */
async function readUserEntity(read: Reader, id: string): Promise<unknown> {
  const expand = ['groups']
  const user = await read((sdk) => sdk.users.getUser(id, { expand })).catch(unlessAbsent)
  if (user !== undefined) return user
  const options = { id: [id], state: 'any', expand, pageSize: 25 }
  const listing = objectIn(await read((sdk) => sdk.users.getUsers(options)), 'a user listing')
  return listIn(listing, 'entities', 'a user listing').find((candidate) => {
    return objectIn(candidate, 'a user')['id'] === id
  })
}

/** An OAuth client, or undefined when there is none or it may not be looked up. */
async function readClient(read: Reader, id: string): Promise<SubjectFact | undefined> {
  const entity = await read((sdk) => sdk.oauth.getOauthClient(id)).catch((error: unknown) => {
    if (!isUntold(error)) throw error
  })
  if (entity === undefined) return undefined
  const client = objectIn(entity, `client ${id}`)
  if (client['id'] !== id) return undefined
  const name = optionalTextIn(client, 'name', `client ${id}`)
  return clientFact(id, name, await readDirectGrants(read, id))
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
    if (!(error instanceof Failure) || error.upstream?.status !== 500) throw error
    return read((sdk) =>
      sdk.authorization.getAuthorizationSubject(id, { includeDuplicates: false }),
    )
  }
}

function unlessAbsent(error: unknown): undefined {
  if (!(error instanceof Failure) || error.upstream?.status !== 404) throw error
  return undefined
}
