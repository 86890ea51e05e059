/** What a guard compares: taken from a matrix that is served, or one that might be. */
export type MatrixSize = {
  readonly userCount: number
  readonly directGrantCount: number
  readonly groupGrantCount: number
}

export type ShrinkRule = {
  /** Users or grants may fall by this much from one matrix to the next, in percent. */
  readonly maxShrinkPercent: number
  /** An admin said that the fall is meant. */
  readonly allowShrink: boolean
}

/**
 * Why a new matrix must not replace the served one, or undefined when it may. A platform that
 * answers with too little looks just like a platform where much was deleted: only a person can tell.
 */
export function refusal(
  served: MatrixSize | undefined,
  candidate: MatrixSize,
  rule: ShrinkRule,
): string | undefined {
  if (!served || rule.allowShrink) return undefined
  const falls = [
    fall('users', served.userCount, candidate.userCount),
    fall('grants', grantCount(served), grantCount(candidate)),
  ].filter(({ percent }) => percent > rule.maxShrinkPercent)
  if (falls.length === 0) return undefined
  const what = falls.map(({ text }) => text).join(' and ')
  return `${what}; at most ${rule.maxShrinkPercent} % is taken for real without allowShrink`
}

function fall(what: string, before: number, after: number): { percent: number; text: string } {
  const percent = before === 0 ? 0 : ((before - after) * 100) / before
  return { percent, text: `${what} fell by ${percent.toFixed(1)} % from ${before} to ${after}` }
}

function grantCount(size: MatrixSize): number {
  return size.directGrantCount + size.groupGrantCount
}
