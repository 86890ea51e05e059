import { randomUUID } from 'node:crypto'
import type {
  AbandonedOperation,
  OperationKind,
  OperationLease,
  OperationStore,
} from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { endEntry, toldOf } from './architecture-audit.ts'
import type { ToldEnd } from './architecture-audit.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { settleOperation, untold } from './settle-operation.ts'
import type { Settled } from './settle-operation.ts'

const LEASE_MS = 30_000
/**
 * How long after an operation was left behind nothing of it has to show before it counts as not
 * done: longer than the platform may be behind, which is two minutes for what is created and five for the
 * organisation's own list.
 */
const PATIENCE_MS: Readonly<Record<OperationKind, number>> = {
  'ip-allowlist': 150_000,
  environment: 150_000,
  'organization-allowlist': 6 * 60_000,
}
/**
 * How long after an operation was left behind it ends although the platform never let us look for
 * it: others of its kind would wait for ever.
 */
const GIVE_UP_AFTER_MS = 24 * 60 * 60_000
/** Of a running operation's lease: how often is looked, and how long a look may take. */
const LOOK_AFTER = 1 / 2
const LOOK_LEASE = 2

export type OperationSettlerOptions = {
  readonly store: Pick<OperationStore, 'claimAbandoned' | 'end' | 'open'>
  readonly metrics: Pick<Metrics, 'openOperationsSeen'>
  readonly platform: ArchitecturePlatform
  readonly logger: Logger
  readonly clock?: Clock
  /** Of operations that are under way. */
  readonly leaseMs?: number
  /** In the place of {@link PATIENCE_MS}; for tests. */
  readonly patienceMs?: number
  /** In the place of {@link GIVE_UP_AFTER_MS}; for tests. */
  readonly giveUpAfterMs?: number
}

/**
 * Gives operations an end whose process ended before it could, or that nobody could make sure of:
 * what the platform shows is what happened. Done at the start, and again and again for what other
 * instances leave behind. One that the platform does not let us look for holds up no other.
 */
export class OperationSettler {
  readonly #options: OperationSettlerOptions
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #lookLease: OperationLease
  readonly #stopping = new AbortController()
  #looping: Promise<void> | undefined

  constructor(options: OperationSettlerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#leaseMs = options.leaseMs ?? LEASE_MS
    this.#lookLease = { owner: randomUUID(), leaseMs: this.#leaseMs * LOOK_LEASE }
  }

  /** To be called once. */
  begin(): void {
    this.#looping = this.#loop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#looping
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    let failing = false
    while (!signal.aborted) {
      try {
        await this.#settleAll()
        const { metrics, store } = this.#options
        metrics.openOperationsSeen(await store.open())
        failing = false
      } catch (error) {
        if (!failing && !signal.aborted) {
          this.#options.logger.warn({ err: error }, 'interrupted operations cannot be read')
        }
        failing = true
      }
      await this.#clock.pause(this.#leaseMs * LOOK_AFTER, signal).catch(() => undefined)
    }
  }

  async #settleAll(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const operation = await this.#options.store.claimAbandoned(this.#lookLease)
      if (operation === undefined) return
      await this.#settle(operation)
    }
  }

  /** Throws nothing: what cannot be settled now is looked at again when its lease is over. */

  async #settle(operation: AbandonedOperation): Promise<void> {
    const { store, logger } = this.#options
    const { id, kind, abandonedMs } = operation
    try {
      const { end, told, certain, claimed } = await this.#lookFor(operation)
      const patienceMs = this.#options.patienceMs ?? PATIENCE_MS[kind]
      // The platform may show it a little later: it is looked for again.
      if (!certain && abandonedMs < patienceMs) return
      const audit = (as: ToldEnd) => [endEntry(id, toldOf(operation), as)]
      const other = claimed && { end: claimed.end, audit: audit(claimed.told) }
      await store.end(id, end, audit(told), other)
      logger.warn({ operation: id, kind }, 'an interrupted operation was settled')
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      logger.warn({ err: error, operation: id, kind }, 'an operation cannot be settled now')
    }
  }

  async #lookFor(operation: AbandonedOperation): Promise<Settled> {
    const { platform, giveUpAfterMs = GIVE_UP_AFTER_MS } = this.#options
    const signal = this.#stopping.signal
    try {
      return await settleOperation({ operation, platform, signal })
    } catch (error) {
      if (signal.aborted || operation.abandonedMs < giveUpAfterMs) throw error
      return untold()
    }
  }
}
