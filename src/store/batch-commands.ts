import type { Kysely, Transaction, UpdateObject } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { RoleChangeBatch } from '../domain/role-change.ts'
import { nextQueueNumber } from './accept-batch.ts'
import type { Append } from './audited-writes.ts'
import { isHeld } from './batch-claims.ts'
import type { StoredBatch } from './batch-rows.ts'
import type { StoreDialect } from './dialect.ts'
import { findBatch, lockBatch } from './find-batch.ts'
import { settleSunsets } from './sunsets.ts'
import type { Tables } from './tables.ts'

/** What an admin asks of a batch, with what is recorded about it when it changes anything. */
export type BatchCommand = {
  readonly transaction: Transaction<Tables>
  readonly dialect: StoreDialect
  readonly id: string
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
  if (isHeld(row, now)) return change(command, { stop_requested: 1 })
  await settleSunsets(transaction, id, now)
  return change(command, {
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
  return change(command, {
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
    state: 'rolling-back',
    force_rollback: force ? 1 : 0,
    finished_at: null,
    queue_number: await nextQueueNumber(transaction),
  })
}

/** Also what may have reached the platform before the batch was interrupted or refused. */
async function hasApplied(db: Kysely<Tables>, id: string): Promise<boolean> {
  const item = await db
    .selectFrom('role_change_items')
    .select('position')
    .where('batch_id', '=', id)
    .where((is) =>
      is.or([
        is('state', '=', 'applied'),
        is.and([
          is('state', 'in', ['applying', 'failed']),
          is('step', 'not in', ['none', 'undone']),
        ]),
      ]),
    )
    .limit(1)
    .executeTakeFirst()
  return item !== undefined
}

async function change(
  { transaction, id, audit, append }: BatchCommand,
  columns: UpdateObject<Tables, 'role_change_batches'>,
): Promise<RoleChangeBatch> {
  await transaction.updateTable('role_change_batches').set(columns).where('id', '=', id).execute()
  await append(audit)
  return findBatch(transaction, id)
}

function wrongState({ id, state }: StoredBatch, what: string): Failure {
  return new Failure('conflict', `the batch ${id} is ${state} and cannot ${what}`)
}
