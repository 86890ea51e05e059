import { randomUUID } from 'node:crypto'
import type { Kysely, Transaction } from 'kysely'
import type { Grant } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import type { RecordStep, Sunset } from '../domain/role-change-store.ts'
import type { StoredBatch } from './batch-rows.ts'
import type { SunsetRow, Tables } from './tables.ts'

const FIRST_PAUSE_MS = 60_000
const MAX_PAUSE_MS = 60 * 60_000
/** Ids of one query: far below the parameters that either database takes. */
const QUERY_IDS = 500

/** Puts sunsets into a batch's hands. Throws `conflict` for one that is gone or taken. */
export async function takeSunsets(
  transaction: Transaction<Tables>,
  batchId: string,
  ids: readonly string[],
): Promise<void> {
  let taken = 0
  for (let start = 0; start < ids.length; start += QUERY_IDS) {
    const { numUpdatedRows } = await transaction
      .updateTable('role_change_sunsets')
      .set({ carried_by: batchId })
      .where('id', 'in', ids.slice(start, start + QUERY_IDS))
      .where('carried_by', 'is', null)
      .executeTakeFirstOrThrow()
    taken += Number(numUpdatedRows)
  }
  if (taken !== new Set(ids).size) {
    throw new Failure('conflict', 'a sunset was cancelled or is being carried out already')
  }
}

/** Ends what a batch had in hand: done where its user's item went through, due again elsewhere. */
export async function settleSunsets(
  transaction: Transaction<Tables>,
  batchId: string,
  now: number,
): Promise<void> {
  await transaction
    .deleteFrom('role_change_sunsets')
    .where('carried_by', '=', batchId)
    .where('user_id', 'in', (from) =>
      from
        .selectFrom('role_change_items')
        .select('user_id')
        .where('batch_id', '=', batchId)
        .where('state', 'in', ['applied', 'unchanged']),
    )
    .execute()
  const left = await transaction
    .selectFrom('role_change_sunsets')
    .select(['id', 'failures'])
    .where('carried_by', '=', batchId)
    .execute()
  for (const { id, failures } of left) {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures, 16), MAX_PAUSE_MS)
    await transaction
      .updateTable('role_change_sunsets')
      .set({ carried_by: null, failures: failures + 1, due_at: now + pauseMs })
      .where('id', '=', id)
      .execute()
  }
}

/** Sets sunsets, each in the place of one for the same grant. Throws `invalid` for a bad time. */
export async function setSunsets(
  transaction: Transaction<Tables>,
  { id: batchId, requested_by: requestedBy }: StoredBatch,
  sunsets: NonNullable<RecordStep['sunsets']>,
): Promise<void> {
  await cancelSunsets(transaction, sunsets)
  for (const { userId, roleId, divisionId, until } of sunsets) {
    const time = Date.parse(until)
    if (Number.isNaN(time)) throw new Failure('invalid', 'until must be an ISO 8601 time')
    const row = {
      // A new id: a batch that still carries out the one before must not end this one.
      id: randomUUID(),
      user_id: userId,
      role_id: roleId,
      division_id: divisionId,
      until: time,
      due_at: time,
      batch_id: batchId,
      requested_by: requestedBy,
      failures: 0,
      carried_by: null,
    }
    await transaction.insertInto('role_change_sunsets').values(row).execute()
  }
}

export async function cancelSunsets(
  transaction: Transaction<Tables>,
  grants: readonly (Grant & { readonly userId: string })[],
): Promise<void> {
  for (const { userId, roleId, divisionId } of grants) {
    await transaction
      .deleteFrom('role_change_sunsets')
      .where('user_id', '=', userId)
      .where('role_id', '=', roleId)
      .where('division_id', '=', divisionId)
      .execute()
  }
}

export async function dueSunsets(
  db: Kysely<Tables>,
  now: number,
  limit: number,
): Promise<Sunset[]> {
  const rows = await db
    .selectFrom('role_change_sunsets')
    .selectAll()
    .where('due_at', '<=', now)
    .where('carried_by', 'is', null)
    .orderBy('due_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(sunsetOf)
}

export async function pendingSunsets(
  db: Kysely<Tables>,
  { userId, limit }: { readonly userId?: string | undefined; readonly limit: number },
): Promise<Sunset[]> {
  let query = db
    .selectFrom('role_change_sunsets')
    .selectAll()
    .orderBy('until')
    .orderBy('id')
    .limit(limit)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  return (await query.execute()).map(sunsetOf)
}

function sunsetOf(row: SunsetRow): Sunset {
  return {
    id: row.id,
    userId: row.user_id,
    roleId: row.role_id,
    divisionId: row.division_id,
    until: new Date(row.until).toISOString(),
    batchId: row.batch_id,
    requestedBy: row.requested_by,
    failures: row.failures,
  }
}
