import { Failure } from './failure.ts'
import { PERMISSION, PERMISSION_FLAG } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'

/** What a caller's own name of a resource type stands for. */
type OwnType = {
  /** `domain:entity`, or `permission`; undefined where single actions alone are named. */
  readonly type: string | undefined
  /** Permissions by the caller's own names of actions on it. */
  readonly actions: ReadonlyMap<string, string>
}

/** A caller's own names of resource types, and of actions on them. */
export type ResourceTypes = ReadonlyMap<string, OwnType>

/** An action on a resource of a type, and the permission that it asks for. */
type NamedAction = { readonly name: string; readonly permission: number }

/** The resource type of permissions that stand outside the catalogue: the action is their name. */
const FLAT_TYPE = 'permission'

/** The last slash is the one before the action: types may be addresses. */
const ACTION_ENTRY = /^([^=]+)\/([^=/]+)=([^:=]+:[^:=]+:[^:=]+)$/
const TYPE_ENTRY = /^([^=]+)=([^:=]+:[^:=]+|permission)$/

/**
 * Reads `type=domain:entity,type/action=domain:entity:action,…`; `type=permission` names the flat
 * permissions. Throws `invalid` that says which entry is at fault.
 */
export function parseResourceTypes(text: string): ResourceTypes {
  const types = new Map<string, { type: string | undefined; actions: Map<string, string> }>()
  const entryOf = (name: string) => {
    const known = types.get(name) ?? { type: undefined, actions: new Map<string, string>() }
    types.set(name, known)
    return known
  }
  const entries = text.split(',').map((entry) => entry.trim())
  for (const entry of entries.filter((each) => each !== '')) {
    const [, ofAction, action = '', permission = ''] = ACTION_ENTRY.exec(entry) ?? []
    const [, ofType, type] = TYPE_ENTRY.exec(entry) ?? []
    if (ofAction !== undefined) {
      const { actions } = entryOf(ofAction)
      if (actions.has(action)) throw namedTwice(`${ofAction}/${action}`)
      actions.set(action, permission)
    } else if (ofType !== undefined) {
      const own = entryOf(ofType)
      if (own.type !== undefined) throw namedTwice(ofType)
      own.type = type
    } else {
      const forms = 'type=domain:entity nor type/action=domain:entity:action'
      throw new Failure('invalid', `${entry} is neither ${forms}`)
    }
  }
  return types
}

function namedTwice(name: string): Failure {
  return new Failure('invalid', `${name} is named twice`)
}

/**
 * The index of the permission that an action on a resource of a type stands for, or -1: what the
 * action is another name of; else the type, or what it is another name of, before `:` and the
 * action; for `permission` a flat name alone.
 */
export function findPermissionOf(
  matrix: Matrix,
  types: ResourceTypes,
  resourceType: string,
  action: string,
): number {
  // Mostly nobody has names of their own, and a look-up hashes the text.
  if (types.size === 0) return findInType(matrix, resourceType, action)
  const own = types.get(resourceType)
  const named = own?.actions.get(action)
  if (named !== undefined) return matrix.findPermission(named)
  return findInType(matrix, own?.type ?? resourceType, action)
}

function findInType(matrix: Matrix, type: string, action: string): number {
  if (isEntity(type)) return matrix.findPermission(`${type}:${action}`)
  if (type !== FLAT_TYPE) return -1
  const permission = matrix.findPermission(action)
  return permission >= 0 && isFlat(matrix, permission) ? permission : -1
}

/**
 * Under which action of the platform's own each permission can be asked for on a resource of a type,
 * undefined where there is none. With {@link ownActions} the inverse of {@link findPermissionOf}.
 */
export function actionNames(
  matrix: Matrix,
  types: ResourceTypes,
  resourceType: string,
): (permission: number) => string | undefined {
  const own = types.get(resourceType)
  const nameOf = nameWithin(matrix, own?.type ?? resourceType)
  return (permission) => {
    // An action without a name cannot be asked for; one of the caller's own goes before.
    const name = nameOf(permission) || undefined
    return name !== undefined && own?.actions.has(name) ? undefined : name
  }
}

/** The caller's own actions on a resource of a type, of permissions that there are. */
export function ownActions(
  matrix: Matrix,
  types: ResourceTypes,
  resourceType: string,
): readonly NamedAction[] {
  const named = [...(types.get(resourceType)?.actions ?? [])]
  return named
    .map(([name, code]) => ({ name, permission: matrix.findPermission(code) }))
    .filter(({ permission }) => permission >= 0)
}

/** What permissions are called in a type, where they have a name in it. */
function nameWithin(matrix: Matrix, type: string): (permission: number) => string | undefined {
  if (type === FLAT_TYPE) {
    return (permission) => {
      return isFlat(matrix, permission) ? matrix.permissionCode(permission) : undefined
    }
  }
  if (!isEntity(type)) return () => undefined
  const prefix = `${type}:`
  return (permission) => {
    const code = matrix.permissionCode(permission)
    return code.startsWith(prefix) ? code.slice(prefix.length) : undefined
  }
}

/** Whether a type is `domain:entity`: `routing` with the action `queue:view` asks for nothing. */
function isEntity(type: string): boolean {
  const colon = type.indexOf(':')
  return colon >= 0 && type.indexOf(':', colon + 1) < 0
}

function isFlat(matrix: Matrix, permission: number): boolean {
  const flags = matrix.permissions[permission * PERMISSION.words + PERMISSION.flags] ?? 0
  return (flags & PERMISSION_FLAG.flat) !== 0
}
