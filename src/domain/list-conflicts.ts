import { effectiveGrants } from './effective-grants.ts'
import type { Matrix } from './matrix.ts'
import { prepareRules } from './prepare-rules.ts'
import { describeConflict } from './role-conflict.ts'
import type { RoleRule, RuleConflict } from './role-rules.ts'
import { compareBreaches } from './rule-breaches.ts'
import { isActive, isClient } from './subject-assignments.ts'

export type ConflictList = {
  readonly conflicts: readonly RuleConflict[]
  /** There are more than were asked for. */
  readonly truncated: boolean
}

/**
 * The rules that are broken in a matrix, for all its active users in its order; every status is
 * `existing`. `truncated` when there are more than `limit`.
 */
export function currentConflicts(
  matrix: Matrix,
  rules: readonly RoleRule[],
  { limit }: { readonly limit: number },
): ConflictList {
  const prepared = prepareRules(matrix, rules)
  const conflicts: RuleConflict[] = []
  for (let subject = 0; subject < matrix.subjectCount; subject++) {
    if (!isActive(matrix, subject) || isClient(matrix, subject)) continue
    const ruled = { prepared, held: effectiveGrants(matrix, subject) }
    for (const conflict of compareBreaches(ruled, ruled)) {
      if (conflicts.length >= limit) return { conflicts, truncated: true }
      conflicts.push(describeConflict(prepared, conflict, matrix.subjectId(subject)))
    }
  }
  return { conflicts, truncated: false }
}
