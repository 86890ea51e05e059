import type { NewAuditEntry } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import { applyDelta, grantsWithout } from '../domain/grant-sets.ts'
import { permissionChange } from '../domain/permission-change.ts'
import type { ChangeError, GrantDelta, ItemState, RoleChangeItem } from '../domain/role-change.ts'
import { errorDetails, itemEntry } from './change-audit.ts'
import { changeError, mayBeWritten } from './change-error.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { addedSunsets, isSunset, sunsetSteps } from './item-sunsets.ts'
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
  let sent: GrantDelta | undefined
  let state: ItemState = 'applied'
  try {
    if (!written) {
      const plan = await planItem(batch, item)
      if ('ends' in plan) {
        await batch.record('settled', plan.step)
        state = plan.ends
      } else {
        written = await writePlan(batch, item, plan, () => {
          sent = plan.delta
        })
      }
    }
  } catch (error) {
    batch.signal.throwIfAborted()
    return await recordFailure(batch, item, { error, sent }, onFailed)
  }
  if (written) {
    // Whoever wrote it may have died before it was served.
    if (item.step === 'written') batch.serve(item, 'apply', written)
    await confirm(batch, item, written)
  }
  batch.itemEnded(state)
  return { state, halted: false }
}

async function writePlan(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  plan: Plan,
  onSending: () => void,
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
      audit: [itemEntry(batch, item, { ...told, outcome: 'started', details })],
    })
  }
  batch.checkpoint()
  onSending()
  if (!isEmptyDelta(missing)) {
    await batch.write('write', userId, missing).catch((error: unknown) => {
      throw mayBeWritten(error)
    })
  }
  const written = batch.serve(item, 'apply', delta)
  const change = permissionChange(matrix, userId, found, after)
  const permissions = {
    addedPermissions: change.added,
    removedPermissions: change.removed,
  }
  const { steps, audit } = sunsetSteps(batch, item, kept, delta.remove)
  const outcome = { outcome: 'succeeded', details: { ...details, ...permissions } } as const
  const step = {
    item: { position, patch: { state: 'applying', step: 'written', error: null } },
    written,
    ...steps,
    audit: [itemEntry(batch, item, { ...told, ...outcome }), ...audit],
  } as const
  await batch.record('written', step).catch((error: unknown) => {
    throw mayBeWritten(error)
  })
  return delta
}

async function confirm(
  batch: ClaimedBatch,
  { userId, position }: RoleChangeItem,
  delta: GrantDelta,
): Promise<void> {
  const shows = (grants: readonly Grant[]): boolean => {
    const gone = grantsWithout(delta.remove, grants).length === delta.remove.length
    return gone && grantsWithout(delta.add, grants).length === 0
  }
  // Sunsets come in numbers, and each is to be sent within a minute: none waits for another to show.
  const boundMs = isSunset(batch.batch) ? 0 : undefined
  const visible = await batch.readBack(userId, shows, boundMs)
  if (!visible) batch.log.warn({ userId }, 'what was written does not show yet')
  await batch.record('confirmed', {
    item: { position, patch: { state: 'applied', step: 'confirmed', visible } },
    audit: [],
  })
}

async function recordFailure(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  failure: { readonly error: unknown; readonly sent: GrantDelta | undefined },
  onFailed: OnItemFailed,
): Promise<ItemEnd> {
  const { position, userId } = item
  const error = changeError(failure.error)
  batch.log.warn({ err: failure.error, userId }, 'a role change failed')
  // Whatever failed, a part may have been written.
  const { steps, audit } = addedSunsets(batch, item, failure.sent?.add ?? [])
  const halt = onFailed(error)
  const told = { operation: 'apply', outcome: 'failed', before: item.before, after: null } as const
  const entry = itemEntry(batch, item, { ...told, details: errorDetails(error) })
  await batch.record('settled', {
    item: { position, patch: { state: 'failed', error } },
    ...(halt ? { batch: halt.batch } : {}),
    ...steps,
    audit: [entry, ...audit, ...(halt?.audit ?? [])],
  })
  batch.itemEnded('failed')
  return { state: 'failed', halted: halt !== undefined }
}
