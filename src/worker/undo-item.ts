import type { AuditOutcome, JsonObject } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import { applyDelta, invertDelta, sameGrants } from '../domain/grant-sets.ts'
import { permissionChange } from '../domain/permission-change.ts'
import { grantContext } from '../domain/plan-grants.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { ChangeError, GrantDelta, RoleChangeItem } from '../domain/role-change.ts'
import { errorDetails, itemEntry, namedPermissions } from './change-audit.ts'
import { changeError, wasRefused } from './change-error.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { timedGrants, undoneSunsets } from './item-sunsets.ts'
import { isEmptyDelta, joinDeltas, sameApartFrom } from './plan-item.ts'

/** An item of which the platform has, or may have, something that can be taken back. */
export type Undoable = RoleChangeItem & {
  readonly found: readonly Grant[]
  readonly delta: GrantDelta
}

export function isUndoable(item: RoleChangeItem): item is Undoable {
  const { step, found, delta } = item
  if (!found || !delta || isEmptyDelta(delta)) return false
  return step !== 'none' && step !== 'undone'
}

/** An item that wrote nothing, but set, replaced or cancelled sunsets. */
export function hasOnlySunsets({ state, step, intent, found }: RoleChangeItem): boolean {
  if (state !== 'unchanged' || step === 'undone') return false
  return timedGrants(intent).length > 0 || (found ?? []).some(({ until }) => until !== undefined)
}

/** Makes the sunsets of such an item what they were. */
export async function undoSunsets(batch: ClaimedBatch, item: RoleChangeItem): Promise<void> {
  const steps = undoneSunsets(item, [])
  const { sunsets = [], cancelSunsets = [] } = steps
  const details = { sunsetsRestored: sunsets, sunsetsCancelled: cancelSunsets }
  const told = { before: null, after: null, details }
  await batch.record('undo-settled', {
    item: { position: item.position, patch: { step: 'undone' } },
    ...steps,
    audit: [entryOf(batch, item, 'succeeded', told)],
  })
}

/**
 * Gives a user back exactly the direct grants that were found before the item was carried out,
 * recorded before and after. Where others have changed the grants since, they are left alone unless
 * the rollback is forced. Answers why the item could not be undone, null when it was. Throws only
 * when the batch is out of our hands.
 */
export async function undoItem(batch: ClaimedBatch, item: Undoable): Promise<ChangeError | null> {
  try {
    if (item.step !== 'undo-written') {
      const plan = await planUndo(batch, item)
      if (!plan) return await leave(batch, item, 'skipped', { message: CHANGED_SINCE })
      if (isEmptyDelta(plan.undo)) return await settle(batch, item)
      await writeUndo(batch, item, plan)
    } else if (item.undo) {
      // Whoever wrote it may have died before it was served.
      batch.serve(item.userId, item.undo)
    }
  } catch (error) {
    batch.signal.throwIfAborted()
    batch.log.warn({ err: error, userId: item.userId }, 'a role change could not be taken back')
    return await leave(batch, item, 'failed', changeError(error))
  }
  return await finish(batch, item)
}

const CHANGED_SINCE =
  'others changed the grants since: left as they are, unless the rollback is forced'

type UndoPlan = {
  readonly matrix: Matrix
  readonly before: readonly Grant[]
  readonly after: readonly Grant[]
  /** All that is written, what was written earlier included. */
  readonly undo: GrantDelta
  /** What of it is still to be sent. */
  readonly missing: GrantDelta
}

/** Undefined: others changed the grants. */
async function planUndo(batch: ClaimedBatch, item: Undoable): Promise<UndoPlan | undefined> {
  const now = await batch.read(item.userId)
  if (!batch.batch.forceRollback && !isOurs(item, now)) return undefined
  const matrix = batch.matrix()
  const { employeeRoleIds } = grantContext(matrix)
  const free = (grants: readonly Grant[]): Grant[] => {
    return grants.filter((grant) => !employeeRoleIds.has(grant.roleId))
  }
  const difference = invertDelta(free(item.found), free(now))
  const refused = item.step === 'planned' && wasRefused(item.error)
  const isCertain = item.visible === true || (refused && isEmptyDelta(difference))
  // The platform may have taken more than it shows yet: all of it is taken back.
  const missing = isCertain ? difference : joinDeltas(inverse(item.delta), difference)
  const undo = item.undo ? joinDeltas(item.undo, missing) : missing
  const after = applyDelta(now, missing)
  return { matrix, before: applyDelta(after, inverse(undo)), after, undo, missing }
}

