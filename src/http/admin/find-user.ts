import { setImmediate as nextTurn } from 'node:timers/promises'
import { Failure } from '../../domain/failure.ts'
import { findEmails, foldEmail, ownersOf } from '../../domain/find-emails.ts'
import type { ServedMatrices } from '../../domain/served.ts'

/** Users looked at before checks on the same thread get their turn: some milliseconds. */
const SLICE = 10_000

/**
 * The id of a user who is named by id or email. An id is taken as it is: the trail also tells of
 * users whom the organisation no longer has. Throws `invalid` for an email that nobody, or more than
 * one, has in the served matrix; of deleted and other users the others are meant.
 */
export async function findUserId(matrices: ServedMatrices, named: string): Promise<string> {
  if (!named.includes('@')) return named
  const matrix = matrices.current()
  const wanted = foldEmail(named)
  const found: number[] = []
  for (let from = 0; from < matrix.subjectCount; from += SLICE) {
    if (from > 0) await nextTurn()
    const stretch = { from, to: from + SLICE }
    found.push(...(findEmails(matrix, new Set([wanted]), stretch).get(wanted) ?? []))
  }
  const [owner, other] = ownersOf(matrix, found)
  if (owner !== undefined && other === undefined) return matrix.subjectId(owner)
  const how = owner === undefined ? 'no user has' : 'more than one user has'
  throw new Failure('invalid', `${how} the email ${named}: name one by id`, { field: 'userId' })
}
