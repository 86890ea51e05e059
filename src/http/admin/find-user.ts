import { Failure } from '../../domain/failure.ts'
import { findEmailsInTurns, foldEmail, ownersOf } from '../../domain/find-emails.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import type { LongWork } from '../long-work.ts'

export type FindUserDeps = { readonly matrices: ServedMatrices; readonly longWork: LongWork }

/**
 * The id of a user who is named by id or email. An id is taken as it is: the trail also tells of
 * users whom the organisation no longer has. Throws `invalid` for an email that nobody, or more than
 * one, has in the served matrix; of deleted and other users the others are meant.
 */
export async function findUserId(
  { matrices, longWork }: FindUserDeps,
  named: string,
): Promise<string> {
  if (!named.includes('@')) return named
  const matrix = matrices.current()
  const wanted = foldEmail(named)
  const found = await longWork.run(undefined, (pause) =>
    findEmailsInTurns(matrix, new Set([wanted]), async () => void (await pause())),
  )
  const [owner, other] = ownersOf(matrix, found.get(wanted) ?? [])
  if (owner !== undefined && other === undefined) return matrix.subjectId(owner)
  const how = owner === undefined ? 'no user has' : 'more than one user has'
  throw new Failure('invalid', `${how} the email ${named}: name one by id`, { field: 'userId' })
}
