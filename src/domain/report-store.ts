import type { JsonObject, NewAuditEntry } from './audit.ts'

/** Largest content of a report, in UTF-16 code units of its JSON text. */
export const MAX_REPORT_LENGTH = 64 * 1024 * 1024

export const REPORT_STATES = ['running', 'succeeded', 'failed'] as const
type ReportState = (typeof REPORT_STATES)[number]

/** A report that was asked for. Times are epoch milliseconds. */
export type StoredReport = {
  readonly id: string
  readonly state: ReportState
  readonly request: JsonObject
  readonly requestedBy: string
  readonly requestId: string
  readonly createdAt: number
  readonly finishedAt: number | null
  /** Why it failed, safe to show. */
  readonly error?: string
  /** What it says, as JSON text; only once it has succeeded. */
  readonly content?: string
}

export type ReportResult =
  | { readonly state: 'succeeded'; readonly content: string }
  | { readonly state: 'failed'; readonly error: string }

/**
 * Reports and what became of them. One whose process ended before it was done is `failed` with the
 * error `interrupted` once a service starts again on the same database. Throws `store-unavailable`
 * when the database cannot do it; nothing has been recorded then.
 */
export interface ReportStore {
  /** Records a report in state `running` with its audit entries. */
  create(
    request: JsonObject,
    requestedBy: string,
    requestId: string,
    audit: (id: string) => readonly NewAuditEntry[],
  ): Promise<{ readonly id: string }>
  /**
   * Throws `not-found`; `conflict` for one that has ended already; `too-large` for content of more
   * than {@link MAX_REPORT_LENGTH}.
   */
  finish(id: string, result: ReportResult): Promise<void>
  /** Throws `not-found`. */
  find(id: string): Promise<StoredReport>
}
