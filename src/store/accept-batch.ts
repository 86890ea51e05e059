import { randomUUID } from 'node:crypto'
import type { Kysely, Transaction } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { RoleChangeBatch } from '../domain/role-change.ts'
import type { NewBatch } from '../domain/role-change-store.ts'
import type { Append } from './audited-writes.ts'
import { jsonText } from './batch-rows.ts'
import { findBatch } from './find-batch.ts'
import { storableText } from './storable-text.ts'
import { takeSunsets } from './sunsets.ts'
import type { Tables } from './tables.ts'

/** Rows of one insert: their parameters stay far below what either database takes. */
const INSERT_ROWS = 500

export type Accepted = { readonly batch: RoleChangeBatch; readonly created: boolean }

/** To be called under the lock of the queue, which keeps two requests with one key apart. */
export async function acceptBatch(
  transaction: Transaction<Tables>,
  batch: NewBatch,
  audit: (id: string) => readonly NewAuditEntry[],
  append: Append,
  now: number,
): Promise<Accepted> {
  const { idempotency, requestedBy, sunsetIds = [] } = batch
  if (idempotency !== undefined) {
    const first = await findAccepted(transaction, requestedBy, idempotency)
    if (first !== undefined) return { batch: first, created: false }
  }
  const id = randomUUID()
  await insertBatch(transaction, id, batch, now)
  await insertItems(transaction, id, batch, now)
  if (idempotency !== undefined) {
    const { key, bodyHash } = idempotency
    await transaction
      .insertInto('role_change_keys')
      .values({ actor: requestedBy, key, body_hash: bodyHash, batch_id: id, created_at: now })
      .execute()
  }
  await takeSunsets(transaction, id, sunsetIds)
  await append(audit(id))
  return { batch: await findBatch(transaction, id), created: true }
}

/** The batch that came with a key before. Throws `conflict` when its body was another. */
export async function findAccepted(
  db: Kysely<Tables>,
  actor: string,
  { key, bodyHash }: NonNullable<NewBatch['idempotency']>,
): Promise<RoleChangeBatch | undefined> {
  const found = await db
    .selectFrom('role_change_keys')
    .select(['batch_id', 'body_hash'])
    .where('actor', '=', actor)
    .where('key', '=', key)
    .executeTakeFirst()
  if (found !== undefined && found.body_hash !== bodyHash) {
    throw new Failure('conflict', 'this idempotency key came with another body before')
  }
  return found && findBatch(db, found.batch_id)
}

/** To be called under the lock of the queue. */
export async function nextQueueNumber(db: Kysely<Tables>): Promise<number> {
  const { last } = await db
    .selectFrom('role_change_batches')
    .select(({ fn }) => fn.max('queue_number').as('last'))
    .executeTakeFirstOrThrow()
  // A database without batches has no greatest number.
  return ((last as number | null) ?? 0) + 1
}

async function insertBatch(
  transaction: Transaction<Tables>,
  id: string,
  batch: NewBatch,
  now: number,
): Promise<void> {
  await transaction
    .insertInto('role_change_batches')
    .values({
      id,
      queue_number: await nextQueueNumber(transaction),
      state: 'pending',
      requested_by: batch.requestedBy,
      request_id: batch.requestId,
      comment: storableText(batch.comment),
      on_failure: batch.onFailure,
      force: batch.force ? 1 : 0,
      base_revision: batch.baseRevision,
      stop_requested: 0,
      force_rollback: 0,
      created_at: now,
      started_at: null,
      finished_at: null,
      error: null,
      fence: 0,
      owner: null,
      lease_until: null,
    })
    .execute()
}

async function insertItems(
  transaction: Transaction<Tables>,
  batchId: string,
  { items }: NewBatch,
  now: number,
): Promise<void> {
  if (new Set(items.map(({ userId }) => userId)).size !== items.length) {
    throw new Failure('invalid', 'a batch names every user once')
  }
  const rows = items.map(({ userId, intent, before }, position) => ({
    batch_id: batchId,
    position,
    user_id: userId,
    intent: jsonText(intent),
    state: 'pending' as const,
    step: 'none' as const,
    before: jsonText(before),
    found: null,
    delta: null,
    undo: null,
    visible: null,
    conflicts: '[]',
    error: null,
    updated_at: now,
  }))
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    const values = rows.slice(start, start + INSERT_ROWS)
    await transaction.insertInto('role_change_items').values(values).execute()
  }
}
