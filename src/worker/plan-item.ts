import type { AuditOutcome, JsonObject } from '../domain/audit.ts'
import { userConflicts } from '../domain/check-role-rules.ts'
import type { Grant } from '../domain/facts.ts'
import { applyDelta, grantsWithout, sameGrants } from '../domain/grant-sets.ts'
import type { Matrix } from '../domain/matrix.ts'
import { grantContext, planGrants, wantedGrants } from '../domain/plan-grants.ts'
import type { ItemPatch, RecordStep } from '../domain/role-change-store.ts'
import type { GrantDelta, ItemState, RoleChangeItem, TimedGrant } from '../domain/role-change.ts'
import type { RuleConflict } from '../domain/role-rules.ts'
import { itemEntry } from './change-audit.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { dueIntent, isSunset, sunsetSteps, withSunsets } from './item-sunsets.ts'

/** What an item is about to write. */
export type Plan = {
  readonly matrix: Matrix
  /** Grants before the first write; what a rollback restores. */
  readonly found: readonly TimedGrant[]
  /** All that the item writes, what was written earlier included. */
  readonly delta: GrantDelta
  /** What of it is still to be sent. */
  readonly missing: GrantDelta
  /** Grants that are to be held once it is done. */
  readonly kept: readonly Grant[]
  readonly conflicts: readonly RuleConflict[]
  /** Whether exactly this is recorded already. */
  readonly recorded: boolean
}

/** How an item ends without a write, and what is to be recorded of it. */
export type Settled = { readonly ends: ItemState; readonly step: RecordStep }

/**
 * Reads the user's grants and decides what is to be written. An item at step `planned` may have been
 * written in part: it is compared with what was found then, without regard to what it was about to
 * write, and what is missing is planned.
 */
export async function planItem(batch: ClaimedBatch, item: RoleChangeItem): Promise<Plan | Settled> {
  const { userId } = item
  const now = await batch.read(userId)
  const begun = begunPlan(item)
  if (!batch.batch.force && !isAsExpected(item, now, begun))
    return changedMeanwhile(batch, item, now)
  const matrix = batch.matrix()
  const context = grantContext(matrix)
  const intent = await dueIntent(batch, item)
  const kept = wantedGrants(intent, context)
  const missing = planGrants(intent, now, context)
  const found = begun?.found ?? (await withSunsets(batch, item, now, kept, missing.remove))
  if (!begun && isEmptyDelta(missing)) return unchanged(batch, item, found, kept)
  const after = applyDelta(now, missing)
  const conflicts = blockingFirst(userConflicts(matrix, batch.rules, userId, found, after))
  const blocked = conflicts.some(isBlocking)
  // What was begun is not left half done for a rule's sake, and no rule prolongs a grant's time.
  if (blocked && sameGrants(found, now) && !isSunset(batch.batch)) {
    return conflicting(batch, item, now, conflicts)
  }
  const delta = begun ? joinDeltas(begun.delta, missing) : missing
  const recorded = begun !== undefined && delta === begun.delta
  return { matrix, found, delta, missing, kept, conflicts, recorded }
}

/** Conflicts told of one user, at most: those that block before those that were there already. */
const MAX_CONFLICTS = 100

function blockingFirst(conflicts: readonly RuleConflict[]): RuleConflict[] {
  const { blocking = [], existing = [] } = Object.groupBy(conflicts, (conflict) => {
    return isBlocking(conflict) ? 'blocking' : 'existing'
  })
  return [...blocking, ...existing].slice(0, MAX_CONFLICTS)
}

function isBlocking({ status }: RuleConflict): boolean {
  return status !== 'existing'
}

type Begun = { readonly found: readonly TimedGrant[]; readonly delta: GrantDelta }

function begunPlan({ step, found, delta }: RoleChangeItem): Begun | undefined {
  return step === 'planned' && found && delta ? { found, delta } : undefined
}

function isAsExpected(
  { before }: RoleChangeItem,
  now: readonly Grant[],
  begun: Begun | undefined,
): boolean {
  return begun ? sameApartFrom(begun.found, now, [begun.delta]) : sameGrants(before, now)
}

/** Whether two lists differ at most in grants that the deltas name. */
export function sameApartFrom(
  a: readonly Grant[],
  b: readonly Grant[],
  deltas: readonly GrantDelta[],
): boolean {
  const touched = deltas.flatMap(({ add, remove }) => [...add, ...remove])
  return sameGrants(grantsWithout(a, touched), grantsWithout(b, touched))
}

export function isEmptyDelta({ add, remove }: GrantDelta): boolean {
  return add.length === 0 && remove.length === 0
}

/** Both deltas, the second having the last word; the first itself when it covers the second. */
export function joinDeltas(first: GrantDelta, second: GrantDelta): GrantDelta {
  const add = grantsWithout([...grantsWithout(first.add, second.remove), ...second.add], [])
  const remove = grantsWithout([...grantsWithout(first.remove, second.add), ...second.remove], [])
  const covers = sameGrants(add, first.add) && sameGrants(remove, first.remove)
  return covers ? first : { add, remove }
}

type Ending = {
  readonly ends: ItemState
  readonly outcome: AuditOutcome
  readonly patch: ItemPatch
  readonly before: readonly Grant[]
  readonly after: readonly Grant[]
  readonly details?: JsonObject
}

function settled(batch: ClaimedBatch, item: RoleChangeItem, ending: Ending): Settled {
  const { ends, outcome, patch, before, after, details = {} } = ending
  const told = { operation: 'apply', outcome, before, after, details } as const
  return {
    ends,
    step: {
      item: { position: item.position, patch: { ...patch, state: ends } },
      audit: [itemEntry(batch.batch, item, told)],
    },
  }
}

function changedMeanwhile(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  now: readonly Grant[],
): Settled {
  const { before } = item
  const come = grantsWithout(now, before).length
  const gone = grantsWithout(before, now).length
  const since = `revision ${batch.batch.baseRevision}`
  const message = `since ${since} others granted ${come} and revoked ${gone}: left as it is`
  return settled(batch, item, {
    ends: 'changed-meanwhile',
    outcome: 'skipped',
    // What a plan found and wrote must stay known, or nobody could take it back.
    patch: { ...(item.found === null ? { found: now } : {}), error: { message } },
    before,
    after: now,
    details: { reason: message },
  })
}

function unchanged(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  found: readonly TimedGrant[],
  kept: readonly Grant[],
): Settled {
  const { steps, audit } = sunsetSteps(batch.batch, item, kept, [])
  const { ends, step } = settled(batch, item, {
    ends: 'unchanged',
    outcome: 'unchanged',
    patch: { found, delta: { add: [], remove: [] }, error: null },
    before: found,
    after: found,
  })
  return { ends, step: { ...step, ...steps, audit: [...step.audit, ...audit] } }
}

function conflicting(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  now: readonly Grant[],
  conflicts: readonly RuleConflict[],
): Settled {
  const blocking = conflicts.filter(isBlocking)
  const message = blocking[0]?.message ?? 'a rule would be broken'
  return settled(batch, item, {
    ends: 'skipped-conflict',
    outcome: 'skipped',
    patch: { found: now, conflicts, error: { message } },
    before: now,
    after: now,
    details: { conflicts: blocking },
  })
}
