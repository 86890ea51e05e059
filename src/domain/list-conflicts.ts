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
  /** Where they go on; absent at the end. */
  readonly next?: ConflictPlace
}

/** A user's number in one matrix, and how many of that user's conflicts were told. */
export type ConflictPlace = { readonly subject: number; readonly told: number }

export type ConflictPage = {
  readonly limit: number
  /** A `next` of the same matrix and rules; the beginning without it. */
  readonly from?: ConflictPlace | undefined
}

/**
 * The rules that are broken in a matrix, for all its active users in its order; every status is
 * `existing`. `truncated` when there are more than `limit`.
 */
export function currentConflicts(
  matrix: Matrix,
  rules: readonly RoleRule[],
  { limit, from = { subject: 0, told: 0 } }: ConflictPage,
): ConflictList {
  const prepared = prepareRules(matrix, rules)
  const conflicts: RuleConflict[] = []
  for (let { subject } = from; subject < matrix.subjectCount; subject++) {
    if (!isActive(matrix, subject) || isClient(matrix, subject)) continue
    const ruled = { prepared, held: effectiveGrants(matrix, subject) }
    for (const [told, conflict] of [...compareBreaches(ruled, ruled)].entries()) {
      if (subject === from.subject && told < from.told) continue
      if (conflicts.length >= limit) {
        return { conflicts, truncated: true, next: { subject, told } }
      }
      conflicts.push(describeConflict(prepared, conflict, matrix.subjectId(subject)))
    }
  }
  return { conflicts, truncated: false }
}
