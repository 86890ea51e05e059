import type { Grant } from '../domain/facts.ts'
import { ALL_DIVISIONS } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import type { GrantDelta } from '../domain/role-change.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import { refusalStatus } from './login-failure.ts'
import type { PlatformClient } from './platform-client.ts'
import { isPlatformId } from './platform-id.ts'
import type { SdkSession } from './sdk.ts'
import { inOwnWords, lateFailure } from './transport-failure.ts'

const ATTEMPTS = 3
/** Bound of all calls together. The platform may ask for two waits of three minutes each. */
const TIMEOUT_MS = 10 * 60_000
/** The platform tells no limit: other tools were seen to send a hundred at once. */
const MAX_GRANTS_PER_CALL = 50

type Writer = (run: (sdk: SdkSession) => Promise<unknown>) => Promise<unknown>

/**
 * See `GrantPlatform.writeGrants`. Adding what is held and removing what is gone change nothing on
 * the platform, so that a request whose answer was lost can be repeated. When this throws, a part of
 * the delta may have been written.
 */
export async function writeGrants(
  client: PlatformClient,
  userId: string,
  delta: GrantDelta,
  signal: AbortSignal,
): Promise<void> {
  if (!isPlatformId(userId)) throw new Failure('not-found', 'the platform has no such user')
  const late = (): Failure => lateFailure('writing the grants of a user', TIMEOUT_MS)
  using deadline = new Deadline(systemClock, TIMEOUT_MS, signal, late)
  const policy: CallPolicy = {
    priority: 'role-change',
    signal: deadline.signal,
    attempts: ATTEMPTS,
    timeoutMs: TIMEOUT_MS,
    idempotent: true,
  }
  const write: Writer = (run) => client.call(policy, run)
  try {
    for (const grants of chunks(delta.add)) {
      const options = { subjectType: 'PC_USER' }
      await write(({ authorization }) =>
        authorization.postAuthorizationSubjectBulkadd(userId, { grants }, options),
      )
    }
    for (const grants of chunks(delta.remove)) await remove(write, userId, grants)
  } catch (error) {
    throw inOwnWords(error)
  }
}

/** One role or division that is gone spoils the whole call: then each grant is removed by itself. */
async function remove(write: Writer, userId: string, grants: readonly Grant[]): Promise<void> {
  try {
    await write(({ authorization }) =>
      authorization.postAuthorizationSubjectBulkremove(userId, { grants }),
    )
  } catch (error) {
    const status = refusalStatus(error)
    if (status !== 404 && status !== 400) throw error
    for (const grant of grants) await removeOne(write, userId, grant)
  }
}

/** What went with its role, its division or the user is removed already. */
async function removeOne(write: Writer, userId: string, grant: Grant): Promise<void> {
  const { divisionId, roleId } = grant
  // In a path, unlike in a body, an odd id could lead to another operation.
  if (!isPlatformId(roleId) || !(divisionId === ALL_DIVISIONS || isPlatformId(divisionId))) {
    throw new Failure('invalid', 'a grant to remove names a role or division that has no id')
  }
  try {
    await write(({ authorization }) =>
      authorization.deleteAuthorizationSubjectDivisionRole(userId, divisionId, roleId),
    )
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error
  }
}

/** In the platform's form: whatever else comes with a grant stays here. */
function chunks(grants: readonly Grant[]): Grant[][] {
  return Array.from({ length: Math.ceil(grants.length / MAX_GRANTS_PER_CALL) }, (_, index) => {
    const from = index * MAX_GRANTS_PER_CALL
    return grants
      .slice(from, from + MAX_GRANTS_PER_CALL)
      .map(({ roleId, divisionId }) => ({ roleId, divisionId }))
  })
}
