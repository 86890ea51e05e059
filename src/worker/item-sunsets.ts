import type { NewAuditEntry } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import { grantKey, grantsWithout } from '../domain/grant-sets.ts'
import type { RecordStep } from '../domain/role-change-store.ts'
import type {
  GrantIntent,
  RoleChangeBatch,
  RoleChangeItem,
  TimedGrant,
} from '../domain/role-change.ts'
import { itemEntry } from './change-audit.ts'
import type { ClaimedBatch } from './claimed-batch.ts'

/** The actor of batches that take back grants whose time is over. */
export const SUNSET_ACTOR = 'sunset'

/** An admin's key may have that name too; but every request has an id. */
export function isSunset(batch: RoleChangeBatch): boolean {
  return batch.requestedBy === SUNSET_ACTOR && batch.requestId === ''
}

/**
 * The intent as it is to be carried out now. Between the acceptance of a sunset and its turn another
 * batch may have prolonged a grant, or given it for good: that one is no longer to be taken back.
 */
export async function dueIntent(batch: ClaimedBatch, item: RoleChangeItem): Promise<GrantIntent> {
  const { intent } = item
  if (intent.kind !== 'delta' || !isSunset(batch.batch)) return intent
  const sunsets = await batch.sunsetsOf(item.userId)
  const due = sunsets.filter((sunset) => Date.parse(sunset.until) <= batch.now())
  const keys = new Set(due.map(grantKey))
  return { ...intent, revoke: intent.revoke.filter((grant) => keys.has(grantKey(grant))) }
}

type SunsetSteps = {
  readonly steps: Pick<RecordStep, 'sunsets' | 'cancelSunsets'>
  readonly audit: readonly NewAuditEntry[]
}

/**
 * What an item that went through means for sunsets: its timed grants get theirs; what it takes away,
 * or gives for good, has none any more. `kept` are the grants that the intent wants held.
 */
export function sunsetSteps(
  batch: RoleChangeBatch,
  item: RoleChangeItem,
  kept: readonly Grant[],
  removed: readonly Grant[],
): SunsetSteps {
  // The store itself ends the sunsets that a batch carries out.
  if (isSunset(batch)) return { steps: {}, audit: [] }
  const { userId, intent } = item
  const timed = timedGrants(intent)
  const cancelled = grantsWithout(changedSunsets(intent, kept, removed), timed)
  return {
    steps: {
      ...(timed.length === 0 ? {} : { sunsets: timed.map((grant) => ({ ...grant, userId })) }),
      ...cancelSunsets(userId, cancelled),
    },
    audit: timed.length === 0 ? [] : [scheduledEntry(batch, item, timed)],
  }
}

/** Grants whose sunset, if they have one, the intent replaces or cancels. */
function changedSunsets(
  intent: GrantIntent,
  kept: readonly Grant[],
  removed: readonly Grant[],
): Grant[] {
  const revoked = intent.kind === 'delta' ? intent.revoke : []
  return grantsWithout([...kept, ...revoked, ...removed], [])
}

/** The grants that were found, those whose sunset the item changes with the time of it. */
export async function withSunsets(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  found: readonly Grant[],
  kept: readonly Grant[],
  removed: readonly Grant[],
): Promise<readonly TimedGrant[]> {
  if (isSunset(batch.batch)) return found
  const changed = new Set(changedSunsets(item.intent, kept, removed).map(grantKey))
  const sunsets = await batch.sunsetsOf(item.userId)
  const untils = new Map(sunsets.map((sunset) => [grantKey(sunset), sunset.until]))
  return found.map((grant) => {
    const until = changed.has(grantKey(grant)) ? untils.get(grantKey(grant)) : undefined
    return until === undefined ? grant : { ...grant, until }
  })
}

/** What undoing an item means for sunsets: those that it set go, those that it changed come back. */
export function undoneSunsets(
  { userId, intent, found }: RoleChangeItem,
  added: readonly Grant[],
): SunsetSteps['steps'] {
  const timed = (found ?? []).filter(isTimed)
  const cancelled = grantsWithout([...timedGrants(intent), ...added], timed)
  return {
    ...(timed.length === 0 ? {} : { sunsets: timed.map((grant) => ({ ...grant, userId })) }),
    ...cancelSunsets(userId, cancelled),
  }
}

function cancelSunsets(
  userId: string,
  grants: readonly Grant[],
): Pick<RecordStep, 'cancelSunsets'> {
  if (grants.length === 0) return {}
  return {
    cancelSunsets: grants.map(({ roleId, divisionId }) => ({ userId, roleId, divisionId })),
  }
}

type Timed = TimedGrant & { readonly until: string }

/** Grants that an intent gives for a time only. */
export function timedGrants(intent: GrantIntent): Timed[] {
  if (intent.kind !== 'delta') return []
  return intent.grant.filter(isTimed)
}

function isTimed(grant: TimedGrant): grant is Timed {
  return grant.until !== undefined
}

function scheduledEntry(
  batch: RoleChangeBatch,
  item: RoleChangeItem,
  sunsets: readonly Timed[],
): NewAuditEntry {
  const told = { operation: 'apply', outcome: 'succeeded', before: null, after: null } as const
  const details = { sunsets }
  return { ...itemEntry(batch, item, { ...told, details }), action: 'sunset_scheduled' }
}
