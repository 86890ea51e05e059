import type { Kysely, Transaction } from 'kysely'
import { Failure } from '../domain/failure.ts'
import type { BatchState, ItemState, RoleChangeBatch } from '../domain/role-change.ts'
import type { BatchPage, ItemPage } from '../domain/role-change-store.ts'
import { batchesOf, itemOf } from './batch-rows.ts'
import type { StoredBatch } from './batch-rows.ts'
import type { StoreDialect } from './dialect.ts'
import { readCursor, writeCursor } from './number-cursor.ts'
import type { Tables } from './tables.ts'

/** Throws `not-found`. */
export async function findBatch(db: Kysely<Tables>, id: string): Promise<RoleChangeBatch> {
  const row = await db
    .selectFrom('role_change_batches')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  const [batch] = row ? await batchesOf(db, [row]) : []
  if (batch === undefined) throw unknownBatch(id)
  return batch
}

/** The batch's row, which nobody else changes until the transaction ends. Throws `not-found`. */
export async function lockBatch(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
  id: string,
): Promise<StoredBatch> {
  const query = transaction.selectFrom('role_change_batches').selectAll().where('id', '=', id)
  const row = await dialect.forUpdate(query).executeTakeFirst()
  if (row === undefined) throw unknownBatch(id)
  return row
}

function unknownBatch(id: string): Failure {
  return new Failure('not-found', `there is no batch of role changes ${id}`)
}

export async function listBatches(
  db: Kysely<Tables>,
  page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: BatchState | undefined
    readonly userId?: string | undefined
  },
): Promise<BatchPage> {
  const { limit, cursor, state, userId } = page
  let query = db
    .selectFrom('role_change_batches')
    .selectAll()
    .orderBy('number', 'desc')
    .limit(limit + 1)
  if (cursor !== undefined) query = query.where('number', '<', readCursor(cursor))
  if (state !== undefined) query = query.where('state', '=', state)
  if (userId !== undefined) {
    query = query.where('id', 'in', (from) =>
      from.selectFrom('role_change_items').select('batch_id').where('user_id', '=', userId),
    )
  }
  const rows = await query.execute()
  const shown = rows.slice(0, limit)
  const items = await batchesOf(db, shown)
  const last = shown.at(-1)
  return rows.length > limit && last ? { items, nextCursor: writeCursor(last.number) } : { items }
}

export async function listItems(
  db: Kysely<Tables>,
  id: string,
  page: {
    readonly limit: number
    readonly after?: number | undefined
    readonly state?: ItemState | undefined
  },
): Promise<ItemPage> {
  const { limit, after, state } = page
  await findBatch(db, id)
  let query = db
    .selectFrom('role_change_items')
    .selectAll()
    .where('batch_id', '=', id)
    .orderBy('position')
    .limit(limit + 1)
  if (after !== undefined) query = query.where('position', '>', after)
  if (state !== undefined) query = query.where('state', '=', state)
  const rows = await query.execute()
  const items = rows.slice(0, limit).map(itemOf)
  const last = items.at(-1)
  return rows.length > limit && last ? { items, next: last.position } : { items }
}
