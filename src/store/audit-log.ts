import type {
  AuditEntry,
  AuditFilter,
  AuditPage,
  AuditTrail,
  ChainHead,
  NewAuditEntry,
  Verification,
} from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import { matchingEntries } from './audit-queries.ts'
import { readHead } from './audited-writes.ts'
import type { AuditedWrites } from './audited-writes.ts'
import type { Database } from './database.ts'
import { entryLength, entryOf, prepareEntry } from './seal-entry.ts'
import type { PreparedEntry } from './seal-entry.ts'
import { SharedTask } from './shared-task.ts'

const MAX_LIMIT = 1_000
const STREAM_ROWS = 256
/** Entries that one transaction commits, and that may wait for it. */
const COMMIT_ENTRIES = 500
const MAX_WAITING_ENTRIES = 10_000
const MAX_WAITING_LENGTH = 64 * 1024 * 1024

type Waiting = {
  readonly entries: readonly PreparedEntry[]
  readonly committed: (entries: readonly AuditEntry[]) => void
  readonly failed: (error: unknown) => void
}

export type AuditLogOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  readonly verifyChain: (signal: AbortSignal) => Promise<Verification>
}

/**
 * The trail in the database. Appends that come while others are being committed go together in the
 * next transaction: the disk is waited for once for all of them.
 */
export class AuditLog implements AuditTrail {
  readonly #options: AuditLogOptions
  readonly #waiting: Waiting[] = []
  readonly #verification: SharedTask<Verification>
  #waitingEntries = 0
  #waitingLength = 0
  #committing = false

  constructor(options: AuditLogOptions) {
    this.#options = options
    this.#verification = new SharedTask(options.verifyChain)
  }

  async append(entries: readonly NewAuditEntry[]): Promise<readonly AuditEntry[]> {
    if (entries.length === 0) return []
    const prepared = entries.map(prepareEntry)
    this.#waitingEntries += prepared.length
    this.#waitingLength += lengthOf(prepared)
    try {
      if (this.#full()) {
        const message = 'more is to be recorded than the database takes: nothing was recorded'
        throw new Failure('store-unavailable', message, { retryAfterSeconds: 1 })
      }
      return await this.#commitWithOthers(prepared)
    } finally {
      this.#waitingEntries -= prepared.length
      this.#waitingLength -= lengthOf(prepared)
    }
  }

  async list(
    filter: AuditFilter,
    page: {
      readonly limit: number
      readonly after?: number | undefined
      readonly newestFirst?: boolean
    },
  ): Promise<AuditPage> {
    const { limit, after, newestFirst = false } = page
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new Failure('invalid', `limit must be from 1 to ${MAX_LIMIT}`, { field: 'limit' })
    }
    const rows = await this.#options.database.read(async (db) => {
      let query = matchingEntries(db, filter, newestFirst ? 'desc' : 'asc')
      if (after !== undefined) query = query.where('sequence', newestFirst ? '<' : '>', after)
      return query.limit(limit + 1).execute()
    })
    const items = rows.slice(0, limit).map(entryOf)
    const last = items.at(-1)
    return rows.length > limit && last ? { items, next: last.sequence } : { items }
  }

  async *stream(filter: AuditFilter): AsyncIterable<AuditEntry> {
    const { database } = this.#options
    const { count } = await this.head()
    let after = 0
    for (;;) {
      const rows = await database.read((db) =>
        matchingEntries(db, filter, 'asc')
          .where('sequence', '>', after)
          .where('sequence', '<=', count)
          .limit(STREAM_ROWS)
          .execute(),
      )
      for (const row of rows) yield entryOf(row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < STREAM_ROWS) return
      after = last.sequence
    }
  }

  verify(signal: AbortSignal): Promise<Verification> {
    return this.#verification.run(signal)
  }

  async head(): Promise<ChainHead> {
    const { count, hash } = await this.#options.database.read(readHead)
    return { count, hash }
  }

  #full(): boolean {
    return this.#waitingEntries > MAX_WAITING_ENTRIES || this.#waitingLength > MAX_WAITING_LENGTH
  }

  #commitWithOthers(entries: readonly PreparedEntry[]): Promise<readonly AuditEntry[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly AuditEntry[]>()
    this.#waiting.push({ entries, committed: resolve, failed: reject })
    if (!this.#committing) void this.#commitAll()
    return promise
  }

  async #commitAll(): Promise<void> {
    this.#committing = true
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const sealed = await this.#options.writes.append(group.flatMap(({ entries }) => entries))
        let start = 0
        for (const { entries, committed } of group) {
          committed(sealed.slice(start, start + entries.length))
          start += entries.length
        }
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
    this.#committing = false
  }

  #nextGroup(): Waiting[] {
    const [first, ...others] = this.#waiting
    if (first === undefined) return []
    const group = [first]
    let size = first.entries.length
    for (const each of others) {
      size += each.entries.length
      if (size > COMMIT_ENTRIES) break
      group.push(each)
    }
    this.#waiting.splice(0, group.length)
    return group
  }
}

function lengthOf(entries: readonly PreparedEntry[]): number {
  return entries.reduce((sum, entry) => sum + entryLength(entry), 0)
}
