import { randomUUID } from 'node:crypto'
import type {
  ArchitectureOperation,
  NewOperation,
  OperationAhead,
  OperationEnd,
  OperationKind,
  OperationLease,
  OperationStore,
} from '../domain/architecture-operation.ts'
import type { AuditTrail } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { endEntry, failedEnd, startedEntry, toldOf } from './architecture-audit.ts'
import type { ToldEnd, ToldOperation } from './architecture-audit.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

/** For how long an operation is ours without being renewed. */
const LEASE_MS = 30_000
/** Of a lease's length. */
const RENEW_AFTER = 1 / 3
/** Of one kind: whoever waits for a turn keeps out nothing that needs none. */
const MAX_UNDER_WAY = 8
/** How long an operation waits for its turn where one is done at a time. */
const MAX_WAIT_MS = 60_000
const TURN_POLL_MS = 200
/** How long what is under way may go on when the service stops. */
const GRACE_MS = 5_000

export type OperationRunnerOptions = {
  readonly store: Pick<OperationStore, 'ahead' | 'begin' | 'renew' | 'end'>
  readonly trail: Pick<AuditTrail, 'append'>
  readonly metrics: Pick<Metrics, 'architectureOperationEnded'>
  readonly logger: Logger
  readonly clock?: Clock
  readonly leaseMs?: number
  readonly graceMs?: number
  /** Told when the platform has answered and nothing is recorded of it: a moment to die at. */
  readonly onAnswered?: () => void
}

/** What was done, and how the trail tells of it. */
export type Done<Value> = {
  readonly value: Value
  readonly state: 'succeeded' | 'unchanged'
  readonly told: Omit<ToldEnd, 'outcome'>
  /** See {@link OperationEnd}. */
  readonly visible?: boolean
}

export type Work<Value> = {
  /** How the trail tells of a request that does not even become an operation. */
  readonly asked: ToldOperation
  /** Says what is to be done, or refuses it; anew whenever its turn seems to have come. */
  readonly prepare: () => Promise<NewOperation>
  /** What is left to do before anything is sent: when it throws, nothing comes of the operation. */
  readonly beforeSending?: () => Promise<void>
  readonly perform: (operation: ArchitectureOperation, signal: AbortSignal) => Promise<Done<Value>>
}

/**
 * Carries out operations so that each has an end in the trail: recorded before anything is sent and
 * after the platform answered, on the service's time and not the caller's. What is left without an
 * end is settled by `OperationSettler`.
 */
export class OperationRunner {
  readonly #options: OperationRunnerOptions
  readonly #clock: Clock
  readonly #lease: OperationLease
  readonly #stopping = new AbortController()
  readonly #calledOff = new AbortController()
  readonly #inHand = new Set<string>()
  /** Also what waits for its turn. */
  readonly #running = new Map<Promise<unknown>, OperationKind>()
  #renewing: Promise<void> | undefined

  constructor(options: OperationRunnerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#lease = { owner: randomUUID(), leaseMs: options.leaseMs ?? LEASE_MS }
  }

  /** Keeps what is under way in our hands. To be called once. */
  begin(): void {
    this.#renewing = this.#keepRenewing()
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#clock.now()
  }

  /** Aborts when what reads the platform is to give up. */
  get signal(): AbortSignal {
    return this.#calledOff.signal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(stoppingFailure())
    const ended = Promise.allSettled(this.#running.keys())
    const over = new AbortController()
    const { graceMs = GRACE_MS } = this.#options
    const grace = this.#clock.pause(graceMs, over.signal).catch(() => undefined)
    await Promise.race([ended, grace])
    over.abort()
    this.#calledOff.abort(stoppingFailure())
    await ended
    await this.#renewing
  }

  /**
   * Throws what preparing or performing throws; `overloaded` when too many are under way or the turn
   * does not come; `store-unavailable` when a step cannot be recorded.
   */
  run<Value>(work: Work<Value>): Promise<Value> {
    const running = this.#run(work)
    this.#running.set(running, work.asked.kind)
    return running.finally(() => this.#running.delete(running))
  }

  async #run<Value>(work: Work<Value>): Promise<Value> {
    const operation = await this.#begun(work)
    this.#inHand.add(operation.id)
    try {
      const startedAt = this.#clock.elapsed()
      const { value, state, told, visible } = await this.#perform(operation, work, startedAt)
      this.#options.onAnswered?.()
      const seen = visible === undefined ? {} : { visible }
      const end = { state, resultId: told.resultId, ...seen }
      await this.#end(operation, end, { ...told, outcome: state })
      this.#observe(operation, 'succeeded', startedAt)
      return value
    } finally {
      this.#inHand.delete(operation.id)
    }
  }

  /** A request that is refused before it begins is in the trail too. */
  async #begun<Value>(work: Work<Value>): Promise<ArchitectureOperation> {
    try {
      return await this.#turnOf(work)
    } catch (error) {
      const lost = error instanceof Failure && error.code === 'store-unavailable'
      if (!lost && !this.#stopping.signal.aborted) {
        await this.#options.trail.append([endEntry(null, work.asked, failedEnd(error, null))])
      }
      throw error
    }
  }

