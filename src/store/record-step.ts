import type { Transaction } from 'kysely'
import { Failure } from '../domain/failure.ts'
import type { Claim, ItemPatch, RecordStep } from '../domain/role-change-store.ts'
import type { Append } from './audited-writes.ts'
import { isAtRest, jsonText, nullableJson } from './batch-rows.ts'
import type { StoredBatch } from './batch-rows.ts'
import { lockClaimed } from './batch-claims.ts'
import type { StoreDialect } from './dialect.ts'
import { cancelSunsets, setSunsets, settleSunsets } from './sunsets.ts'
import type { ItemRow, Tables } from './tables.ts'

export async function recordStep(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
  claim: Claim,
  step: RecordStep,
  append: Append,
  now: number,
): Promise<{ readonly stopRequested: boolean }> {
  const batch = await lockClaimed(transaction, dialect, claim)
  if (step.item) await patchItem(transaction, batch.id, step.item, now)
  if (step.written) await noteWritten(transaction, step.written, now)
  if (step.cancelSunsets) await cancelSunsets(transaction, step.cancelSunsets)
  if (step.sunsets) await setSunsets(transaction, batch, step.sunsets)
  if (step.batch) await moveBatch(transaction, batch, step.batch, now)
  await append(step.audit)
  return { stopRequested: batch.stop_requested === 1 }
}

async function patchItem(
  transaction: Transaction<Tables>,
  batchId: string,
  { position, patch }: NonNullable<RecordStep['item']>,
  now: number,
): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('role_change_items')
    .set({ ...patchedColumns(patch), updated_at: now })
    .where('batch_id', '=', batchId)
    .where('position', '=', position)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows !== 1n) {
    throw new Failure('not-found', `the batch ${batchId} has no item ${position}`)
  }
}

function patchedColumns(patch: ItemPatch): Partial<ItemRow> {
  const { state, step, found, delta, undo, visible, conflicts, error } = patch
  return {
    ...(state === undefined ? {} : { state }),
    ...(step === undefined ? {} : { step }),
    ...(found === undefined ? {} : { found: jsonText(found) }),
    ...(delta === undefined ? {} : { delta: jsonText(delta) }),
    ...(undo === undefined ? {} : { undo: jsonText(undo) }),
    ...(visible === undefined ? {} : { visible: visible ? 1 : 0 }),
    ...(conflicts === undefined ? {} : { conflicts: jsonText(conflicts) }),
    ...(error === undefined ? {} : { error: nullableJson(error) }),
  }
}

async function noteWritten(
  transaction: Transaction<Tables>,
  { userId, add, remove }: NonNullable<RecordStep['written']>,
  now: number,
): Promise<void> {
  const row = { user_id: userId, delta: jsonText({ add, remove }), written_at: now }
  await transaction.insertInto('role_change_writes').values(row).execute()
}

/** Every state but `applying` ends the claim; one that does not move any more ends the batch. */
async function moveBatch(
  transaction: Transaction<Tables>,
  batch: StoredBatch,
  { state, error }: NonNullable<RecordStep['batch']>,
  now: number,
): Promise<void> {
  const ended = isAtRest(state)
  await transaction
    .updateTable('role_change_batches')
    .set({
      state,
      ...(error === undefined ? {} : { error: nullableJson(error) }),
      ...(ended ? { finished_at: now } : {}),
      // Only what may still be applied can still be stopped.
      ...(ended || state === 'rolling-back' ? { stop_requested: 0 } : {}),
      ...(state === 'applying' ? {} : { lease_until: null, owner: null }),
    })
    .where('id', '=', batch.id)
    .execute()
  if (ended) await settleSunsets(transaction, batch.id, now)
}
