import type { Kysely } from 'kysely'
import { auditEntry } from '../domain/audit.ts'
import type { AuditOutcome, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import type { AuditedWrites } from './audited-writes.ts'
import { LIVE_STATES } from './batch-rows.ts'
import { hashAt } from './chain-rows.ts'
import type { Database } from './database.ts'
import { sharedTime } from './shared-time.ts'
import type { AuditEntryRow, AuditHeadRow, Tables } from './tables.ts'

const DAY_MS = 24 * 60 * 60_000
/** How long a key answers the batch of the first time, and what was written can be asked for. */
const KEPT_MS = 7 * DAY_MS
/** Rows of one transaction: no other write waits long for it. */
const PRUNED_BATCHES = 100
const PRUNED_ENTRIES = 20_000

/**
 * The trail must know a time before it is believed to have come: an entry at least this old and at
 * most that old. A host that starts with a clock that is years ahead would remove everything.
 */
const LIVED_THROUGH_MS = { atLeast: 22 * 60 * 60_000, atMost: 3 * DAY_MS } as const

export type Pruned = {
  readonly entries: number
  readonly batches: number
  readonly reports: number
  readonly operations: number
  readonly deadLetters: number
  /** Why nothing was removed, where something would have been. */
  readonly withheld?: string
}

export type PruneOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  /** Epoch milliseconds. */
  readonly now: () => number
}

const NOTHING: Pruned = { entries: 0, batches: 0, reports: 0, operations: 0, deadLetters: 0 }

/**
 * Removes what is older than a time (epoch milliseconds): entries of the trail but the last, batches
 * that have ended and whose grants have no sunset to come, reports, ended operations, and deliveries
 * that were given up. The chain begins after a checkpoint then, which an `audit_pruned` entry vouches
 * for.
 *
 * Nothing is removed while the trail contradicts its witness, and nothing when the clock is at a time
 * that the trail does not know yet: an entry tells of it, and by the next day the trail knows.
 * Rejects with the signal's reason when it aborts; what was removed until then stays removed.
 */
export async function prune(
  options: PruneOptions,
  olderThan: number,
  signal: AbortSignal,
): Promise<Pruned> {
  const { database, writes, now } = options
  const settled = await writes.settle()
  if (settled === undefined) {
    return { ...NOTHING, withheld: 'the audit trail contradicts its witness' }
  }
  // By the trail's own time where the clock is ahead of it.
  const keptMs = now() - olderThan
  const cut = settled.count === 0 ? olderThan : Math.min(olderThan, settled.time - keptMs)
  const withheld = await clockFault(options, settled, olderThan)
  if (withheld !== undefined) return { ...NOTHING, withheld }
  const entries = await inRounds(PRUNED_ENTRIES, signal, () =>
    pruneEntries(options, cut, settled.count),
  )
  await database.write((transaction) => removeExpired(transaction, now()))
  const batches = await inRounds(PRUNED_BATCHES, signal, () =>
    database.write(async (transaction) => {
      await database.dialect.lock(transaction, 'queue')
      return pruneBatches(transaction, cut)
    }),
  )
  signal.throwIfAborted()
  const reports = await database.write((transaction) =>
    removeEnded(transaction, 'reports', olderThan),
  )
  const { operations, deadLetters } = await database.write(async (transaction) => {
    const before = await sharedTime(transaction, database.dialect, olderThan, now())
    return {
      operations: await removeEnded(transaction, 'architecture_operations', before),
      deadLetters: await removeEnded(transaction, 'deliveries', before),
    }
  })
  return { entries, batches, reports, operations, deadLetters }
}

/** As often as a round removes all that it may; answers how many were removed in all. */
async function inRounds(
  size: number,
  signal: AbortSignal,
  round: () => Promise<number>,
): Promise<number> {
  for (let total = 0; ;) {
    signal.throwIfAborted()
    const removed = await round()
    total += removed
    if (removed < size) return total
  }
}

/** Why the clock cannot be believed. An empty trail has nothing to lose and nothing to tell by. */
async function clockFault(
  { database, writes, now }: PruneOptions,
  { count, time }: AuditHeadRow,
  olderThan: number,
): Promise<string | undefined> {
  if (count === 0) return undefined
  const clock = now()
  const { known, first } = await database.read(async (db) => ({
    first: await edge(db, 'asc'),
    known: await db
      .selectFrom('audit_entries')
      .select('sequence')
      .where('time', '>=', clock - LIVED_THROUGH_MS.atMost)
      .where('time', '<=', clock - LIVED_THROUGH_MS.atLeast)
      .limit(1)
      .executeTakeFirst(),
  }))
  if (known !== undefined || first === undefined || first.time >= olderThan) return undefined
  if (time < clock - LIVED_THROUGH_MS.atLeast) {
    await writes.write((_transaction, append) => append([withheldEntry(clock, time)]))
  }
  return `the clock is at a time that the audit trail does not know of a day ago`
}

/** Keys and written grants that nobody asks for any more. */
export async function removeExpired(db: Kysely<Tables>, now: number): Promise<void> {
  const before = now - KEPT_MS
  await db.deleteFrom('role_change_keys').where('created_at', '<', before).execute()
  await db.deleteFrom('role_change_writes').where('written_at', '<', before).execute()
}

/** @param settled how many entries the witness knows of: the last of them always stays */
function pruneEntries(
  { database, writes, now }: PruneOptions,
  olderThan: number,
  settled: number,
): Promise<number> {
  return writes.write(async (transaction, append) => {
    await database.dialect.lock(transaction, 'retention')
    const first = await edge(transaction, 'asc')
    const last = await edge(transaction, 'desc', olderThan)
    if (first === undefined || last === undefined) return 0
    const through = Math.min(last.sequence, settled - 1, first.sequence + PRUNED_ENTRIES - 1)
    if (through < first.sequence) return 0
    const hash = await hashAt(transaction, through)
    if (hash === undefined) return 0
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
): Promise<Pick<AuditEntryRow, 'sequence' | 'time'> | undefined> {
  // Both orders are the same in the chain; this one has an index that knows the time.
  let query = db
    .selectFrom('audit_entries')
    .select(['sequence', 'time'])
    .orderBy('time', order)
    .orderBy('sequence', order)
    .limit(1)
  if (olderThan !== undefined) query = query.where('time', '<', olderThan)
  return query.executeTakeFirst()
}

function prunedEntry(
  through: number,
  hash: string,
  removed: number,
  olderThan: number,
): NewAuditEntry {
  const details = { through, hash, removed, olderThan: new Date(olderThan).toISOString() }
  return retentionEntry('succeeded', details)
}

function withheldEntry(clock: number, lastEntry: number): NewAuditEntry {
  return retentionEntry('refused', {
    clock: new Date(clock).toISOString(),
    lastEntry: new Date(lastEntry).toISOString(),
  })
}

function retentionEntry(outcome: AuditOutcome, details: JsonObject): NewAuditEntry {
  return auditEntry({
    action: 'audit_pruned',
    outcome,
    actor: 'service',
    details,
  })
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

/** Changes of the organisation's list go too: after so long nobody takes one back. */
const ENDED = {
  reports: ['succeeded', 'failed'],
  architecture_operations: ['succeeded', 'unchanged', 'failed', 'interrupted'],
  // What has arrived goes by a rule of its own.
  deliveries: ['dead'],
} as const

/** @param before by the clock that set the ends, epoch milliseconds */
async function removeEnded(
  db: Kysely<Tables>,
  table: keyof typeof ENDED,
  before: number,
): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom(table)
    .where('state', 'in', ENDED[table])
    .where('finished_at', '<', before)
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
