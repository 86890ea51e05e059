import { setImmediate as nextTurn } from 'node:timers/promises'
import { Failure } from '../../domain/failure.ts'
import type { ServedMatrices } from '../../domain/served.ts'

/** Users looked at before checks on the same thread get their turn: about a millisecond. */
const SLICE = 2_000

/**
 * The id of a user who is named by id or email. An id is taken as it is: the trail also tells of
 * users whom the organisation no longer has. Throws `invalid` for an email that nobody, or more than
 * one, has in the served matrix.
 */
export async function findUserId(matrices: ServedMatrices, named: string): Promise<string> {
  if (!named.includes('@')) return named
  const matrix = matrices.current()
  const wanted = named.toLowerCase()
  const found: string[] = []
  for (let index = 0; index < matrix.subjectCount; index++) {
    if (index % SLICE === SLICE - 1) await nextTurn()
    const { id, email } = matrix.subject(index)
    if (email.toLowerCase() === wanted) found.push(id)
  }
  const [id, other] = found
  if (id !== undefined && other === undefined) return id
  const how = id === undefined ? 'no user has' : 'more than one user has'
  throw new Failure('invalid', `${how} the email ${named}: name one by id`, { field: 'userId' })
}
