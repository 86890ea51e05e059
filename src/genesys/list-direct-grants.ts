import type { Grant } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { listIn, objectIn, textIn } from './answer-shape.ts'
import type { CallPolicy } from './call-policy.ts'
import { LoginFailure, refusalStatus } from './login-failure.ts'
import type { SdkSession } from './sdk.ts'

/** Calls the platform under the policy of whoever reads, changed where a call needs it. */
export type Reader = <Value>(
  run: (sdk: SdkSession) => Promise<Value>,
  policy?: Partial<CallPolicy>,
) => Promise<Value>

/**
 * What the subject was granted itself: the platform lists its groups' grants beside it. Undefined
 * for a subject that the authorization service does not know: one that never had a grant, or none.
 *
 * @param attempts at the question with duplicates, which is known to fail for some subjects
 */
export async function listDirectGrants(
  read: Reader,
  id: string,
  attempts: number,
): Promise<readonly Grant[] | undefined> {
  const answer = await readGrants(read, id, attempts).catch(unlessAbsent)
  if (answer === undefined) return undefined
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
async function readGrants(read: Reader, id: string, attempts: number): Promise<unknown> {
  try {
    return await read(
      (sdk) => sdk.authorization.getAuthorizationSubject(id, { includeDuplicates: true }),
      { attempts },
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
