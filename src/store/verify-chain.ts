import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { GENESIS_HASH } from '../domain/audit.ts'
import type { ChainHead, Verification } from '../domain/audit.ts'
import { readHead } from './audited-writes.ts'
import type { Database } from './database.ts'
import { entryOf, hashOf } from './seal-entry.ts'
import type { AuditCheckpointRow, AuditEntryRow, AuditHeadRow, Tables } from './tables.ts'
import type { Witness } from './witness.ts'

/** Few enough that no check waits while a page is hashed. */
const PAGE_ROWS = 200
/** Retention in another process may move the chain's beginning under a verification. */
const MAX_RUNS = 3

export type VerifyChainOptions = {
  readonly database: Database
  readonly witness: Witness
  /** Epoch milliseconds. */
  readonly now: () => number
}

type Broken = { readonly sequence: number; readonly reason: string }

/** Where a chain begins and ends, by what the database and the file outside of it say. */
type Bounds = {
  readonly checkpoint: AuditCheckpointRow | undefined
  readonly head: AuditHeadRow
  readonly witness: ChainHead | null
}

/**
 * Recomputes the chain in pages, the event loop being free in between, and compares its end with
 * the head row and with the witness. Rejects with the signal's reason when it aborts.
 */
export async function verifyChain(
  options: VerifyChainOptions,
  signal: AbortSignal,
): Promise<Verification> {
  for (let run = 1; ; run += 1) {
    const bounds = await options.database.read((db) => readBounds(db, options.witness))
    const walk = new ChainWalk(bounds)
    const broken =
      (await walkAll(walk, options.database, signal)) ??
      walk.end() ??
      (await options.database.read(headFault))
    const moved = broken !== null && (await checkpointMoved(options.database, bounds.checkpoint))
    if (moved && run < MAX_RUNS) continue
    const { head, checkpoint, witness } = bounds
    const found = broken ?? disputedBy(options.witness, head)
    return {
      intact: found === null,
      checked: walk.checked,
      prunedThrough: checkpoint?.through ?? 0,
      head: { count: head.count, hash: head.hash },
      witness,
      broken: found,
      verifiedAt: new Date(options.now()).toISOString(),
    }
  }
}

async function walkAll(
  walk: ChainWalk,
  database: Database,
  signal: AbortSignal,
): Promise<Broken | null> {
  for (;;) {
    signal.throwIfAborted()
    const page = await database.read((db) => readPage(db, walk))
    for (const row of page) {
      const broken = walk.take(row)
      if (broken !== null) return broken
    }
    if (page.length < PAGE_ROWS) return null
    await nextTurn()
  }
}

function readPage(db: Kysely<Tables>, { position, through }: ChainWalk): Promise<AuditEntryRow[]> {
  return db
    .selectFrom('audit_entries')
    .selectAll()
    .where('sequence', '>', position)
    .where('sequence', '<=', through)
    .orderBy('sequence')
    .limit(PAGE_ROWS)
    .execute()
}

async function readBounds(db: Kysely<Tables>, { head: witness }: Witness): Promise<Bounds> {
  // In this order: what happens meanwhile puts the chain ahead of the witness, and the entry that
  // vouches for a checkpoint before the head.
  const checkpoint = await readCheckpoint(db)
  return { witness, checkpoint, head: await readHead(db) }
}

/** In one statement, so that what is appended meanwhile shows in both or in neither. */
async function headFault(db: Kysely<Tables>): Promise<Broken | null> {
  const { count, last } = await db
    .selectFrom('audit_head')
    .select('count')
    .select((from) =>
      from
        .selectFrom('audit_entries')
        .select(sql<number>`max(sequence)`.as('last'))
        .as('last'),
    )
    .executeTakeFirstOrThrow()
  if (last === null || last === count) return null
  return fault(Math.min(last, count) + 1, 'the head row does not name the last entry')
}

async function readCheckpoint(db: Kysely<Tables>): Promise<AuditCheckpointRow | undefined> {
  return db
    .selectFrom('audit_checkpoints')
    .selectAll()
    .orderBy('through', 'desc')
    .limit(1)
    .executeTakeFirst()
}

