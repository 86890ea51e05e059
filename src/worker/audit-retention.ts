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
  readonly prune: (olderThan: Date) => Promise<object>
  readonly logger: Pick<Logger, 'info' | 'error'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Removes what is past its retention, at the start and once a day. A failure waits for the next day. */
export class AuditRetention {
  readonly #options: AuditRetentionOptions
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
    try {
      const removed = await prune(new Date(now() - days * DAY_MS))
      logger.info({ days, ...removed }, 'what is past its retention was removed')
    } catch (error) {
      logger.error({ err: error, days }, 'what is past its retention could not be removed')
    }
  }
}
