import { ALL_DIVISIONS } from './facts.ts'
import type { Matrix, Named } from './matrix.ts'
import type { PreparedRules } from './prepare-rules.ts'
import type { RoleRule, RuleConflict } from './role-rules.ts'
import { OVERALL } from './rule-breaches.ts'
import type { Conflict } from './rule-breaches.ts'

/** Permissions told of in one conflict: a set may be a whole domain. */
const MAX_PERMISSIONS = 100

/** Names told of in one sentence. */
const MAX_NAMES = 5

/** A conflict in words. `unknownDivisions` are those that the matrix does not know, by number. */
export function describeConflict(
  { matrix, rules }: PreparedRules,
  { rule: position, place, breach, status }: Conflict,
  userId: string,
  unknownDivisions: readonly string[] = [],
): RuleConflict {
  const rule = rules[position]?.rule as RoleRule
  const roles = breach.roles.map((role) => matrix.role(role))
  const permissions = breach.permissions
    .slice(0, MAX_PERMISSIONS)
    .map((permission) => matrix.permissionCode(permission))
  const division = placeOf(matrix, place, unknownDivisions)
  return {
    rule: rule.name,
    userId,
    roleIds: roles.map(({ id }) => id),
    roleNames: roles.map(({ name }) => name),
    permissions,
    divisionId: division?.id ?? null,
    status,
    message: sentence(rule, roles, permissions, breach.permissions.length, division),
  }
}

function placeOf(matrix: Matrix, place: number, unknown: readonly string[]): Named | undefined {
  if (place === OVERALL) return undefined
  const id = unknown[place - matrix.divisionMask - 1]
  return id === undefined ? matrix.grantDivision(place) : { id, name: `division ${id}` }
}

function sentence(
  rule: RoleRule,
  roles: readonly Named[],
  permissions: readonly string[],
  permissionCount: number,
  division: Named | undefined,
): string {
  const names = roles.map(({ name }) => name)
  const held = names.length === 1 ? `the role ${names[0]}` : `the roles ${listNames(names)}`
  const where = placeText(division)
  if (rule.kind === 'excludes') return `${held} exclude each other${where}`
  if (rule.kind === 'requires') {
    const verb = names.length === 1 ? 'requires' : 'require'
    return `${held} ${verb} ${listNames(rule.requires, 'or')}${where}`
  }
  return `${listNames(permissions, 'and', permissionCount)} must not meet in one person${where}`
}

function placeText(division: Named | undefined): string {
  if (division === undefined) return ''
  return division.id === ALL_DIVISIONS ? ' in all divisions' : ` in ${division.name}`
}

/** `a, b and c`, or `a, b, … and 7 more`. */
function listNames(names: readonly string[], last = 'and', count = names.length): string {
  const shown = names.slice(0, count > MAX_NAMES ? MAX_NAMES - 1 : MAX_NAMES)
  const rest = count - shown.length
  const final = rest > 0 ? `${rest} more` : shown.pop()
  return shown.length === 0 ? (final ?? 'nothing') : `${shown.join(', ')} ${last} ${final}`
}
