import type { Grant } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { listIn, objectIn } from './answer-shape.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import { listDirectGrants } from './list-direct-grants.ts'
import type { Reader } from './list-direct-grants.ts'
import { mapUser } from './map-user.ts'
import type { PlatformClient } from './platform-client.ts'
import { isPlatformId } from './platform-id.ts'
import { inOwnWords, lateFailure } from './transport-failure.ts'

const ATTEMPTS = 3
/** Bound of all calls together. The platform may ask for two waits of three minutes each. */
const TIMEOUT_MS = 10 * 60_000

/**
 * See `GrantPlatform.readDirectGrants`. One request for a user who has grants; only where there are
 * none it has to be asked who the user is.
 */
export async function readDirectGrants(
  client: PlatformClient,
  userId: string,
  signal: AbortSignal,
): Promise<readonly Grant[]> {
  if (!isPlatformId(userId)) throw unknownUser()
  const late = (): Failure => lateFailure('reading the grants of a user', TIMEOUT_MS)
  using deadline = new Deadline(systemClock, TIMEOUT_MS, signal, late)
  const policy: CallPolicy = {
    priority: 'role-change',
    signal: deadline.signal,
    attempts: ATTEMPTS,
    timeoutMs: TIMEOUT_MS,
  }
  const read: Reader = (run, change) => client.call({ ...policy, ...change }, run)
  try {
    const grants = await listDirectGrants(read, userId, ATTEMPTS)
    if (grants !== undefined && grants.length > 0) return grants
    if (await isDeletedOrUnknown(read, userId)) throw unknownUser()
    return []
  } catch (error) {
    throw inOwnWords(error)
  }
}

async function isDeletedOrUnknown(read: Reader, userId: string): Promise<boolean> {
  const options = { id: [userId], state: 'any', pageSize: 1 }
  const where = 'a listing of one user by id'
  const listing = objectIn(await read((sdk) => sdk.users.getUsers(options)), where)
  const user = listIn(listing, 'entities', where)
    .map((entity) => mapUser(entity))
    .find(({ id }) => id === userId)
  return user === undefined || user.state === 'deleted'
}

function unknownUser(): Failure {
  return new Failure('not-found', 'the platform has no such user, or the user was deleted')
}