  async #perform<Value>(
    operation: ArchitectureOperation,
    { beforeSending, perform }: Work<Value>,
    startedAt: number,
  ): Promise<Done<Value>> {
    let sending = false
    try {
      await beforeSending?.()
      sending = true
      return await perform(operation, this.#calledOff.signal)
    } catch (error) {
      // What the platform made of it is not known: its end is left to be settled.
      if (sending && this.#calledOff.signal.aborted) throw stoppingFailure()
      if (sending && !isUnexecuted(error)) throw error
      const latencyMs = Math.round(this.#clock.elapsed() - startedAt)
      const end = { state: 'failed', resultId: null } as const
      await this.#end(operation, end, failedEnd(error, latencyMs))
      this.#observe(operation, 'failed', startedAt)
      throw error
    }
  }

  /** Waits until nothing of its kind is under way elsewhere, where one is done at a time. */
  async #turnOf<Value>({ asked, prepare }: Work<Value>): Promise<ArchitectureOperation> {
    const { store } = this.#options
    const { kind } = asked
    this.#stopping.signal.throwIfAborted()
    const underWay = [...this.#running.values()].filter((each) => each === kind)
    if (underWay.length >= MAX_UNDER_WAY) {
      const message = `${MAX_UNDER_WAY} operations like this one are under way already`
      throw new Failure('overloaded', message, { retryAfterSeconds: 10 })
    }
    const endsAt = this.#clock.elapsed() + MAX_WAIT_MS
    for (;;) {
      this.#stopping.signal.throwIfAborted()
      const ahead = await store.ahead(kind)
      const begun = ahead ? undefined : await this.#begin(await prepare())
      if (begun !== undefined) return begun
      if (this.#clock.elapsed() >= endsAt) throw turnFailure(ahead)
      await this.#clock.pause(TURN_POLL_MS, this.#stopping.signal)
    }
  }

  #begin(next: NewOperation): Promise<ArchitectureOperation | undefined> {
    const told = toldOf(next)
    return this.#options.store.begin(next, this.#lease, (id) => [startedEntry(id, told)])
  }

  async #end(operation: ArchitectureOperation, end: OperationEnd, told: ToldEnd): Promise<void> {
    const { store, logger } = this.#options
    const { id, kind } = operation
    const audit = (as: ToldEnd) => [endEntry(id, toldOf(operation), as)]
    // What another operation made already is told as that one's doing alone.
    const claimed = {
      end: { ...end, state: 'unchanged' },
      audit: audit({ ...told, outcome: 'unchanged' }),
    } as const
    try {
      await store.end(id, end, audit(told), end.state === 'succeeded' ? claimed : undefined)
    } catch (error) {
      logger.error({ err: error, operation: id, kind }, 'the end of an operation is not recorded')
      if (end.state === 'failed') return
      const what = end.resultId ?? id
      const message = `it is done (${what}), but that could not be recorded: the trail is mended later`
      throw new Failure('store-unavailable', message, { cause: error, retryAfterSeconds: 30 })
    }
  }

  #observe({ kind }: NewOperation, result: 'succeeded' | 'failed', startedAt: number): void {
    const seconds = (this.#clock.elapsed() - startedAt) / 1_000
    this.#options.metrics.architectureOperationEnded(kind, result, seconds)
  }

  async #keepRenewing(): Promise<void> {
    const { store, logger } = this.#options
    const { signal } = this.#calledOff
    while (!signal.aborted) {
      await store.renew([...this.#inHand], this.#lease).catch((error: unknown) => {
        logger.warn({ err: error }, 'operations under way could not be kept in our hands')
      })
      const ms = this.#lease.leaseMs * RENEW_AFTER
      await this.#clock.pause(ms, signal).catch(() => undefined)
    }
  }
}

/** Everything else may have been done: a dead thread, a lost answer, an error nobody expected. */
function isUnexecuted(error: unknown): boolean {
  return error instanceof Failure && error.unexecuted && !error.undecided
}

function turnFailure(ahead: OperationAhead | undefined): Failure {
  const message =
    ahead === undefined
      ? 'others like this one are under way, and its turn did not come'
      : `its turn did not come: ${ahead.id} has no end yet, begun at ${isoTime(ahead.startedAt)}`
  return new Failure('overloaded', message, { retryAfterSeconds: 30 })
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

function stoppingFailure(): Failure {
  return new Failure('overloaded', 'the service is stopping: what was begun is settled later')
}
