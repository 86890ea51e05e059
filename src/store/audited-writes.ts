import type { Transaction } from 'kysely'
import type { AuditAction, AuditEntry, NewAuditEntry } from '../domain/audit.ts'
import type { EventTarget } from '../domain/delivery.ts'
import { lastCheckpoint, lockHead, moveHead } from './chain-rows.ts'
import type { Database } from './database.ts'
import type { OrganizationBinding } from './organization-binding.ts'
import { announce } from './outbox.ts'
import { entryOf, prepareEntry, sealEntry, withClock } from './seal-entry.ts'
import type { PreparedEntry } from './seal-entry.ts'
import type { AuditEntryRow, AuditHeadRow, Tables } from './tables.ts'
import type { Witness } from './witness.ts'

/** Rows of one insert: their parameters stay far below what either database takes. */
const INSERT_ROWS = 500
/** By how much the clocks of instances may differ without a word. */
const CLOCK_TOLERANCE_MS = 5_000
const PRUNED: AuditAction = 'audit_pruned'

export type Append = (entries: readonly NewAuditEntry[]) => Promise<void>

export type AuditedWritesOptions = {
  readonly database: Database
  readonly witness: Witness
  readonly organization: OrganizationBinding
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Where events can be told; nothing is queued for others. */
  readonly eventTargets: ReadonlySet<EventTarget>
  /** Told when deliveries were queued and are durable. */
  readonly onQueued: () => void
}

/**
 * Transactions that may add to the audit trail: what they do, its entries, and the deliveries of
 * what these announce commit together.
 */
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

  /**
   * The head as it is committed now, compared with the witness and kept by it: what is removed from
   * the chain from here on stands before an entry that the witness knows.
   *
   * Undefined when chain and witness contradict each other.
   */
  async settle(): Promise<AuditHeadRow | undefined> {
    const { database, witness } = this.#options
    const { head, checkpoint } = await database.write(async (transaction) => {
      const locked = await lockHead(transaction, database.dialect)
      await witness.compare(transaction, locked)
      return { head: locked, checkpoint: await lastCheckpoint(transaction) }
    })
    witness.advance(head, checkpoint)
    await witness.settle()
    return witness.disputed === undefined ? head : undefined
  }

  async #commit<T>(work: (transaction: Transaction<Tables>, seal: Seal) => Promise<T>): Promise<T> {
    const { database, witness, organization, onQueued } = this.#options
    const committed: Committed = { head: undefined, checkpoint: undefined, queued: false }
    const result = await database.write(async (transaction) => {
      await organization.check(transaction)
      return work(transaction, (entries) => this.#seal(transaction, entries, committed))
    })
    if (committed.head !== undefined) witness.advance(committed.head, committed.checkpoint)
    if (committed.queued) onQueued()
    return result
  }

  async #seal(
    transaction: Transaction<Tables>,
    entries: readonly PreparedEntry[],
    committed: Committed,
  ): Promise<readonly AuditEntryRow[]> {
    const { database, witness, now, eventTargets } = this.#options
    const before = await lockHead(transaction, database.dialect)
    await witness.compare(transaction, before)
    const rows = sealAll(entries, before, now())
    const last = rows.at(-1)
    if (last === undefined) return rows
    await insertRows(transaction, rows)
    const sharedNow = () => database.dialect.sharedNow(transaction, now())
    const queued = await announce(transaction, rows, { targets: eventTargets, sharedNow })
    if (queued) committed.queued = true
    const { sequence: count, hash, time } = last
    committed.head = { id: before.id, count, hash, time }
    await moveHead(transaction, committed.head)
    const known = witness.head
    const moved = known?.count !== before.count || rows.some(({ action }) => action === PRUNED)
    committed.checkpoint = moved ? await lastCheckpoint(transaction) : known.checkpoint
    return rows
  }
}

type Seal = (entries: readonly PreparedEntry[]) => Promise<readonly AuditEntryRow[]>

/** What others are told once the transaction is committed, and never before. */
type Committed = {
  /** Whether there are deliveries. */
  queued: boolean
  head: AuditHeadRow | undefined
  checkpoint: { readonly through: number; readonly hash: string } | null | undefined
}

/**
 * A clock that was set back stands still in the chain, as it does for every entry after one whose
 * clock was ahead; such entries tell what their clock said.
 */
function sealAll(
  entries: readonly PreparedEntry[],
  head: AuditHeadRow,
  now: number,
): AuditEntryRow[] {
  const time = Math.max(now, head.time)
  let previousHash = head.hash
  return entries.map((entry, index) => {
    const told = time - now > CLOCK_TOLERANCE_MS ? withClock(entry, now) : entry
    const row = sealEntry(told, head.count + index + 1, time, previousHash)
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
}
