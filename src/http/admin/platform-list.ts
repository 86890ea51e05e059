import { readCursor, writeCursor } from '../cursor.ts'
import type { PageQuery } from '../listing-page.ts'
import { DEFAULT_LIMIT } from '../schemas.ts'

/**
 * A page of what the platform lists as a whole, in its order. The platform keeps no revision: what
 * is added or removed between two pages may move what follows.
 */
export function pageOfList<Item>(
  items: readonly Item[],
  { limit, cursor }: PageQuery,
  name: string,
): { items: Item[]; nextCursor?: string } {
  const question = [name]
  const from = cursor === undefined ? 0 : readCursor(cursor, question).position
  const to = from + (limit === undefined ? DEFAULT_LIMIT : Number(limit))
  const page = items.slice(from, to)
  if (to >= items.length) return { items: page }
  return { items: page, nextCursor: writeCursor({ revision: 0, position: to }, question) }
}
