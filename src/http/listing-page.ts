import type { Matrix } from '../domain/matrix.ts'
import type { ServedMatrices } from '../domain/served.ts'
import { readCursor, writeCursor } from './cursor.ts'
import type { ListingQuestion } from './cursor.ts'
import { DEFAULT_LIMIT } from './schemas.ts'

export type PageQuery = { readonly limit?: string; readonly cursor?: string }

/** Which matrix a page is read from, from where, and how much. */
export type PageStart = {
  readonly matrix: Matrix
  /** The served matrix; a page after the first may be read from an older one. */
  readonly newest: Matrix
  readonly from: number
  readonly limit: number
}

/**
 * A first page reads the served matrix; the ones after it stay on that revision, so that a listing
 * never skips or repeats. Throws `gone` when it is no longer held. Nothing is listed while checks
 * would be refused.
 */
export function startPage(
  matrices: ServedMatrices,
  query: PageQuery,
  question: ListingQuestion,
): PageStart {
  const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit)
  const newest = matrices.current()
  if (query.cursor === undefined) return { matrix: newest, newest, from: 0, limit }
  const { revision, position } = readCursor(query.cursor, question)
  const matrix = revision === newest.revision ? newest : matrices.at(revision)
  return { matrix, newest, from: position, limit }
}

/** The cursor member of a page, absent on the last one. */
export function nextPage(
  matrices: ServedMatrices,
  matrix: Matrix,
  next: number | undefined,
  question: ListingQuestion,
): { nextCursor?: string } {
  if (next === undefined) return {}
  matrices.hold(matrix)
  return { nextCursor: writeCursor({ revision: matrix.revision, position: next }, question) }
}
