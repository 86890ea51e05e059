import { sql } from 'kysely'
import type { Kysely, RawBuilder, Selectable, SqlBool, Transaction, Updateable } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import {
  DELIVERY_LIFETIME_MS,
  EVENT_TARGETS,
  MAX_DELIVERY_LEASE_MS,
  MAX_DELIVERY_PAUSE_MS,
} from '../domain/delivery.ts'
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
import type { DatabaseKind } from './dialect.ts'
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

/** The error of what nobody tried. */
const NO_ADDRESS = 'no address is configured'

/** The outbox in the database. Each operation is one transaction, by the clock that all share. */
export class Deliveries implements DeliveryStore {
  readonly #options: DeliveriesOptions

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  async claim(
    target: EventTarget,
    lease: { readonly limit: number; readonly leaseMs: number },
  ): Promise<readonly ClaimedDelivery[]> {
    const { database, writes } = this.#options
    const waiting = await database.read(async (db) =>
      findDue(db, { target, limit: 1, now: await this.#sharedNow(db) }),
    )
    if (waiting.length === 0) return []
    return await writes.write(async (transaction) => {
      await database.dialect.lock(transaction, 'deliveries')
      return claimDue(transaction, target, lease, await this.#sharedNow(transaction))
    })
  }

  settle(claimed: ClaimedDelivery, end: AttemptEnd): Promise<DeliveryState | undefined> {
    const { database } = this.#options
    return database.write(async (transaction) => {
      // An admin may have given it another day since it was claimed: the row knows.
      const row = await database.dialect
        .forUpdate(
          transaction
            .selectFrom('deliveries')
            .select(['id', 'expires_at'])
            .where('id', '=', claimed.id)
            .where('fence', '=', Number(claimed.token))
            .where('state', '=', 'pending'),
        )
        .executeTakeFirst()
      if (row === undefined) return undefined
      const columns = columnsOf(end, row.expires_at, await this.#sharedNow(transaction))
      await transaction
        .updateTable('deliveries')
        .set({ ...columns, lease_until: null })
        .where('id', '=', row.id)
        .execute()
      return columns.state
    })
  }

  giveUpOthers(targets: readonly EventTarget[]): Promise<number> {
    const others = EVENT_TARGETS.filter((target) => !targets.includes(target))
    if (others.length === 0) return Promise.resolve(0)
    return this.#options.database.write(async (transaction) => {
      const now = await this.#sharedNow(transaction)
      const { numUpdatedRows } = await transaction
        .updateTable('deliveries')
        .set({ state: 'dead', finished_at: now, error: NO_ADDRESS })
        .where('state', '=', 'pending')
        .where('target', 'in', others)
        .where('expires_at', '<=', now)
        // Another instance may have the address, and be sending it.
        .where(isFree('lease_until', now))
        .executeTakeFirstOrThrow()
      return Number(numUpdatedRows)
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
    const { database, writes, onQueued } = this.#options
    const delivery = await writes.write(async (transaction, append) => {
      await database.dialect.lock(transaction, 'deliveries')
      const row = await findRow(transaction, id)
      if (row.state === 'delivered') {
        throw new Failure('conflict', `the delivery ${id} has arrived`)
      }
      const at = await this.#sharedNow(transaction)
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

  removeDelivered(keptMs: number): Promise<number> {
    return this.#options.database.write(async (transaction) => {
      const { numDeletedRows } = await transaction
        .deleteFrom('deliveries')
        .where('state', '=', 'delivered')
        .where('finished_at', '<', (await this.#sharedNow(transaction)) - keptMs)
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    })
  }

  #sharedNow(transaction: Transaction<Tables>): Promise<number> {
    const { database, now } = this.#options
    return database.dialect.sharedNow(transaction, now())
  }
}

/** A SQLite file has one service at a time: nobody is sending anything at its start. */
export async function releaseDeliveries(db: Kysely<Tables>, kind: DatabaseKind): Promise<void> {
  if (kind !== 'sqlite') return
  await db
    .updateTable('deliveries')
    .set({ lease_until: null })
    .where('state', '=', 'pending')
    .where('lease_until', 'is not', null)
    .execute()
}

/** What may be taken; no two rows have the same subject. */
function findDue(
  db: Kysely<Tables>,
  { target, limit, now }: { readonly target: EventTarget; limit: number; now: number },
): Promise<StoredDelivery[]> {
  return db
    .selectFrom('deliveries as candidate')
    .selectAll()
    .where('candidate.state', '=', 'pending')
    .where('candidate.target', '=', target)
    .where((is) =>
      is.or([
        is('candidate.due_at', '<=', now),
        is('candidate.due_at', '>', now + MAX_DELIVERY_PAUSE_MS),
      ]),
    )
    .where(isFree('candidate.lease_until', now))
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
}

/** Nobody has it: a lease that lies further ahead than any is from before the clock was set back. */
function isFree(column: 'lease_until' | 'candidate.lease_until', now: number): RawBuilder<SqlBool> {
  const leaseUntil = sql.ref(column)
  const farthest = now + MAX_DELIVERY_LEASE_MS
  return sql`(${leaseUntil} is null or ${leaseUntil} <= ${now} or ${leaseUntil} > ${farthest})`
}

/** To be called under the lock of deliveries: two instances never choose the same one. */
async function claimDue(
  transaction: Transaction<Tables>,
  target: EventTarget,
  { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number },
  now: number,
): Promise<ClaimedDelivery[]> {
  const rows = await findDue(transaction, { target, limit, now })
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

function columnsOf(
  end: AttemptEnd,
  expiresAt: number,
  now: number,
): Updateable<DeliveryRow> & { readonly state: DeliveryState } {
  if (end.state === 'delivered') return { state: 'delivered', finished_at: now, error: null }
  const error = storableText(end.error)
  const dueAt = now + Math.min(Math.ceil(end.pauseMs), MAX_DELIVERY_PAUSE_MS)
  return dueAt < expiresAt
    ? { state: 'pending', due_at: dueAt, error }
    : { state: 'dead', finished_at: now, error }
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
