import { sql } from 'kysely'
import type { Kysely, Transaction } from 'kysely'
import { Failure } from '../domain/failure.ts'
import type { Claim } from '../domain/role-change-store.ts'
import { LIVE_STATES } from './batch-rows.ts'
import type { StoredBatch } from './batch-rows.ts'
import type { StoreDialect } from './dialect.ts'
import { findBatch, lockBatch } from './find-batch.ts'
import type { Tables } from './tables.ts'

export function isHeld({ lease_until: leaseUntil }: StoredBatch, now: number): boolean {
  return leaseUntil !== null && leaseUntil > now
}

type ClaimRequest = {
  readonly owner: string
  readonly leaseMs: number
  readonly maxUsers: number | undefined
  readonly now: number
}

/** To be called under the lock of the queue: nobody else chooses, queues or resumes meanwhile. */
export async function claimBatch(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
  { owner, leaseMs, maxUsers, now }: ClaimRequest,
): Promise<Claim | undefined> {
  const id = await oldestFree(transaction, now, maxUsers)
  if (id === undefined) return undefined
  // Its holder may have come back to life since it was chosen.
  const row = await lockBatch(transaction, dialect, id)
  if (isHeld(row, now) || !LIVE_STATES.includes(row.state)) return undefined
  const fence = row.fence + 1
  await transaction
    .updateTable('role_change_batches')
    .set({
      state: row.state === 'pending' ? 'applying' : row.state,
      started_at: row.started_at ?? now,
      fence,
      owner,
      lease_until: now + leaseMs,
    })
    .where('id', '=', id)
    .execute()
  return { batch: await findBatch(transaction, id), token: String(fence) }
}

/** Queued or left behind, and sharing no user with one that is held or queued before it. */
async function oldestFree(
  db: Kysely<Tables>,
  now: number,
  maxUsers = Number.MAX_SAFE_INTEGER,
): Promise<string | undefined> {
  const chosen = await db
    .selectFrom('role_change_batches as candidate')
    .select('candidate.id')
    .where('candidate.state', 'in', LIVE_STATES)
    .where((is) =>
      is.or([is('candidate.lease_until', 'is', null), is('candidate.lease_until', '<=', now)]),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('role_change_batches as other')
            .innerJoin('role_change_items as theirs', 'theirs.batch_id', 'other.id')
            .innerJoin('role_change_items as ours', 'ours.user_id', 'theirs.user_id')
            .select(sql.lit(1).as('one'))
            .whereRef('ours.batch_id', '=', 'candidate.id')
            .whereRef('other.id', '<>', 'candidate.id')
            .where('other.state', 'in', LIVE_STATES)
            .where((either) =>
              either.or([
                either('other.lease_until', '>', now),
                either('other.queue_number', '<', either.ref('candidate.queue_number')),
              ]),
            ),
        ),
      ),
    )
    .where(
      (is) =>
        is
          .selectFrom('role_change_items as item')
          .select((count) => count.fn.countAll().as('users'))
          .whereRef('item.batch_id', '=', 'candidate.id'),
      '<=',
      maxUsers,
    )
    .orderBy('candidate.queue_number')
    .limit(1)
    .executeTakeFirst()
  return chosen?.id
}

/** The claimed batch's row, locked. Throws `conflict` when it is in other hands by now. */
export async function lockClaimed(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
  { batch, token }: Claim,
): Promise<StoredBatch> {
  const row = await lockBatch(transaction, dialect, batch.id)
  if (String(row.fence) === token && row.lease_until !== null) return row
  throw new Failure('conflict', `the batch ${batch.id} is in other hands by now`)
}

/** False when the claim was lost. */
export async function renewClaim(
  db: Kysely<Tables>,
  { batch, token }: Claim,
  until: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('role_change_batches')
    .set({ lease_until: until })
    .where('id', '=', batch.id)
    .where('fence', '=', Number(token))
    .where('lease_until', 'is not', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Does nothing when the claim was lost. */
export async function releaseClaim(db: Kysely<Tables>, { batch, token }: Claim): Promise<void> {
  await db
    .updateTable('role_change_batches')
    .set({ lease_until: null, owner: null })
    .where('id', '=', batch.id)
    .where('fence', '=', Number(token))
    .execute()
}
