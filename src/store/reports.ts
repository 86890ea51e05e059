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
          content: null,
        })
        .execute()
      await append(audit(id))
      return { id }
    })
  }

  async finish(id: string, result: ReportResult): Promise<void> {
    const { database, now } = this.#options
    const { state } = result
    const content = result.state === 'succeeded' ? result.content : null
    const error = result.state === 'failed' ? storableText(result.error) : null
    if (content !== null && content.length > MAX_REPORT_LENGTH) {
      throw new Failure('too-large', `a report may have ${MAX_REPORT_LENGTH} characters at most`)
    }
    await database.write(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('reports')
        .set({ state, content, error, finished_at: now() })
        .where('id', '=', id)
        .where('state', '=', 'running')
        .executeTakeFirstOrThrow()
      if (numUpdatedRows === 1n) return
      await readReport(transaction, id)
      throw new Failure('conflict', `the report ${id} has ended already`)
    })
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
      ...(row.content === null ? {} : { content: row.content }),
    }
  }
}

/**
 * Ends, at start, what a process has left behind. A SQLite file has one service at a time; on
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
}

async function readReport(db: Kysely<Tables>, id: string) {
  const row = await db.selectFrom('reports').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw new Failure('not-found', `there is no report ${id}`)
  return row
}