async function checkpointMoved(
  database: Database,
  before: AuditCheckpointRow | undefined,
): Promise<boolean> {
  const now = await database.read(readCheckpoint)
  return now?.through !== before?.through
}

/** A witness that was contradicted once stays so, whatever was appended since. */
function disputedBy(witness: Witness, head: ChainHead): Broken | null {
  const { disputed } = witness
  if (disputed === undefined) return null
  return { sequence: witness.head?.count ?? head.count, reason: disputed }
}

/** One pass over the entries in order; the first contradiction ends it. */
class ChainWalk {
  readonly #bounds: Bounds
  #last: ChainHead
  #lastTime = 0
  /** Whether an entry of the chain vouches for the checkpoint. */
  #attested: boolean
  checked = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
    const { checkpoint } = bounds
    this.#last = checkpoint
      ? { count: checkpoint.through, hash: checkpoint.hash }
      : { count: 0, hash: GENESIS_HASH }
    this.#attested = checkpoint === undefined
  }

  get position(): number {
    return this.#last.count
  }

  /** Entries after this one were appended since. */
  get through(): number {
    return this.#bounds.head.count
  }

  take(row: AuditEntryRow): Broken | null {
    const { head, witness } = this.#bounds
    const broken = this.#misplaced(row) ?? contentFault(row) ?? this.#unlinked(row)
    if (broken !== null) return broken
    if (row.time < this.#lastTime) return fault(row.sequence, 'its time is before the entry before')
    this.#last = { count: row.sequence, hash: row.hash }
    this.#lastTime = row.time
    this.checked += 1
    this.#attested ||= attests(row, this.#bounds.checkpoint)
    if (row.sequence === head.count && row.hash !== head.hash) {
      return fault(row.sequence, 'it is not the entry that the head row names')
    }
    if (row.sequence === witness?.count && row.hash !== witness.hash) {
      return fault(row.sequence, 'it is not the entry that the witness outside the database names')
    }
    return null
  }

  /** What is wrong with the end of the chain, once all entries were taken. */
  end(): Broken | null {
    const { checkpoint, head, witness } = this.#bounds
    const { count, hash } = this.#last
    if (witness !== null && count < witness.count) {
      return fault(count + 1, `it is missing: the witness knows of ${witness.count} entries`)
    }
    if (count < head.count) {
      return fault(count + 1, `it is missing: the head row knows of ${head.count} entries`)
    }
    if (this.checked === 0 && hash !== head.hash) {
      return fault(count, 'it is not the entry that the head row names')
    }
    if (witness !== null && witness.count === checkpoint?.through) {
      if (witness.hash !== checkpoint.hash) return fault(count, 'the witness names another entry')
    }
    if (this.#attested) return null
    return fault(checkpoint?.through ?? 0, 'entries were removed, but none tells of it')
  }

  #misplaced({ sequence }: AuditEntryRow): Broken | null {
    const expected = this.#last.count + 1
    return sequence === expected ? null : fault(expected, 'it is missing')
  }

  /** The entry itself is sound here, so it is the one before that was exchanged. */
  #unlinked({ sequence, previous_hash: previousHash }: AuditEntryRow): Broken | null {
    if (previousHash === this.#last.hash) return null
    if (this.checked === 0)
      return fault(sequence, 'it does not follow on the beginning of the chain')
    return fault(sequence - 1, 'it is not the entry that the next one follows on')
  }
}

function fault(sequence: number, reason: string): Broken {
  return { sequence, reason: `entry ${sequence}: ${reason}` }
}

function contentFault(row: AuditEntryRow): Broken | null {
  try {
    // Parts that are no JSON of their own could shift text between columns under one hash.
    entryOf(row)
    return hashOf(row) === row.hash ? null : fault(row.sequence, 'its content or hash was changed')
  } catch {
    return fault(row.sequence, 'it cannot be read')
  }
}

function attests(row: AuditEntryRow, checkpoint: AuditCheckpointRow | undefined): boolean {
  if (checkpoint === undefined || row.action !== 'audit_pruned') return false
  const { through, hash } = entryOf(row).details
  return through === checkpoint.through && hash === checkpoint.hash
}
