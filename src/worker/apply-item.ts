import type { NewAuditEntry } from '../domain/audit.ts'
import { applyDelta, grantsWithout } from '../domain/grant-sets.ts'
import { permissionChange } from '../domain/permission-change.ts'
import type { ChangeError, GrantDelta, ItemState, RoleChangeItem } from '../domain/role-change.ts'
import { errorDetails, itemEntry, namedPermissions } from './change-audit.ts'
import { changeError, mayBeWritten } from './change-error.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { sunsetSteps } from './item-sunsets.ts'
import { isEmptyDelta, planItem } from './plan-item.ts'
import type { Plan } from './plan-item.ts'

/** What becomes of a batch because one of its items failed. */
export type Halt = {
  readonly batch: { readonly state: 'stopped' | 'rolling-back'; readonly error: ChangeError }
  readonly audit: readonly NewAuditEntry[]
}

/** What an item's failure means for its batch; undefined: it goes on. */
export type OnItemFailed = (error: ChangeError) => Halt | undefined

/** How an item ended, and whether the batch's run ended with it. */
export type ItemEnd = { readonly state: ItemState; readonly halted: boolean }

/**
 * Carries out one item from wherever it has come to. What will be written is recorded before it is
 * sent and again afterwards; then the platform is read until it shows. Throws only when the batch is
 * out of our hands: every other failure is the item's.
 */
export async function applyItem(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  onFailed: OnItemFailed,
): Promise<ItemEnd> {
  let written: GrantDelta | null = item.step === 'written' ? item.delta : null
  let state: ItemState = 'applied'
  try {
    if (!written) {
      const plan = await planItem(batch, item)
      if ('ends' in plan) {
        await batch.record('settled', plan.step)
        state = plan.ends
      } else written = await writePlan(batch, item, plan)
    }
  } catch (error) {
    batch.signal.throwIfAborted()
    return await recordFailure(batch, item, error, onFailed)
  }
  if (written) {
    // Whoever wrote it may have died before it was served.
    if (item.step === 'written') batch.serve(item.userId, written)
    await confirm(batch, item, written)
  }
  batch.itemEnded(state)
  return { state, halted: false }
}

async function writePlan(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  plan: Plan,
): Promise<GrantDelta> {
  const { matrix, found, delta, missing, kept, conflicts, recorded } = plan
  const { position, userId } = item
  const after = applyDelta(found, delta)
  const told = { operation: 'apply', before: found, after } as const
  const details = { added: delta.add, removed: delta.remove }
  if (!recorded) {
    const patch = { state: 'applying', step: 'planned', found, delta, conflicts } as const
    await batch.record('planned', {
      item: { position, patch: { ...patch, error: null } },
      audit: [itemEntry(batch.batch, item, { ...told, outcome: 'started', details })],
    })
  }
  batch.checkpoint()
  if (!isEmptyDelta(missing)) {
    await batch.write('write', userId, missing).catch((error: unknown) => {
      throw mayBeWritten(error)
    })
  }
  batch.serve(userId, delta)
  const change = permissionChange(matrix, userId, found, after)
  const permissions = {
    ...namedPermissions('addedPermissions', change.added),
    ...namedPermissions('removedPermissions', change.removed),
  }
  const { steps, audit } = sunsetSteps(batch.batch, item, kept, delta.remove)
  const outcome = { outcome: 'succeeded', details: { ...details, ...permissions } } as const
  await batch.record('written', {
    item: { position, patch: { state: 'applying', step: 'written', error: null } },
    written: { userId, ...delta },
    ...steps,
    audit: [itemEntry(batch.batch, item, { ...told, ...outcome }), ...audit],
  })
  return delta
}

async function confirm(
  batch: ClaimedBatch,
  { userId, position }: RoleChangeItem,
  delta: GrantDelta,
): Promise<void> {
  const visible = await batch.readBack(userId, (grants) => {
    const gone = grantsWithout(delta.remove, grants).length === delta.remove.length
    return gone && grantsWithout(delta.add, grants).length === 0
  })
  if (!visible) batch.log.warn({ userId }, 'what was written does not show yet')
  await batch.record('confirmed', {
    item: { position, patch: { state: 'applied', step: 'confirmed', visible } },
    audit: [],
  })
}

async function recordFailure(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  failure: unknown,
  onFailed: OnItemFailed,
): Promise<ItemEnd> {
  const { position, userId } = item
  const error = changeError(failure)
  batch.log.warn({ err: failure, userId }, 'a role change failed')
  const halt = onFailed(error)
  const told = { operation: 'apply', outcome: 'failed', before: item.before, after: null } as const
  const entry = itemEntry(batch.batch, item, { ...told, details: errorDetails(error) })
  await batch.record('settled', {
    item: { position, patch: { state: 'failed', error } },
    ...(halt ? { batch: halt.batch } : {}),
    audit: [entry, ...(halt?.audit ?? [])],
  })
  batch.itemEnded('failed')
  return { state: 'failed', halted: halt !== undefined }
}
