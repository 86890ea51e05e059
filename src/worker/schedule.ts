import { schedule } from 'node-cron'
import type { Rebuild, Rebuilds } from '../domain/rebuild.ts'
import type { Logger } from '../observability/logger.ts'

/** While nothing can be served, a failed rebuild is begun again after 5, 10, 20, 40, then 60 s. */
const RETRY_DELAYS = { firstMs: 5_000, maxMs: 60_000 }

export type ScheduleOptions = {
  readonly cron: string
  readonly rebuilds: Pick<Rebuilds, 'start'>
  /** False while checks are answered 503. */
  readonly canServe: () => boolean
  /** A matrix older than this is not served: rebuilds further apart leave gaps. */
  readonly maxAgeSeconds: number
  readonly logger: Logger
  readonly retryDelays?: { readonly firstMs: number; readonly maxMs: number }
}

/** When rebuilds happen: at start, by cron, and soon again after a failure that leaves nothing to serve. */
export class RebuildSchedule {
  readonly #options: ScheduleOptions
  #task: ReturnType<typeof schedule> | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #disposed = false

  constructor(options: ScheduleOptions) {
    this.#options = options
  }

  /** Begins: with a rebuild at once. To be called once. */
  begin(): void {
    const { cron, logger } = this.#options
    this.#task = schedule(cron, () => this.#begin('schedule'), {
      noOverlap: true,
      unref: true,
      logger: {
        info: () => undefined,
        debug: () => undefined,
        warn: (message) => logger.warn({ cron }, message),
        error: (message, error) => logger.error({ err: error ?? message }, 'the schedule failed'),
      },
    })
    this.#warnOfGaps(this.#task)
    this.#begin('start')
  }

  #warnOfGaps(task: ReturnType<typeof schedule>): void {
    const { cron, maxAgeSeconds, logger } = this.#options
    const [first, second] = task.getNextRuns(2)
    if (!first || !second) return
    const seconds = (second.getTime() - first.getTime()) / 1_000
    if (seconds <= maxAgeSeconds) return
    logger.warn(
      { cron, seconds, maxAgeSeconds },
      'REBUILD_CRON leaves longer between rebuilds than MAX_SNAPSHOT_AGE_SECONDS serves a matrix',
    )
  }

  /** To be told of every rebuild's end. */
  ended(rebuild: Rebuild): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#disposed) return
    if (rebuild.state !== 'failed' || this.#options.canServe()) {
      this.#failures = 0
      return
    }
    const { firstMs, maxMs } = this.#options.retryDelays ?? RETRY_DELAYS
    const delay = Math.min(firstMs * 2 ** this.#failures, maxMs)
    this.#failures += 1
    // Jitter spreads instances that lost the platform at the same moment.
    this.#timer = setTimeout(() => this.#begin('schedule'), delay * (0.5 + Math.random() / 2))
  }

  get retryPending(): boolean {
    return this.#timer !== undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#disposed = true
    const task = this.#task
    this.#task = undefined
    await task?.destroy()
  }

  #begin(requestedBy: string): void {
    try {
      this.#options.rebuilds.start({ requestedBy, unattended: true, allowShrink: false })
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a rebuild was not begun')
    }
  }
}
