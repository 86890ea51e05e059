import type { Grant } from './facts.ts'
import { grantKey, grantsWithout } from './grant-sets.ts'
import type { GrantIntent, TimedGrant } from './role-change.ts'

/** A grant that ends by itself: `until` is ISO 8601, UTC. */
export type PendingSunset = Grant & { readonly userId: string; readonly until: string }

/**
 * What a change does to the time at which a grant ends: `set` where it had none, `replaced` by
 * another time, `cancelled` where the grant goes or is given for good. `until` is null for
 * `cancelled`, `previousUntil` for `set`.
 */
export type SunsetChange = Grant & {
  readonly userId: string
  readonly change: 'set' | 'replaced' | 'cancelled'
  readonly until: string | null
  readonly previousUntil: string | null
}

type Timed = TimedGrant & { readonly until: string }

/** Grants that an intent gives for a time only. */
export function timedGrants(intent: GrantIntent): Timed[] {
  return intent.kind === 'delta' ? intent.grant.filter(isTimed) : []
}

export function isTimed(grant: TimedGrant): grant is Timed {
  return grant.until !== undefined
}

/**
 * Grants whose sunset, if they have one, an intent replaces or cancels: what it wants held (`kept`),
 * revokes, or takes away.
 */
export function grantsWithOtherSunset(
  intent: GrantIntent,
  kept: readonly Grant[],
  removed: readonly Grant[],
): Grant[] {
  const revoked = intent.kind === 'delta' ? intent.revoke : []
  return grantsWithout([...kept, ...revoked, ...removed], [])
}

/** What an intent changes in a user's sunsets, of which `pending` are those to come. */
export function sunsetChanges(
  userId: string,
  intent: GrantIntent,
  pending: readonly PendingSunset[],
  kept: readonly Grant[],
  removed: readonly Grant[],
): SunsetChange[] {
  const untils = new Map(pending.map((sunset) => [grantKey(sunset), sunset.until]))
  const timed = timedGrants(intent)
  const changes = timed.map(({ roleId, divisionId, until }): SunsetChange => {
    const previousUntil = untils.get(grantKey({ roleId, divisionId })) ?? null
    const change = previousUntil === null ? 'set' : 'replaced'
    return { userId, roleId, divisionId, change, until, previousUntil }
  })
  for (const grant of grantsWithout(grantsWithOtherSunset(intent, kept, removed), timed)) {
    const previousUntil = untils.get(grantKey(grant))
    if (previousUntil === undefined) continue
    changes.push({ userId, ...grant, change: 'cancelled', until: null, previousUntil })
  }
  return changes.filter(({ until, previousUntil }) => until !== previousUntil)
}
