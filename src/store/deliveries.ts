import { sql } from 'kysely'
import type { Kysely, Selectable, Transaction, Updateable } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import { DELIVERY_LIFETIME_MS, EVENT_TARGETS } from '../domain/delivery.ts'
import type {
  AttemptEnd,
  ClaimedDelivery,
  Delivery,
  DeliveryCounts,
  DeliveryPage,
  DeliveryState,
  DeliveryStore,
  EventTarget,
} from '../domain/delivery.ts'
import { Failure } from '../domain/failure.ts'
import type { AuditedWrites } from './audited-writes.ts'
import type { Database } from './database.ts'
import { readCursor, writeCursor } from './number-cursor.ts'
import { storableText } from './storable-text.ts'
import type { DeliveryRow, Tables } from './tables.ts'

export type DeliveriesOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Told when a delivery became due by a call of this process. */
  readonly onQueued: () => void
}

type StoredDelivery = Selectable<DeliveryRow>

/** The outbox in the database. Each operation is one transaction. */
export class Deliveries implements DeliveryStore {
  readonly #options: DeliveriesOptions

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  claim(
    target: EventTarget,
    lease: { readonly limit: number; readonly leaseMs: number },
  ): Promise<readonly ClaimedDelivery[]> {
    const { database, writes, now } = this.#options
    return writes.write(async (transaction) => {
      await database.dialect.lock(transaction, 'deliveries')
      return claimDue(transaction, target, lease, now())
    })
  }

  settle(claimed: ClaimedDelivery, end: AttemptEnd): Promise<boolean> {
    const { database, now } = this.#options
    return database.write(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('deliveries')
        .set({ ...columnsOf(end, now()), lease_until: null })
        .where('id', '=', claimed.id)
        .where('fence', '=', Number(claimed.token))
        .where('state', '=', 'pending')
        .executeTakeFirstOrThrow()
      return numUpdatedRows === 1n
    })
  }

  async counts(): Promise<DeliveryCounts> {
    const rows = await this.#options.database.read((db) =>
      db
        .selectFrom('deliveries')
        .select(({ fn }) => ['target', 'state', fn.countAll<number>().as('count')])
        .where('state', 'in', ['pending', 'dead'])
        .groupBy(['target', 'state'])
        .execute(),
    )
    const countOf = (target: EventTarget, state: DeliveryState): number => {
      return rows.find((row) => row.target === target && row.state === state)?.count ?? 0
    }
    const counts = EVENT_TARGETS.map((target) => {
      return [target, { pending: countOf(target, 'pending'), dead: countOf(target, 'dead') }]
    })
    return Object.fromEntries(counts) as DeliveryCounts
  }

  list(page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: DeliveryState | undefined
  }): Promise<DeliveryPage> {
    return this.#options.database.read((db) => listDeliveries(db, page))
  }

  async retry(id: string, audit: readonly NewAuditEntry[]): Promise<Delivery> {
    const { database, writes, now, onQueued } = this.#options
    const delivery = await writes.write(async (transaction, append) => {
      await database.dialect.lock(transaction, 'deliveries')
      const row = await findRow(transaction, id)
      if (row.state === 'delivered') {
        throw new Failure('conflict', `the delivery ${id} has arrived`)
      }
      const at = now()
      await transaction
        .updateTable('deliveries')
        .set({
          state: 'pending',
          due_at: at,
          expires_at: at + DELIVERY_LIFETIME_MS,
          finished_at: null,
        })
        .where('id', '=', id)
        .execute()
      const queued = deliveryOf(await findRow(transaction, id))
      await append(audit)
      return queued
    })
    onQueued()
    return delivery
  }

  async removeDelivered(before: number): Promise<number> {
    const { numDeletedRows } = await this.#options.database.write((transaction) =>
      transaction
        .deleteFrom('deliveries')
        .where('state', '=', 'delivered')
        .where('finished_at', '<', before)
        .executeTakeFirstOrThrow(),
    )
    return Number(numDeletedRows)
  }
}

/** To be called under the lock of deliveries: two instances never choose the same one. */
async function claimDue(
  transaction: Transaction<Tables>,
  target: EventTarget,
  { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number },
  now: number,
): Promise<ClaimedDelivery[]> {
  const rows = await transaction
    .selectFrom('deliveries as candidate')
    .selectAll()
    .where('candidate.state', '=', 'pending')
    .where('candidate.target', '=', target)
    .where('candidate.due_at', '<=', now)
    .where((is) =>
      is.or([is('candidate.lease_until', 'is', null), is('candidate.lease_until', '<=', now)]),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('deliveries as earlier')
            .select(sql.lit(1).as('one'))
            .whereRef('earlier.target', '=', 'candidate.target')
            .whereRef('earlier.subject', '=', 'candidate.subject')
            .where('earlier.state', '=', 'pending')
            .whereRef('earlier.number', '<', 'candidate.number'),
        ),
      ),
    )
    .orderBy('candidate.number')
    .limit(limit)
    .execute()
  const claimed: ClaimedDelivery[] = []
  for (const row of rows) {
    const taken = {
      attempts: row.attempts + 1,
      fence: row.fence + 1,
      last_attempt_at: now,
      lease_until: now + leaseMs,
    }
    await transaction.updateTable('deliveries').set(taken).where('id', '=', row.id).execute()
    claimed.push({ ...deliveryOf({ ...row, ...taken }), token: String(taken.fence) })
  }
  return claimed
}

function columnsOf(end: AttemptEnd, now: number): Updateable<DeliveryRow> {
  switch (end.state) {
    case 'delivered':
      return { state: 'delivered', finished_at: now, error: null }
    case 'pending':
      return { due_at: end.dueAt, error: storableText(end.error) }
    case 'dead':
      return { state: 'dead', finished_at: now, error: storableText(end.error) }
  }
}

async function listDeliveries(
  db: Kysely<Tables>,
  page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: DeliveryState | undefined
  },
): Promise<DeliveryPage> {
  const { limit, cursor, state } = page
  let query = db
    .selectFrom('deliveries')
    .selectAll()
    .orderBy('number', 'desc')
    .limit(limit + 1)
  if (cursor !== undefined) query = query.where('number', '<', readCursor(cursor))
  if (state !== undefined) query = query.where('state', '=', state)
  const rows = await query.execute()
  const shown = rows.slice(0, limit)
  const items = shown.map(deliveryOf)
  const last = shown.at(-1)
  return rows.length > limit && last ? { items, nextCursor: writeCursor(last.number) } : { items }
}

async function findRow(db: Kysely<Tables>, id: string): Promise<StoredDelivery> {
  const row = await db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw new Failure('not-found', `there is no delivery ${id}`)
  return row
}

function deliveryOf(row: StoredDelivery): Delivery {
  return {
    id: row.id,
    target: row.target,
    event: row.event,
    subject: row.subject,
    body: row.body,
    state: row.state,
    attempts: row.attempts,
    createdAt: row.created_at,
    dueAt: row.due_at,
    expiresAt: row.expires_at,
    lastAttemptAt: row.last_attempt_at,
    finishedAt: row.finished_at,
    error: row.error,
  }
}
