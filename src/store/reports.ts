import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import { MAX_REPORT_LENGTH } from '../domain/report-store.ts'
import type { ReportResult, ReportStore, StoredReport } from '../domain/report-store.ts'
import type { AuditedWrites } from './audited-writes.ts'
import { jsonText } from './batch-rows.ts'
import type { Database } from './database.ts'
import type { DatabaseKind } from './dialect.ts'
import { removeExpiredReports } from './report-retention.ts'
import { storableText } from './storable-text.ts'
import type { Tables } from './tables.ts'

/** No report takes so long: its process died, on another machine perhaps. */
const MAX_RUNNING_MS = 30 * 60_000
const INTERRUPTED = 'interrupted'

export type ReportsOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  /** Epoch milliseconds. */
  readonly now: () => number
}

export class Reports implements ReportStore {
  readonly #options: ReportsOptions

  constructor(options: ReportsOptions) {
    this.#options = options
  }

  create(
    request: JsonObject,
    requestedBy: string,
    requestId: string,
    audit: (id: string) => readonly NewAuditEntry[],
  ): Promise<{ readonly id: string }> {
    const { writes, now } = this.#options
    const id = randomUUID()
    return writes.write(async (transaction, append) => {
      await transaction
        .insertInto('reports')
        .values({
          id,
          state: 'running',
          request: jsonText(request),
          requested_by: requestedBy,
          request_id: requestId,
          created_at: now(),
          finished_at: null,
          error: null,
          pieces: null,
          length: null,
        })
        .execute()
      await append(audit(id))
      return { id }
    })
  }

  async finish(id: string, result: ReportResult): Promise<void> {
    const { database, now } = this.#options
    const { state } = result
    const error = result.state === 'failed' ? storableText(result.error) : null
    const written = result.state === 'succeeded' ? await this.#write(id, result.content) : {}
    await database.write(async (transaction) => {
      await requireRunning(transaction, id)
      await transaction
        .updateTable('reports')
        .set({ state, error, ...written, finished_at: now() })
        .where('id', '=', id)
        .execute()
    })
  }

  async *content(id: string): AsyncGenerator<string> {
    const { database } = this.#options
    const { state, pieces, error } = await database.read((db) => readReport(db, id))
    if (state !== 'succeeded' || pieces === null) {
      const reason = state === 'running' ? 'is being made' : `failed: ${error ?? 'unknown'}`
      throw new Failure('conflict', `the report ${reason}`)
    }
    for (let number = 0; number < pieces; number++) {
      const piece = await database.read((db) =>
        db
          .selectFrom('report_pieces')
          .select('content')
          .where('report_id', '=', id)
          .where('number', '=', number)
          .executeTakeFirst(),
      )
      if (!piece) throw new Failure('gone', `the report ${id} was removed`)
      yield piece.content
    }
  }

  removeExpired(): Promise<number> {
    const { database, now } = this.#options
    return removeExpiredReports(database, now())
  }

  /** A transaction for each piece: no other write waits long. */
  async #write(id: string, content: Iterable<string>) {
    const { database } = this.#options
    let pieces = 0
    let length = 0
    for (const piece of content) {
      length += piece.length
      if (length > MAX_REPORT_LENGTH) {
        throw new Failure('too-large', `a report may have ${MAX_REPORT_LENGTH} characters at most`)
      }
      const number = pieces
      await database.write(async (transaction) => {
        await requireRunning(transaction, id)
        if (number === 0) {
          await transaction.deleteFrom('report_pieces').where('report_id', '=', id).execute()
        }
        await transaction
          .insertInto('report_pieces')
          .values({ report_id: id, number, content: piece })
          .execute()
      })
      pieces += 1
    }
    return { pieces, length }
  }

  async find(id: string): Promise<StoredReport> {
    const { database, now } = this.#options
    const row = await database.read((db) => readReport(db, id))
    const lost = row.state === 'running' && row.created_at + MAX_RUNNING_MS <= now()
    const error = lost ? INTERRUPTED : row.error
    return {
      id,
      state: lost ? 'failed' : row.state,
      request: JSON.parse(row.request) as JsonObject,
      requestedBy: row.requested_by,
      requestId: row.request_id,
      createdAt: row.created_at,
      finishedAt: row.finished_at,
      ...(error === null ? {} : { error }),
    }
  }
}

/**
 * Ends, at start, what a process has left behind, and removes what it had written of it. A SQLite file has one service at a time; on
 * PostgreSQL another one may be at work on what is not too old.
 */
export async function endInterruptedReports(
  db: Kysely<Tables>,
  kind: DatabaseKind,
  now: number,
): Promise<void> {
  let query = db
    .updateTable('reports')
    .set({ state: 'failed', error: INTERRUPTED, finished_at: now })
    .where('state', '=', 'running')
  if (kind === 'postgres') query = query.where('created_at', '<=', now - MAX_RUNNING_MS)
  await query.execute()
  await db
    .deleteFrom('report_pieces')
    .where('report_id', 'in', (select) =>
      select.selectFrom('reports').select('id').where('state', '=', 'failed'),
    )
    .execute()
}

async function readReport(db: Kysely<Tables>, id: string) {
  const row = await db.selectFrom('reports').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw new Failure('not-found', `there is no report ${id}`)
  return row
}

async function requireRunning(db: Kysely<Tables>, id: string): Promise<void> {
  const { state } = await readReport(db, id)
  if (state !== 'running') throw new Failure('conflict', `the report ${id} has ended already`)
}
