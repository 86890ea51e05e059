import { schedule } from 'node-cron'
import type { ScheduledTask } from 'node-cron'
import type { Logger } from '../observability/logger.ts'

/** Once a day, when few people work. */
const CRON = '23 3 * * *'
const DAY_MS = 24 * 60 * 60_000

export type AuditRetentionOptions = {
  /** Days that entries, ended batches and reports are kept; 0 for ever. */
  readonly days: number
  /** Removes what is older than a time; see `Store.pruneAudit`. */
  readonly prune: (
    olderThan: Date,
    signal: AbortSignal,
  ) => Promise<{ readonly entries: number; readonly withheld?: string }>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Removes what is past its retention, at the start and once a day. A failure waits for the next day. */
export class AuditRetention {
  readonly #options: AuditRetentionOptions
  readonly #stopping = new AbortController()
  #task: ScheduledTask | undefined
  #pruning: Promise<void> | undefined

  constructor(options: AuditRetentionOptions) {
    this.#options = options
  }

  /** To be called once; does nothing where everything is kept. */
  begin(): void {
    if (this.#options.days === 0) return
    this.#task = schedule(CRON, () => this.#begin(), { noOverlap: true })
    this.#begin()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#task?.destroy()
    await this.#pruning
  }

  #begin(): void {
    this.#pruning ??= this.#prune().finally(() => {
      this.#pruning = undefined
    })
  }

  async #prune(): Promise<void> {
    const { days, prune, logger, now } = this.#options
    const { signal } = this.#stopping
    try {
      const removed = await prune(new Date(now() - days * DAY_MS), signal)
      if (removed.withheld === undefined) {
        logger.info({ days, ...removed }, 'what is past its retention was removed')
      } else logger.warn({ days, ...removed }, 'what is past its retention was kept')
    } catch (error) {
      if (signal.aborted) return
      logger.error({ err: error, days }, 'what is past its retention could not be removed')
    }
  }
}
