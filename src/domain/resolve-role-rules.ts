import type { Matrix } from './matrix.ts'
import { policyMatches, WILDCARD } from './permission.ts'
import { readPermission } from './role-records.ts'
import { setBit } from './role-rows.ts'
import type { RoleRule } from './role-rules.ts'

/** A rule in a matrix's numbers: role indices, permission bits. */
export type ResolvedRule =
  | {
      readonly kind: 'excludes' | 'requires'
      readonly rule: RoleRule
      /** Whoever holds one of these … */
      readonly roles: ReadonlySet<number>
      /** … must hold none, or one, of these. */
      readonly others: ReadonlySet<number>
    }
  | {
      readonly kind: 'segregates'
      readonly rule: RoleRule
      /** A row of permission bits for each set. */
      readonly sets: readonly Uint32Array[]
    }

/** A rule of which something names nothing in this organisation. */
export type UnmatchedRule = {
  readonly rule: string
  /** The names of roles and permissions that were not found. */
  readonly unknown: readonly string[]
  /** True when the rule can never be broken here, for too little of it was found. */
  readonly inert: boolean
}

/**
 * Rules on the roles and permissions of a matrix, in their order. A role is named by its id, else by
 * its name without regard to case, spaces and underscores: several roles may answer to one name. A
 * permission is named by its code; `*` as entity or action stands for all. What is not found is left
 * out, so a role that requires only roles that nobody has breaks its rule.
 */
export function resolveRoleRules(matrix: Matrix, rules: readonly RoleRule[]): ResolvedRule[] {
  const names = new RuleNames(matrix)
  return rules.map((rule): ResolvedRule => {
    if (rule.kind === 'segregates') {
      return { kind: rule.kind, rule, sets: rule.permissions.map((set) => names.permissions(set)) }
    }
    const others = rule.kind === 'excludes' ? rule.excludes : rule.requires
    return { kind: rule.kind, rule, roles: names.roles([rule.role]), others: names.roles(others) }
  })
}

/** The rules that name what this organisation does not have; for the matrix's description. */
export function unmatchedRules(matrix: Matrix, rules: readonly RoleRule[]): UnmatchedRule[] {
  const names = new RuleNames(matrix)
  const resolved = resolveRoleRules(matrix, rules)
  const unmatched: UnmatchedRule[] = []
  for (const one of resolved) {
    const { rule } = one
    const unknown = new Set<string>()
    const asked = rule.kind === 'segregates' ? rule.permissions.flat() : roleNames(rule)
    for (const name of asked) {
      const found = rule.kind === 'segregates' ? names.permissions([name]) : names.roles([name])
      if (!isFilled(found)) unknown.add(name)
    }
    if (unknown.size === 0) continue
    unmatched.push({ rule: rule.name, unknown: [...unknown], inert: isInert(one) })
  }
  return unmatched
}

function roleNames(rule: Exclude<RoleRule, { kind: 'segregates' }>): string[] {
  return [rule.role, ...(rule.kind === 'excludes' ? rule.excludes : rule.requires)]
}

function isInert(rule: ResolvedRule): boolean {
  if (rule.kind === 'segregates') return rule.sets.filter(isFilled).length < 2
  return rule.roles.size === 0 || (rule.kind === 'excludes' && rule.others.size === 0)
}

function isFilled(found: ReadonlySet<number> | Uint32Array): boolean {
  return found instanceof Uint32Array ? found.some((word) => word !== 0) : found.size > 0
}

/** Finds what rules name; built once for all of them. */
class RuleNames {
  readonly #matrix: Matrix
  readonly #roleById = new Map<string, number>()
  readonly #rolesByName = new Map<string, number[]>()

  constructor(matrix: Matrix) {
    this.#matrix = matrix
    for (let index = 0; index < matrix.roleCount; index++) {
      const { id, name } = matrix.role(index)
      this.#roleById.set(id, index)
      const folded = foldName(name)
      const others = this.#rolesByName.get(folded)
      if (others === undefined) this.#rolesByName.set(folded, [index])
      else others.push(index)
    }
  }

  roles(names: readonly string[]): Set<number> {
    const found = new Set<number>()
    for (const name of names) {
      const byId = this.#roleById.get(name)
      const indices = byId === undefined ? this.#rolesByName.get(foldName(name)) : [byId]
      for (const index of indices ?? []) found.add(index)
    }
    return found
  }

  permissions(names: readonly string[]): Uint32Array {
    const bits = new Uint32Array(this.#matrix.permissionWords)
    for (const name of names) {
      const index = this.#matrix.findPermission(name)
      if (index >= 0) setBit(bits, index)
      else if (name.includes(WILDCARD)) this.#addMatching(name, bits)
    }
    return bits
  }

  #addMatching(name: string, bits: Uint32Array): void {
    const [domain = '', entity = '', action = ''] = name.split(':')
    const pattern = { domain, entity, actions: [action] }
    for (let index = 0; index < this.#matrix.permissionCount; index++) {
      const permission = readPermission(this.#matrix, index)
      if (!permission.flat && policyMatches(pattern, permission)) setBit(bits, index)
    }
  }
}

function foldName(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_]/g, '')
}
