import type { ArchitectureOffers, ArchitecturePlatform } from '../domain/architecture-platform.ts'
import type { Logger } from '../observability/logger.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

/** An organisation does not change what it offers every day. */
const KEPT_MS = 5 * 60_000
/** After a failure. */
const RETRY_MS = 30_000
/** How long somebody who asks waits for what is not known yet. */
const WAIT_MS = 2_000

const UNKNOWN: ArchitectureOffers = { ipAllowlists: null, environments: null }

export type OfferedPartsOptions = {
  readonly platform: Pick<ArchitecturePlatform, 'offers'>
  readonly logger: Logger
  readonly clock?: Clock
}

/** What the organisation offers of the architecture API, asked for at most every five minutes. */
export class OfferedParts {
  readonly #options: OfferedPartsOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #known = UNKNOWN
  #goodUntil = -Infinity
  #asking: Promise<void> | undefined

  constructor(options: OfferedPartsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** What is known; null for what is not. Never throws. */
  async current(): Promise<ArchitectureOffers> {
    if (this.#clock.elapsed() < this.#goodUntil || this.#stopping.signal.aborted) return this.#known
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    const over = new AbortController()
    await Promise.race([
      this.#asking,
      this.#clock.pause(WAIT_MS, over.signal).catch(() => undefined),
    ])
    over.abort()
    return this.#known
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#asking
  }

  /** Never throws. */
  async #ask(): Promise<void> {
    const { platform, logger } = this.#options
    const { signal } = this.#stopping
    try {
      this.#known = await platform.offers(signal)
      this.#goodUntil = this.#clock.elapsed() + KEPT_MS
    } catch (error) {
      this.#goodUntil = this.#clock.elapsed() + RETRY_MS
      if (!signal.aborted) logger.warn({ err: error }, 'what the organisation offers is not known')
    }
  }
}
