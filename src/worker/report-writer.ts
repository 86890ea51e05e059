import { setMaxListeners } from 'node:events'
import type { AuditTrail, ChainHead, JsonObject } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { ReportResult, ReportStore } from '../domain/report-store.ts'
import type { ReportOrigin, ReportRequest, Reports } from '../domain/report.ts'
import type { Logger } from '../observability/logger.ts'
import { makeReport } from './make-report.ts'
import type { ReportSources } from './make-report.ts'

/** Reports that wait for their turn, the one in hand included. */
const MAX_QUEUED = 10
/** A report that takes longer than this is given up. */
const REPORT_TIMEOUT_MS = 15 * 60_000
const RETRY_AFTER_SECONDS = 30

export type ReportWriterOptions = ReportSources & {
  readonly audit: Pick<AuditTrail, 'head' | 'stream'>
  readonly reports: ReportStore
  readonly logger: Logger
}

/** Makes reports, one at a time. Disposed it gives up the one in hand and those that wait. */
export class ReportWriter implements Reports, AsyncDisposable {
  readonly #options: ReportWriterOptions
  readonly #abort = new AbortController()
  #queued = 0
  #queue: Promise<void> = Promise.resolve()

  constructor(options: ReportWriterOptions) {
    this.#options = options
    setMaxListeners(MAX_QUEUED * 2, this.#abort.signal)
  }

  async start(request: ReportRequest, origin: ReportOrigin): Promise<{ readonly id: string }> {
    if (this.#abort.signal.aborted) throw new Failure('not-ready', 'the service is stopping')
    if (this.#queued >= MAX_QUEUED) {
      const message = `${MAX_QUEUED} reports wait already`
      throw new Failure('overloaded', message, { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    this.#queued += 1
    try {
      const { id, head } = await this.#record(request, origin)
      const turn = this.#queue.then(async () => await this.#make(id, request, origin, head))
      this.#queue = turn.finally(() => {
        this.#queued -= 1
      })
      return { id }
    } catch (error) {
      this.#queued -= 1
      throw error
    }
  }

  /** Resolves when nothing is being made. */
  async settled(): Promise<void> {
    await this.#queue
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Failure('not-ready', 'interrupted: the service was stopped'))
    await this.#queue
  }

  async #record(
    request: ReportRequest,
    { requestedBy, requestId }: ReportOrigin,
  ): Promise<{ readonly id: string; readonly head: ChainHead }> {
    const { reports, audit } = this.#options
    const asked = toJson(request)
    const head = await audit.head()
    const { id } = await reports.create(asked, requestedBy, requestId, (reportId) => [
      {
        action: 'report_created',
        outcome: 'started',
        actor: requestedBy,
        requestId,
        userId: 'userId' in request ? (request.userId ?? null) : null,
        subjectId: reportId,
        before: null,
        after: null,
        details: asked,
      },
    ])
    return { id, head }
  }

  /** Never throws: whatever happens, the next one gets its turn. */
  async #make(
    id: string,
    request: ReportRequest,
    origin: ReportOrigin,
    chain: ChainHead,
  ): Promise<void> {
    const { reports, logger } = this.#options
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(REPORT_TIMEOUT_MS)])
    const result = await this.#attempt(request, origin, chain, signal)
    try {
      await reports.finish(id, result)
    } catch (error) {
      logger.error({ err: error, report: id }, 'what became of a report was not recorded')
    }
  }

  async #attempt(
    request: ReportRequest,
    origin: ReportOrigin,
    chain: ChainHead,
    signal: AbortSignal,
  ): Promise<ReportResult> {
    try {
      signal.throwIfAborted()
      const content = await makeReport(this.#options, { request, origin, chain, signal })
      return { state: 'succeeded', content }
    } catch (error) {
      if (error instanceof Failure) return { state: 'failed', error: error.message }
      if (signal.aborted) {
        const minutes = REPORT_TIMEOUT_MS / 60_000
        return { state: 'failed', error: `it could not be made within ${minutes} minutes` }
      }
      this.#options.logger.error({ err: error }, 'a report met an unexpected error')
      return { state: 'failed', error: 'an internal error; see the log' }
    }
  }
}

function toJson(request: ReportRequest): JsonObject {
  const members = Object.entries(request).filter(([, value]) => value !== undefined)
  return Object.fromEntries(members) as JsonObject
}
