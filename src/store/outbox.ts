import { randomUUID } from 'node:crypto'
import type { Insertable, Transaction } from 'kysely'
import { announcementOf, isAnnounced } from '../domain/announce.ts'
import { DELIVERY_LIFETIME_MS } from '../domain/delivery.ts'
import type { EventTarget } from '../domain/delivery.ts'
import { jsonText } from './batch-rows.ts'
import { entryOf } from './seal-entry.ts'
import type { AuditEntryRow, DeliveryRow, Tables } from './tables.ts'

/** Rows of one insert: their parameters stay far below what either database takes. */
const INSERT_ROWS = 200

type AnnounceOptions = {
  readonly targets: ReadonlySet<EventTarget>
  /** Epoch milliseconds. */
  readonly sharedNow: () => Promise<number>
}

/**
 * Queues what entries announce, in the transaction that appends them: an event is on its way when,
 * and only when, its entry is in the trail. Answers whether there was any.
 *
 * They are due by the clock that all instances share: the chain's time stands still while that of a
 * clock that was ahead has not come.
 *
 * @param targets those that have an address
 */
export async function announce(
  transaction: Transaction<Tables>,
  entries: readonly AuditEntryRow[],
  { targets, sharedNow }: AnnounceOptions,
): Promise<boolean> {
  if (targets.size === 0) return false
  const announced = entries.filter(({ action }) => isAnnounced(action))
  if (announced.length === 0) return false
  const now = await sharedNow()
  const rows = announced.flatMap((entry) => deliveriesOf(entry, targets, now))
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    const values = rows.slice(start, start + INSERT_ROWS)
    await transaction.insertInto('deliveries').values(values).execute()
  }
  return rows.length > 0
}

function deliveriesOf(
  row: AuditEntryRow,
  targets: ReadonlySet<EventTarget>,
  now: number,
): Insertable<DeliveryRow>[] {
  const entry = entryOf(row)
  const announcement = announcementOf(entry, entry.time)
  if (announcement === undefined) return []
  const { event, subject, body } = announcement
  return announcement.targets
    .filter((target) => targets.has(target))
    .map((target) => ({
      id: randomUUID(),
      target,
      event,
      subject,
      body: jsonText(body),
      state: 'pending',
      attempts: 0,
      created_at: now,
      due_at: now,
      expires_at: now + DELIVERY_LIFETIME_MS,
      last_attempt_at: null,
      finished_at: null,
      error: null,
      fence: 0,
      lease_until: null,
    }))
}
