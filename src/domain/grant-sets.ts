import type { Grant } from './facts.ts'
import type { GrantDelta } from './role-change.ts'

/**
 * Grants as sets: order and repetition mean nothing. Results hold every grant once, in the order in
 * which the arguments have them.
 */

/** Text that is the same for the same grant and for no other; ids may hold any character. */
export function grantKey(grant: Grant): string {
  return `${grant.roleId.length}:${grant.roleId}${grant.divisionId}`
}

/** Those of the first list that are not in the second. */
export function grantsWithout(grants: readonly Grant[], others: readonly Grant[]): Grant[] {
  const seen = new Set(others.map(grantKey))
  const left: Grant[] = []
  for (const { roleId, divisionId } of grants) {
    const key = grantKey({ roleId, divisionId })
    if (seen.has(key)) continue
    seen.add(key)
    left.push({ roleId, divisionId })
  }
  return left
}

export function sameGrants(a: readonly Grant[], b: readonly Grant[]): boolean {
  return grantsWithout(a, b).length === 0 && grantsWithout(b, a).length === 0
}

/** The grants once the delta is written: first what is removed goes, then what is added comes. */
export function applyDelta(grants: readonly Grant[], delta: GrantDelta): Grant[] {
  return grantsWithout([...grantsWithout(grants, delta.remove), ...delta.add], [])
}

/** What turns the grants of now into exactly those of before. */
export function invertDelta(before: readonly Grant[], now: readonly Grant[]): GrantDelta {
  return { add: grantsWithout(before, now), remove: grantsWithout(now, before) }
}
