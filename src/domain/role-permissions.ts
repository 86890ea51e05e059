import { permissionName, policyMatches, WILDCARD } from './permission.ts'
import type { PermissionFact, PolicyFact, RoleFact } from './facts.ts'

/** A permission as the matrix numbers it; flat ones have no domain, entity or action. */
export type IndexedPermission = PermissionFact & { readonly code: string; readonly flat: boolean }

/**
 * Every permission that can be asked for, ordered by code: the catalogue, and the flat names that
 * any role carries. A code listed twice with different flags is narrowed by divisions if either is;
 * for the rest one of them counts, the same in whatever order they come.
 */
export function indexPermissions(
  catalogue: readonly PermissionFact[],
  roles: readonly RoleFact[],
): IndexedPermission[] {
  const byCode = new Map<string, IndexedPermission>()
  for (const permission of orderCatalogue(catalogue)) {
    const code = permissionName(permission)
    const known = byCode.get(code)
    const divisionAware = permission.divisionAware || known?.divisionAware === true
    byCode.set(code, { ...permission, divisionAware, code, flat: false })
  }
  for (const role of roles) {
    for (const code of role.permissions) {
      if (!byCode.has(code)) byCode.set(code, flatPermission(code))
    }
  }
  return [...byCode.values()].sort((a, b) => compareText(a.code, b.code))
}

function orderCatalogue(catalogue: readonly PermissionFact[]): PermissionFact[] {
  const keyed = catalogue.map((permission) => {
    const { domain, entity, action, label, allowsConditions } = permission
    return { permission, key: JSON.stringify([domain, entity, action, label, allowsConditions]) }
  })
  return keyed.sort((a, b) => compareText(a.key, b.key)).map(({ permission }) => permission)
}

function flatPermission(code: string): IndexedPermission {
  return {
    code,
    flat: true,
    domain: '',
    entity: '',
    action: '',
    label: '',
    // Flat permissions are of the organisation: no division narrows them.
    divisionAware: false,
    allowsConditions: false,
  }
}

/** Order by UTF-16 unit: the same on every machine, unlike a locale's. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Finds the catalogue permissions that a policy matches, by domain and then by the match rule. */
export class PolicyMatcher {
  readonly #byDomain = new Map<string, number[]>()
  readonly #permissions: readonly IndexedPermission[]

  constructor(permissions: readonly IndexedPermission[]) {
    this.#permissions = permissions
    for (const [index, permission] of permissions.entries()) {
      if (permission.flat) continue
      const indices = this.#byDomain.get(permission.domain)
      if (indices) indices.push(index)
      else this.#byDomain.set(permission.domain, [index])
    }
  }

  /** Indices of the permissions matched; none for a policy that the catalogue does not know. */
  matches(policy: PolicyFact): number[] {
    const indices = this.#byDomain.get(policy.domain) ?? []
    if (policy.entity === WILDCARD && policy.actions.includes(WILDCARD)) return indices
    return indices.filter((index) => {
      const permission = this.#permissions[index]
      return permission !== undefined && policyMatches(policy, permission)
    })
  }
}
