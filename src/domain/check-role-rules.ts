import { ALL_DIVISIONS } from './facts.ts'
import type { Grant } from './facts.ts'
import type { Matrix } from './matrix.ts'
import { prepareRules } from './prepare-rules.ts'
import type { PreparedRules } from './prepare-rules.ts'
import { describeConflict } from './role-conflict.ts'
import type { RoleRule, RuleConflict } from './role-rules.ts'
import { compareBreaches } from './rule-breaches.ts'
import type { HeldGrants } from './rule-breaches.ts'
import { forEachGrant } from './subject-assignments.ts'

/** The rules last used with a matrix: at apply time users come one after the other. */
const lastPrepared = new WeakMap<Matrix, { rules: readonly RoleRule[]; prepared: PreparedRules }>()

/**
 * Rules that are broken for a user once the direct grants are those of after, what the matrix says
 * that groups give included. Roles that the matrix does not know break no rule; a division that it
 * does not know is one like any other. Anything but `existing` is to block the change.
 */
export function userConflicts(
  matrix: Matrix,
  rules: readonly RoleRule[],
  userId: string,
  grantsBefore: readonly Grant[],
  grantsAfter: readonly Grant[],
): RuleConflict[] {
  let last = lastPrepared.get(matrix)
  if (last === undefined || last.rules !== rules) {
    last = { rules, prepared: prepareRules(matrix, rules) }
    lastPrepared.set(matrix, last)
  }
  const { prepared } = last
  const unknownDivisions: string[] = []
  const before = heldGrants(prepared, userId, grantsBefore, unknownDivisions)
  const after = heldGrants(prepared, userId, grantsAfter, unknownDivisions)
  return compareBreaches({ prepared, held: before }, { prepared, held: after }).map((conflict) =>
    describeConflict(prepared, conflict, userId, unknownDivisions),
  )
}

function heldGrants(
  { matrix, roleIndex }: PreparedRules,
  userId: string,
  direct: readonly Grant[],
  unknownDivisions: string[],
): HeldGrants {
  const held = { roles: [] as number[], divisions: [] as number[] }
  for (const { roleId, divisionId } of direct) {
    const role = roleIndex.get(roleId)
    if (role === undefined) continue
    held.roles.push(role)
    held.divisions.push(divisionNumber(matrix, divisionId, unknownDivisions))
  }
  const subject = matrix.findSubject(userId)
  if (subject >= 0) {
    forEachGrant(matrix, subject, (grant, group) => {
      if (group < 0) return
      held.roles.push(grant >>> matrix.divisionBits)
      held.divisions.push(grant & matrix.divisionMask)
    })
  }
  return held
}

function divisionNumber(matrix: Matrix, divisionId: string, unknown: string[]): number {
  if (divisionId === ALL_DIVISIONS) return matrix.divisionMask
  const index = matrix.findDivision(divisionId)
  if (index >= 0) return index
  if (!unknown.includes(divisionId)) unknown.push(divisionId)
  return matrix.divisionMask + 1 + unknown.indexOf(divisionId)
}
