/** What a guard compares: taken from a matrix that is served, or one that might be. */
export type MatrixSize = {
  readonly userCount: number
  readonly activeUserCount: number
  readonly directGrantCount: number
  readonly groupGrantCount: number
  readonly membershipCount: number
  readonly roleCount: number
  readonly rolePermissionCount: number
  readonly divisionCount: number
  readonly cataloguedCount: number
}

export type ShrinkRule = {
  /** How far a count may fall from one matrix to the next, in percent. */
  readonly maxShrinkPercent: number
  /** An admin said that the fall, or the emptiness, is meant. */
  readonly allowShrink: boolean
}

/** Below this a share says little: such a count is only guarded against vanishing altogether. */
const TELLING_COUNT = 50

/**
 * Why a new matrix must not replace the served one, or undefined when it may. A platform that
 * answers with too little looks just like a platform where much was deleted: only a person can tell.
 * Users and grants are held to the rule at any size; what a half-read organisation could also lack
 * (active users, memberships, permissions of roles, the catalogue) from {@link TELLING_COUNT} on.
 * No organisation is without users, roles, divisions or permissions.
 */
export function refusal(
  served: MatrixSize | undefined,
  candidate: MatrixSize,
  rule: ShrinkRule,
): string | undefined {
  if (rule.allowShrink) return undefined
  const missing = emptyParts(candidate)
  if (missing.length > 0) {
    return `the organisation seems to have no ${missing.join(', no ')}; with allowShrink that is taken for real`
  }
  if (!served) return undefined
  const falls = [
    fall('users', served.userCount, candidate.userCount),
    fall('grants', grantCount(served), grantCount(candidate)),
    ...[
      fall('active users', served.activeUserCount, candidate.activeUserCount),
      fall('group memberships', served.membershipCount, candidate.membershipCount),
      fall('permissions of roles', served.rolePermissionCount, candidate.rolePermissionCount),
      fall('permissions', served.cataloguedCount, candidate.cataloguedCount),
    ].filter(({ before, after }) => before >= TELLING_COUNT || after === 0),
  ].filter(({ percent }) => percent > rule.maxShrinkPercent)
  if (falls.length === 0) return undefined
  const what = falls.map(({ text }) => text).join(' and ')
  return `${what}; at most ${rule.maxShrinkPercent} % is taken for real without allowShrink`
}

function emptyParts(size: MatrixSize): string[] {
  const parts: readonly [string, number][] = [
    ['users', size.userCount],
    ['roles', size.roleCount],
    ['divisions', size.divisionCount],
    ['permissions', size.cataloguedCount],
  ]
  return parts.filter(([, count]) => count === 0).map(([name]) => name)
}

type Fall = {
  readonly before: number
  readonly after: number
  readonly percent: number
  readonly text: string
}

function fall(what: string, before: number, after: number): Fall {
  const percent = before === 0 ? 0 : ((before - after) * 100) / before
  const text = `${what} fell by ${percent.toFixed(1)} % from ${before} to ${after}`
  return { before, after, percent, text }
}

function grantCount(size: MatrixSize): number {
  return size.directGrantCount + size.groupGrantCount
}
