import { randomUUID } from 'node:crypto'
import { Failure } from '../domain/failure.ts'
import type { Claim } from '../domain/role-change-store.ts'
import { ClaimedBatch } from './claimed-batch.ts'
import type { BatchTools, ReadBack } from './claimed-batch.ts'
import type { Metrics } from '../observability/metrics.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { keepLease } from './keep-lease.ts'
import { runBatch } from './run-batch.ts'
import type { OnRunStep } from './run-steps.ts'

/** Batches that are carried out side by side in one process. */
const MAX_IN_HAND = 4
/** Places that only small batches take: a sunset, or an urgent change, waits for no long ones. */
const SMALL_PLACES = 2
const SMALL_BATCH_USERS = 5
/** For how long a claim holds without being renewed: so long a batch of a dead process waits. */
const LEASE_MS = 15_000
/** How often a batch that another instance abandoned is looked for. */
const POLL_MS = 3_000
/** The longest pause while the store is no help. */
const MAX_PAUSE_MS = 60_000
/** How long the items in hand may take to come to a record when the service stops. */
const GRACE_MS = 5_000

const READ_BACK: ReadBack = { firstMs: 1_000, maxMs: 8_000, boundMs: 60_000 }

export type RoleChangeRunnerOptions = Pick<
  BatchTools,
  'store' | 'platform' | 'matrix' | 'rules' | 'writtenGrants' | 'logger'
> & {
  readonly metrics: Pick<
    Metrics,
    'roleChangeBatchEnded' | 'roleChangeItemEnded' | 'roleChangesInHand'
  >
  readonly clock?: Clock
  readonly readBack?: ReadBack
  readonly leaseMs?: number
  /** Told of every moment at which the process may die. */
  readonly onStep?: OnRunStep
  readonly graceMs?: number
}

/**
 * Carries out accepted batches, durably: what it holds is claimed with a lease, what it does is
 * recorded before and after, and what it leaves unfinished is gone on with by whoever claims it next.
 */
export class RoleChangeRunner {
  readonly #options: RoleChangeRunnerOptions
  readonly #clock: Clock
  readonly #tools: BatchTools
  readonly #owner = randomUUID()
  readonly #stopping = new AbortController()
  readonly #inHand = new Map<ClaimedBatch, Promise<void>>()
  #looping: Promise<void> | undefined
  #waiting = new AbortController()
  #woken = false
  /** How often in a row the store, or an error of our own, was in the way. */
  #troubles = 0

  constructor(options: RoleChangeRunnerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#tools = {
      ...options,
      itemEnded: (state) => options.metrics.roleChangeItemEnded(state),
      clock: this.#clock,
      readBack: options.readBack ?? READ_BACK,
      leaseMs: options.leaseMs ?? LEASE_MS,
      onStep: options.onStep,
      stopping: this.#stopping.signal,
    }
  }

  /** Goes on with what was left unfinished, and waits for more. To be called once. */
  begin(): void {
    this.#looping = this.#loop()
  }

  /** Says that a batch was queued: one is looked for at once. */
  wake(): void {
    this.#woken = true
    this.#waiting.abort()
  }

  /** Begins nothing new, lets the items in hand come to a record for a while, and gives back the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Failure('not-ready', 'the service is stopping')
    this.#stopping.abort(reason)
    this.#waiting.abort()
    const ended = this.#allEnded()
    const { graceMs = GRACE_MS } = this.#options
    const over = new AbortController()
    const grace = this.#clock.pause(graceMs, over.signal).catch(() => undefined)
    await Promise.race([ended, grace])
    over.abort()
    for (const batch of this.#inHand.keys()) batch.abort(reason)
    await ended
  }

  /** A claim that was being made when the stop came is given back as well. */
  async #allEnded(): Promise<void> {
    await this.#looping
    await Promise.all(this.#inHand.values())
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      this.#woken = false
      this.#waiting = new AbortController()
      await this.#claimSome()
      if (this.#woken) continue
      const ms = Math.min(POLL_MS * 2 ** this.#troubles, MAX_PAUSE_MS)
      await this.#clock.pause(ms, this.#waiting.signal).catch(() => undefined)
    }
  }

  async #claimSome(): Promise<void> {
    const { store, matrix, logger } = this.#options
    try {
      // Without a matrix nobody knows the home division or what a rule means.
      while (this.#inHand.size < MAX_IN_HAND + SMALL_PLACES && !this.#stopping.signal.aborted) {
        if (!matrix()) break
        const askedAt = this.#clock.elapsed()
        const maxUsers = this.#inHand.size < MAX_IN_HAND ? undefined : SMALL_BATCH_USERS
        const claim = await store.claim(this.#owner, this.#tools.leaseMs, maxUsers)
        if (!claim) break
        this.#take(claim, askedAt)
      }
    } catch (error) {
      this.#troubles += 1
      logger.warn({ err: error }, 'no role changes could be claimed')
    }
  }

  #take(claim: Claim, askedAt: number): void {
    const batch = new ClaimedBatch(claim, this.#tools)
    const running = this.#run(batch, askedAt).finally(() => {
      this.#inHand.delete(batch)
      this.#options.metrics.roleChangesInHand(this.#inHand.size)
      // Its users are free for the next one, and it may itself be queued anew.
      this.wake()
    })
    this.#inHand.set(batch, running)
    this.#options.metrics.roleChangesInHand(this.#inHand.size)
  }

  /** Never throws. */
  async #run(batch: ClaimedBatch, askedAt: number): Promise<void> {
    const { state, requestedBy } = batch.batch
    batch.log.info({ state, requestedBy }, 'role changes begun')
    const over = new AbortController()
    const lease = keepLease(batch, this.#tools, askedAt, over.signal)
    try {
      const end = await runBatch(batch)
      this.#troubles = 0
      if (end !== 'rolling-back') this.#options.metrics.roleChangeBatchEnded(end)
      batch.log.info({ state: end }, 'role changes came to rest')
    } catch (error) {
      batch.abort(error)
      await this.#interrupted(batch)
    } finally {
      over.abort()
      await lease
    }
  }

  async #interrupted(batch: ClaimedBatch): Promise<void> {
    const reason: unknown = batch.signal.reason
    const code = reason instanceof Failure ? reason.code : undefined
    if (code === 'not-ready') {
      batch.log.info('role changes are given back unfinished')
      await this.#options.store.release(batch.claim).catch((error: unknown) => {
        batch.log.warn({ err: error }, 'they are free when the lease has run out')
      })
      return
    }
    // Its lease runs out; it is gone on with when the store can be reached, by whoever is first.
    if (code !== 'conflict') this.#troubles += 1
    const message = 'role changes were interrupted: they are gone on with later'
    if (reason instanceof Failure) batch.log.warn({ err: reason }, message)
    else batch.log.error({ err: reason }, message)
  }
}
