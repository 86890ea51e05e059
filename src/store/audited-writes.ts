import type { Kysely, Transaction } from 'kysely'
import type { AuditEntry, ChainHead, NewAuditEntry } from '../domain/audit.ts'
import type { Database } from './database.ts'
import type { StoreDialect } from './dialect.ts'
import { entryOf, prepareEntry, sealEntry } from './seal-entry.ts'
import type { PreparedEntry } from './seal-entry.ts'
import type { AuditEntryRow, AuditHeadRow, Tables } from './tables.ts'
import type { Witness } from './witness.ts'

/** Rows of one insert: their parameters stay far below what either database takes. */
const INSERT_ROWS = 500

export type Append = (entries: readonly NewAuditEntry[]) => Promise<void>

export type AuditedWritesOptions = {
  readonly database: Database
  readonly witness: Witness
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Transactions that may add to the audit trail: what they do and its entries commit together. */
export class AuditedWrites {
  readonly #options: AuditedWritesOptions

  constructor(options: AuditedWritesOptions) {
    this.#options = options
  }

  /**
   * Entries are to be appended last: from then on every other append waits for this transaction.
   * Throws `invalid` for an entry that is too large; then nothing happened at all.
   */
  write<T>(work: (transaction: Transaction<Tables>, append: Append) => Promise<T>): Promise<T> {
    return this.#commit((transaction, seal) =>
      work(transaction, async (entries) => {
        if (entries.length > 0) await seal(entries.map(prepareEntry))
      }),
    )
  }

  /** Appends in a transaction of its own. */
  async append(entries: readonly PreparedEntry[]): Promise<readonly AuditEntry[]> {
    const rows = await this.#commit((_transaction, seal) => seal(entries))
    return rows.map(entryOf)
  }

  async #commit<T>(work: (transaction: Transaction<Tables>, seal: Seal) => Promise<T>): Promise<T> {
    const { database, witness, now } = this.#options
    let head: ChainHead | undefined
    const result = await database.write((transaction) =>
      work(transaction, async (entries) => {
        const before = await lockedHead(transaction, database.dialect)
        await witness.compare(before, (sequence) => hashAt(transaction, sequence))
        const rows = sealAll(entries, before, now())
        await insertRows(transaction, rows)
        head = lastOf(rows)
        return rows
      }),
    )
    if (head !== undefined) witness.advance(head)
    return result
  }
}

type Seal = (entries: readonly PreparedEntry[]) => Promise<readonly AuditEntryRow[]>

/** Null for an entry that retention removed; undefined for one that is not there. */
export async function hashAt(
  db: Kysely<Tables>,
  sequence: number,
): Promise<string | null | undefined> {
  const entry = await db
    .selectFrom('audit_entries')
    .select('hash')
    .where('sequence', '=', sequence)
    .executeTakeFirst()
  if (entry !== undefined) return entry.hash
  const checkpoint = await db
    .selectFrom('audit_checkpoints')
    .select(['through', 'hash'])
    .where('through', '>=', sequence)
    .orderBy('through')
    .executeTakeFirst()
  if (checkpoint === undefined) return undefined
  return checkpoint.through === sequence ? checkpoint.hash : null
}

export async function readHead(db: Kysely<Tables>): Promise<AuditHeadRow> {
  return db.selectFrom('audit_head').selectAll().executeTakeFirstOrThrow()
}

async function lockedHead(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
): Promise<AuditHeadRow> {
  const query = transaction.selectFrom('audit_head').selectAll()
  return dialect.forUpdate(query).executeTakeFirstOrThrow()
}

/** A clock that was set back stands still in the chain. */
function sealAll(
  entries: readonly PreparedEntry[],
  head: AuditHeadRow,
  now: number,
): AuditEntryRow[] {
  const time = Math.max(now, head.time)
  let previousHash = head.hash
  return entries.map((entry, index) => {
    const row = sealEntry(entry, head.count + index + 1, time, previousHash)
    previousHash = row.hash
    return row
  })
}

async function insertRows(
  transaction: Transaction<Tables>,
  rows: readonly AuditEntryRow[],
): Promise<void> {
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    const values = rows.slice(start, start + INSERT_ROWS)
    await transaction.insertInto('audit_entries').values(values).execute()
  }
  const last = rows.at(-1)
  if (last === undefined) return
  await transaction
    .updateTable('audit_head')
    .set({ count: last.sequence, hash: last.hash, time: last.time })
    .where('id', '=', 1)
    .execute()
}

function lastOf(rows: readonly AuditEntryRow[]): ChainHead | undefined {
  const last = rows.at(-1)
  return last && { count: last.sequence, hash: last.hash }
}
