import type { AttributeScopes } from './condition.ts'
import { ALLOWED, decide } from './evaluate.ts'
import type { Page } from './listing.ts'
import type { Matrix } from './matrix.ts'
import { actionNames, ownActions } from './resource-types.ts'
import type { ResourceTypes } from './resource-types.ts'
import { searchActions } from './search.ts'
import type { SearchStretch } from './search.ts'

/**
 * Names of the actions that a subject may do on a resource of a type: the platform's, in order of
 * permission code, then the caller's own, in the order in which they were given. Positions of the
 * latter come after those of all permissions.
 *
 * @param subject index, or -1
 */
export function searchActionsOf(
  matrix: Matrix,
  types: ResourceTypes,
  question: {
    readonly subject: number
    readonly resourceType: string
    readonly division: number
    readonly scopes: AttributeScopes | undefined
  },
  { from, limit }: SearchStretch,
): Page<string> {
  const { subject, resourceType, division, scopes } = question
  const { permissionCount } = matrix
  let items: readonly string[] = []
  if (from < permissionCount) {
    const nameOf = actionNames(matrix, types, resourceType)
    const page = searchActions(matrix, { subject, nameOf, division, scopes }, { from, limit })
    if (page.next !== undefined) return page
    items = page.items
  }
  const own = ownActions(matrix, types, resourceType)
  const found: string[] = []
  for (let index = Math.max(0, from - permissionCount); index < own.length; index++) {
    const { name, permission } = own[index] as (typeof own)[number]
    if (decide(matrix, subject, permission, division, scopes) !== ALLOWED) continue
    if (items.length + found.length === limit) {
      return { items: [...items, ...found], next: permissionCount + index }
    }
    found.push(name)
  }
  return { items: [...items, ...found], next: undefined }
}
