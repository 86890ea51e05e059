import { Failure } from './failure.ts'
import { PERMISSION, PERMISSION_FLAG } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'

/** A caller's own names of resource types, and the `domain:entity` that each one stands for. */
export type ResourceTypes = ReadonlyMap<string, string>

/** The resource type of permissions that stand outside the catalogue: the action is their name. */
const FLAT_TYPE = 'permission'

const ENTRY = /^([^=]+)=([^:=]+:[^:=]+|permission)$/

/**
 * Reads `type=domain:entity,…`; `type=permission` names the flat permissions. Throws `invalid` that
 * says which entry is at fault.
 */
export function parseResourceTypes(text: string): ResourceTypes {
  const types = new Map<string, string>()
  const entries = text.split(',').map((entry) => entry.trim())
  for (const entry of entries.filter((each) => each !== '')) {
    const [, type = '', target = ''] = ENTRY.exec(entry) ?? []
    if (type === '') throw new Failure('invalid', `${entry} is not type=domain:entity`)
    if (types.has(type)) throw new Failure('invalid', `${type} is named twice`)
    types.set(type, target)
  }
  return types
}

/**
 * The index of the permission that an action on a resource of a type stands for, or -1: the type,
 * or what it is another name of, before `:` and the action; for `permission` a flat name alone.
 */
export function findPermissionOf(
  matrix: Matrix,
  types: ResourceTypes,
  resourceType: string,
  action: string,
): number {
  const type = resolveType(types, resourceType)
  if (type !== FLAT_TYPE) return matrix.findPermission(`${type}:${action}`)
  const permission = matrix.findPermission(action)
  return permission >= 0 && isFlat(matrix, permission) ? permission : -1
}

/**
 * Under which action each permission can be asked for on a resource of a type: the inverse of
 * {@link findPermissionOf}, undefined where there is none.
 */
export function actionNames(
  matrix: Matrix,
  types: ResourceTypes,
  resourceType: string,
): (permission: number) => string | undefined {
  const type = resolveType(types, resourceType)
  if (type === FLAT_TYPE) {
    return (permission) => {
      return isFlat(matrix, permission) ? matrix.permissionCode(permission) || undefined : undefined
    }
  }
  const prefix = `${type}:`
  return (permission) => {
    const code = matrix.permissionCode(permission)
    // An action without a name cannot be asked for.
    return code.startsWith(prefix) ? code.slice(prefix.length) || undefined : undefined
  }
}

function resolveType(types: ResourceTypes, resourceType: string): string {
  // Mostly nobody has names of their own, and a look-up hashes the text.
  return types.size === 0 ? resourceType : (types.get(resourceType) ?? resourceType)
}

function isFlat(matrix: Matrix, permission: number): boolean {
  const flags = matrix.permissions[permission * PERMISSION.words + PERMISSION.flags] ?? 0
  return (flags & PERMISSION_FLAG.flat) !== 0
}
