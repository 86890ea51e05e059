import type { PermissionFact, PolicyFact } from './facts.ts'

/** Stands for every entity of a domain, or every action of an entity. */
export const WILDCARD = '*'

/** `domain:entity:action`, case kept: codes compare byte for byte. */
export function permissionName(permission: {
  readonly domain: string
  readonly entity: string
  readonly action: string
}): string {
  return `${permission.domain}:${permission.entity}:${permission.action}`
}

/**
 * Whether a role's policy speaks of a catalogue permission. The domain is compared as it is: a `*`
 * there is not a wildcard in any recorded role, and reading it as one would give everything away.
 */
export function policyMatches(
  policy: Pick<PolicyFact, 'domain' | 'entity' | 'actions'>,
  permission: Pick<PermissionFact, 'domain' | 'entity' | 'action'>,
): boolean {
  return (
    policy.domain === permission.domain &&
    (policy.entity === WILDCARD || policy.entity === permission.entity) &&
    (policy.actions.includes(permission.action) || policy.actions.includes(WILDCARD))
  )
}

/** A policy as people write it: `routing:queue:view+edit`, `analytics:*:*`. */
export function policyName(policy: Pick<PolicyFact, 'domain' | 'entity' | 'actions'>): string {
  return `${policy.domain}:${policy.entity}:${policy.actions.join('+')}`
}

/** Names longer than this are not searched for. */
const MAX_SEARCHED_LENGTH = 200
/** More edits than this are another name, not a misspelt one. */
const MAX_EDITS = 3

/**
 * The known name that takes the fewest single-character edits from what was asked, letters compared
 * without case; undefined when nothing is within {@link MAX_EDITS} and a third of the length. A
 * thousand names cost a millisecond or so, whatever is asked.
 */
export function nearestName(asked: string, known: Iterable<string>): string | undefined {
  if (asked.length > MAX_SEARCHED_LENGTH) return undefined
  const wanted = asked.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.min(Math.floor(wanted.length / 3), MAX_EDITS) + 1
  for (const name of known) {
    if (Math.abs(name.length - wanted.length) >= bestDistance) continue
    const distance = editDistance(wanted, name.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** One row of distances and the one before it; a look-up takes thousands of them. */
let row = new Uint16Array(MAX_SEARCHED_LENGTH + MAX_EDITS + 2)
let rowBefore = new Uint16Array(MAX_SEARCHED_LENGTH + MAX_EDITS + 2)

/**
 * Levenshtein distance, given up as `limit` once it cannot come below it. Only cells less than
 * `limit` off the diagonal are looked at: what lies beyond costs at least so many edits.
 */
function editDistance(a: string, b: string, limit: number): number {
  const width = Math.min(b.length, MAX_SEARCHED_LENGTH + MAX_EDITS)
  for (let j = 0; j <= Math.min(width, limit); j++) rowBefore[j] = j
  for (let i = 1; i <= a.length; i++) {
    const first = Math.max(1, i - limit + 1)
    const last = Math.min(width, i + limit - 1)
    row[first - 1] = first === 1 ? i : limit
    let least = row[first - 1] as number
    const unit = a.charCodeAt(i - 1)
    for (let j = first; j <= last; j++) {
      const substituted = (rowBefore[j - 1] as number) + (unit === b.charCodeAt(j - 1) ? 0 : 1)
      const moved = Math.min(rowBefore[j] as number, row[j - 1] as number) + 1
      const cost = substituted < moved ? substituted : moved
      row[j] = cost
      if (cost < least) least = cost
    }
    if (last < width) row[last + 1] = limit
    if (least >= limit) return limit
    const filled = row
    row = rowBefore
    rowBefore = filled
  }
  return rowBefore[width] as number
}
