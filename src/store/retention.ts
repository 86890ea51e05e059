import type { Kysely } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import type { AuditedWrites } from './audited-writes.ts'
import { hashAt, readHead } from './audited-writes.ts'
import { LIVE_STATES } from './batch-rows.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'

const DAY_MS = 24 * 60 * 60_000
/** How long a key answers the batch of the first time, and what was written can be asked for. */
const KEPT_MS = 7 * DAY_MS
/** Rows of one transaction: no other write waits long for it. */
const PRUNED_BATCHES = 100
const PRUNED_ENTRIES = 20_000

export type Pruned = {
  readonly entries: number
  readonly batches: number
  readonly reports: number
}

export type PruneOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * Removes what is older than a time (epoch milliseconds): entries of the trail but the last, batches
 * that have ended and whose grants have no sunset to come, and reports. The chain begins after a
 * checkpoint then, which an `audit_pruned` entry vouches for.
 */
export async function prune(options: PruneOptions, olderThan: number): Promise<Pruned> {
  const { database, now } = options
  let entries = 0
  for (;;) {
    const removed = await pruneEntries(options, olderThan)
    entries += removed
    if (removed < PRUNED_ENTRIES) break
  }
  await database.write((transaction) => removeExpired(transaction, now()))
  let batches = 0
  for (;;) {
    const removed = await database.write((transaction) => pruneBatches(transaction, olderThan))
    batches += removed
    if (removed < PRUNED_BATCHES) break
  }
  const reports = await database.write((transaction) => pruneReports(transaction, olderThan))
  return { entries, batches, reports }
}

/** Keys and written grants that nobody asks for any more. */
export async function removeExpired(db: Kysely<Tables>, now: number): Promise<void> {
  const before = now - KEPT_MS
  await db.deleteFrom('role_change_keys').where('created_at', '<', before).execute()
  await db.deleteFrom('role_change_writes').where('written_at', '<', before).execute()
}

function pruneEntries({ writes, now }: PruneOptions, olderThan: number): Promise<number> {
  return writes.write(async (transaction, append) => {
    const first = await edge(transaction, 'asc')
    const last = await edge(transaction, 'desc', olderThan)
    const { count } = await readHead(transaction)
    if (first === undefined || last === undefined) return 0
    const through = Math.min(last, count - 1, first + PRUNED_ENTRIES - 1)
    if (through < first) return 0
    const hash = await hashAt(transaction, through)
    if (hash === null || hash === undefined) return 0
    // The guard of the table lets go of what stands before a checkpoint, and of nothing else.
    await transaction
      .insertInto('audit_checkpoints')
      .values({ through, hash, pruned_at: now() })
      .execute()
    const { numDeletedRows } = await transaction
      .deleteFrom('audit_entries')
      .where('sequence', '<=', through)
      .executeTakeFirstOrThrow()
    await append([prunedEntry(through, hash, Number(numDeletedRows), olderThan)])
    return Number(numDeletedRows)
  })
}

async function edge(
  db: Kysely<Tables>,
  order: 'asc' | 'desc',
  olderThan?: number,
): Promise<number | undefined> {
  // Both orders are the same in the chain; this one has an index that knows the time.
  let query = db
    .selectFrom('audit_entries')
    .select('sequence')
    .orderBy('time', order)
    .orderBy('sequence', order)
    .limit(1)
  if (olderThan !== undefined) query = query.where('time', '<', olderThan)
  return (await query.executeTakeFirst())?.sequence
}

function prunedEntry(
  through: number,
  hash: string,
  removed: number,
  olderThan: number,
): NewAuditEntry {
  return {
    action: 'audit_pruned',
    outcome: 'succeeded',
    actor: 'service',
    requestId: '',
    userId: null,
    subjectId: null,
    before: null,
    after: null,
    details: { through, hash, removed, olderThan: new Date(olderThan).toISOString() },
  }
}

async function pruneBatches(db: Kysely<Tables>, olderThan: number): Promise<number> {
  const old = await db
    .selectFrom('role_change_batches')
    .select('id')
    .where('state', 'not in', LIVE_STATES)
    .where('finished_at', '<', olderThan)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('role_change_sunsets')
            .select('role_change_sunsets.id')
            .whereRef('role_change_sunsets.batch_id', '=', 'role_change_batches.id'),
        ),
      ),
    )
    // A key must answer with its batch for as long as it is kept.
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('role_change_keys')
            .select('role_change_keys.key')
            .whereRef('role_change_keys.batch_id', '=', 'role_change_batches.id'),
        ),
      ),
    )
    .limit(PRUNED_BATCHES)
    .execute()
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id)
  await db.deleteFrom('role_change_items').where('batch_id', 'in', ids).execute()
  await db.deleteFrom('role_change_batches').where('id', 'in', ids).execute()
  return old.length
}

async function pruneReports(db: Kysely<Tables>, olderThan: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('reports')
    .where('state', '<>', 'running')
    .where('finished_at', '<', olderThan)
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
