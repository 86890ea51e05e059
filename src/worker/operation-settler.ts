import { randomUUID } from 'node:crypto'
import type {
  ArchitectureOperation,
  OperationLease,
  OperationStore,
} from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import type { Logger } from '../observability/logger.ts'
import { endEntry, toldOf } from './architecture-audit.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { settleOperation } from './settle-operation.ts'

const LEASE_MS = 30_000
/** Of the length of a running operation's lease: how often is looked, and how long a look may take. */
const LOOK_AFTER = 1 / 2
const LOOK_LEASE = 2

export type OperationSettlerOptions = {
  readonly store: Pick<OperationStore, 'claimAbandoned' | 'end'>
  readonly platform: ArchitecturePlatform
  readonly logger: Logger
  readonly clock?: Clock
  /** Of operations that are under way. */
  readonly leaseMs?: number
}

/**
 * Gives operations an end whose process ended before it could: what the platform shows is what
 * happened. Done at the start, and again and again for what other instances leave behind.
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
        failing = false
      } catch (error) {
        if (!failing && !signal.aborted) {
          this.#options.logger.warn({ err: error }, 'interrupted operations cannot be settled')
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

  async #settle(operation: ArchitectureOperation): Promise<void> {
    const { store, platform, logger } = this.#options
    const { id, kind, abandonedAt } = operation
    const signal = this.#stopping.signal
    const { end, told } = await settleOperation({ operation, platform, signal })
    const final = (abandonedAt ?? 0) + this.#leaseMs <= this.#clock.now()
    // The platform may show it a little later: it is looked for once more.
    if (end.state === 'interrupted' && !final) return
    await store.end(id, end, [endEntry(id, toldOf(operation), told)])
    logger.warn({ operation: id, kind, state: end.state }, 'an interrupted operation was settled')
  }
}
