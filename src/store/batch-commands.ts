import type { Kysely, Transaction, UpdateObject } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { RoleChangeBatch } from '../domain/role-change.ts'
import { hasOnlySunsets, isUndoable } from '../domain/undoable-item.ts'
import { nextQueueNumber } from './accept-batch.ts'
import type { Append } from './audited-writes.ts'
import { isHeld } from './batch-claims.ts'
import { itemOf } from './batch-rows.ts'
import type { StoredBatch } from './batch-rows.ts'
import type { StoreDialect } from './dialect.ts'
import { findBatch, lockBatch } from './find-batch.ts'
import { settleSunsets } from './sunsets.ts'
import type { Tables } from './tables.ts'

type BatchColumns = UpdateObject<Tables, 'role_change_batches'>

/** What an admin asks of a batch, with what is recorded about it when it changes anything. */
export type BatchCommand = {
  readonly transaction: Transaction<Tables>
  readonly dialect: StoreDialect
  readonly id: string
  /** The first entry says who asks. */
  readonly audit: readonly NewAuditEntry[]
  readonly append: Append
  /** Epoch milliseconds. */
  readonly now: number
}

export async function requestStop(command: BatchCommand): Promise<RoleChangeBatch> {
  const { transaction, dialect, id, now } = command
  const row = await lockBatch(transaction, dialect, id)
  if (row.state === 'stopped' || row.stop_requested === 1) return findBatch(transaction, id)
  if (row.state !== 'pending' && row.state !== 'applying') throw wrongState(row, 'be stopped')
  if (isHeld(row, await dialect.sharedNow(transaction, now)))
    return change(command, { ...stopBy(command), stop_requested: 1 })
  await settleSunsets(transaction, id, now)
  return change(command, {
    ...stopBy(command),
    state: 'stopped',
    finished_at: now,
    owner: null,
    lease_until: null,
  })
}

/** To be called under the lock of the queue. */
export async function resumeBatch(command: BatchCommand): Promise<RoleChangeBatch> {
  const { transaction, dialect, id } = command
  const row = await lockBatch(transaction, dialect, id)
  if (row.state === 'pending' || row.state === 'applying') {
    // Going on is what is asked for, so a stop that has not come about yet is taken back.
    if (row.stop_requested === 1) return change(command, { stop_requested: 0 })
    return findBatch(transaction, id)
  }
  if (row.state !== 'stopped') throw wrongState(row, 'be resumed')
  // Whoever resumes a batch wants that tried again; their errors stay until it is.
  await transaction
    .updateTable('role_change_items')
    .set({ state: 'pending' })
    .where('batch_id', '=', id)
    .where('state', '=', 'failed')
    .execute()
  return change(command, {
    ...runBy(command),
    state: 'pending',
    error: null,
    finished_at: null,
    queue_number: await nextQueueNumber(transaction),
  })
}

/** To be called under the lock of the queue. */
export async function rollbackBatch(
  command: BatchCommand,
  { force }: { readonly force: boolean },
): Promise<RoleChangeBatch> {
  const { transaction, dialect, id } = command
  const row = await lockBatch(transaction, dialect, id)
  if (row.state === 'rolling-back') return findBatch(transaction, id)
  if (row.state === 'pending' || row.state === 'applying') throw wrongState(row, 'be rolled back')
  if (!(await hasApplied(transaction, id))) {
    if (row.state === 'rolled-back') return findBatch(transaction, id)
    throw new Failure('conflict', `the batch ${id} has applied nothing that could be rolled back`)
  }
  return change(command, {
    ...runBy(command),
    state: 'rolling-back',
    force_rollback: force ? 1 : 0,
    finished_at: null,
    queue_number: await nextQueueNumber(transaction),
  })
}

/** Whether a rollback finds something to take back: at most `MAX_BATCH_USERS` items are looked at. */
async function hasApplied(db: Kysely<Tables>, id: string): Promise<boolean> {
  const rows = await db
    .selectFrom('role_change_items')
    .selectAll()
    .where('batch_id', '=', id)
    .where('found', 'is not', null)
    .where('step', '<>', 'undone')
    .execute()
  return rows.map(itemOf).some((item) => isUndoable(item) || hasOnlySunsets(item))
}

function runBy({ audit: [asked] }: BatchCommand): Pick<BatchColumns, 'run_by' | 'run_request_id'> {
  return asked ? { run_by: asked.actor, run_request_id: asked.requestId } : {}
}

function stopBy({
  audit: [asked],
}: BatchCommand): Pick<BatchColumns, 'stop_by' | 'stop_request_id'> {
  return asked ? { stop_by: asked.actor, stop_request_id: asked.requestId } : {}
}

async function change(
  { transaction, id, audit, append }: BatchCommand,
  columns: BatchColumns,
): Promise<RoleChangeBatch> {
  await transaction.updateTable('role_change_batches').set(columns).where('id', '=', id).execute()
  await append(audit)
  return findBatch(transaction, id)
}

function wrongState({ id, state }: StoredBatch, what: string): Failure {
  return new Failure('conflict', `the batch ${id} is ${state} and cannot ${what}`)
}
