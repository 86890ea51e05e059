import { GROUP, GROUP_BIT, INFO, SUBJECT } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'

/**
 * Who holds what, as words of the matrix: a grant's role is `word >>> divisionBits`, its division
 * `word & divisionMask`. The one place, beside evaluation, that knows how assignments are stored.
 */

/** Told of a grant, and of the group that gives it: -1 for a direct one. */
type VisitGrant = (grant: number, group: number) => void

/** Every grant of a subject: the direct ones, then those of its groups that carry roles. */
export function forEachGrant(matrix: Matrix, subject: number, visit: VisitGrant): void {
  const { subjects, assignments } = matrix
  const at = subject * SUBJECT.words
  const start = subjects[at + SUBJECT.start] as number
  const end = start + ((subjects[at + SUBJECT.info] as number) & INFO.countMask)
  for (let i = start; i < end; i++) {
    const assignment = assignments[i] as number
    if (assignment < GROUP_BIT) visit(assignment, -1)
    else forEachGroupGrant(matrix, assignment - GROUP_BIT, visit)
  }
}

/** Every grant of a group; none when the group carries no roles. */
function forEachGroupGrant(matrix: Matrix, group: number, visit: VisitGrant): void {
  const { groups, assignments } = matrix
  const record = group * GROUP.words
  if (groups[record + GROUP.enabled] !== 1) return
  const first = groups[record + GROUP.start] as number
  const last = first + (groups[record + GROUP.count] as number)
  for (let i = first; i < last; i++) visit(assignments[i] as number, group)
}

export function isActive(matrix: Matrix, subject: number): boolean {
  return (
    ((matrix.subjects[subject * SUBJECT.words + SUBJECT.info] as number) & INFO.stateMask) === 0
  )
}

export function isClient(matrix: Matrix, subject: number): boolean {
  return ((matrix.subjects[subject * SUBJECT.words + SUBJECT.info] as number) & INFO.client) !== 0
}