function inverse({ add, remove }: GrantDelta): GrantDelta {
  return { add: remove, remove: add }
}

/**
 * Whether the grants are as the item left them, or as far as it may have come. Those from before are
 * nobody's to mind either: they are what a rollback is for, as after the deletion of a granted role.
 */
function isOurs(item: Undoable, now: readonly Grant[]): boolean {
  const { step, visible, found, delta, undo } = item
  if (sameGrants(now, found)) return true
  if (step === 'confirmed' && visible === true) return sameGrants(now, applyDelta(found, delta))
  return sameApartFrom(now, found, undo ? [delta, undo] : [delta])
}

async function writeUndo(
  batch: ClaimedBatch,
  item: Undoable,
  { matrix, before, after, undo, missing }: UndoPlan,
): Promise<void> {
  const { userId, position } = item
  const told = { before, after }
  const details = { added: undo.add, removed: undo.remove }
  if (undo !== item.undo) {
    await batch.record('undo-planned', {
      item: { position, patch: { step: 'undo-planned', undo } },
      audit: [entryOf(batch, item, 'started', { ...told, details })],
    })
  }
  batch.checkpoint()
  if (!isEmptyDelta(missing)) await batch.write('undo-write', userId, missing)
  batch.serve(userId, undo)
  const change = permissionChange(matrix, userId, before, after)
  const permissions = {
    ...namedPermissions('addedPermissions', change.added),
    ...namedPermissions('removedPermissions', change.removed),
  }
  await batch.record('undo-written', {
    item: { position, patch: { step: 'undo-written' } },
    written: { userId, ...undo },
    ...undoneSunsets(item, item.delta.add),
    audit: [
      entryOf(batch, item, 'succeeded', { ...told, details: { ...details, ...permissions } }),
    ],
  })
}

/** There was nothing to take back. */
async function settle(batch: ClaimedBatch, item: Undoable): Promise<null> {
  const told = { before: item.found, after: item.found, details: {} }
  await batch.record('undo-settled', {
    item: { position: item.position, patch: { ...undonePatch(item), step: 'undone' } },
    // Sunsets are set with the record of a write; what was refused has none.
    ...(item.step === 'planned' ? {} : undoneSunsets(item, item.delta.add)),
    audit: [entryOf(batch, item, 'unchanged', told)],
  })
  batch.itemEnded(undonePatch(item).state)
  return null
}

async function finish(batch: ClaimedBatch, item: Undoable): Promise<null> {
  const { userId, position, found } = item
  const visible = await batch.readBack(userId, (grants) => sameGrants(grants, found))
  if (!visible) batch.log.warn({ userId }, 'what was taken back does not show yet')
  await batch.record('undone', {
    item: { position, patch: { ...undonePatch(item), step: 'undone', visible } },
    audit: [],
  })
  batch.itemEnded(undonePatch(item).state)
  return null
}

/** A user for whom the change failed stays told as such, with the reason. */
function undonePatch(item: Undoable) {
  if (item.state === 'failed') return { state: 'failed' } as const
  return { state: 'rolled-back', error: null } as const
}

async function leave(
  batch: ClaimedBatch,
  item: Undoable,
  outcome: 'failed' | 'skipped',
  error: ChangeError,
): Promise<ChangeError> {
  const told = { before: null, after: null, details: errorDetails(error) }
  await batch.record('undo-settled', {
    item: { position: item.position, patch: { error } },
    audit: [entryOf(batch, item, outcome, told)],
  })
  return error
}

function entryOf(
  batch: ClaimedBatch,
  item: RoleChangeItem,
  outcome: AuditOutcome,
  told: {
    readonly before: readonly Grant[] | null
    readonly after: readonly Grant[] | null
    readonly details: JsonObject
  },
) {
  return itemEntry(batch.batch, item, { ...told, operation: 'rollback', outcome })
}
