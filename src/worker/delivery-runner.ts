import { MAX_DELIVERY_PAUSE_MS } from '../domain/delivery.ts'
import type {
  AttemptEnd,
  ClaimedDelivery,
  DeliveryState,
  DeliveryStore,
  EventTarget,
  Sent,
  WebhookSender,
} from '../domain/delivery.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

/** Deliveries to one address at a time: a receiver that hangs keeps the other one's from nothing. */
const MAX_IN_HAND = 4
/** Far longer than an attempt may take, so that nobody else begins one meanwhile. */
const LEASE_MS = 30_000
/** How often what became due, or was left behind by another instance, is looked for. */
const POLL_MS = 1_000
/** How often what waits is counted where there is nobody to send it to. */
const IDLE_POLL_MS = 60_000
/** The longest pause while the store is no help. */
const MAX_POLL_MS = 30_000
/** Pauses after a failed attempt: doubled each time, and up to a half shorter by chance. */
const FIRST_PAUSE_MS = 2_000
const MAX_PAUSE_MS = 15 * 60_000
/** What arrived is kept for so long, and looked for so often. */
const KEPT_MS = 7 * 24 * 60 * 60_000
const CLEAN_UP_MS = 60 * 60_000

export type DeliveryRunnerOptions = {
  readonly store: Pick<
    DeliveryStore,
    'claim' | 'settle' | 'giveUpOthers' | 'counts' | 'removeDelivered'
  >
  /**
   * Those that this instance has an address for. Another one may have the others', so what waits for
   * them is left alone until its time is over.
   */
  readonly targets: readonly EventTarget[]
  readonly sender: WebhookSender
  readonly metrics: Pick<Metrics, 'delivered' | 'deliveriesSeen'>
  readonly logger: Logger
  readonly clock?: Clock
  /** From 0 to 1, for the spread of pauses. */
  readonly random?: () => number
}

/**
 * Sends what is in the outbox, at least once and in the order of each subject, and tries again for a
 * day. An attempt whose end could not be recorded is made again once its lease has run out.
 */
export class DeliveryRunner {
  readonly #options: DeliveryRunnerOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  readonly #inHand = new Map<EventTarget, Set<Promise<void>>>()
  #looping: Promise<void> | undefined
  #waiting = new AbortController()
  #woken = false
  #troubles = 0
  #cleanedAt = -Infinity

  constructor(options: DeliveryRunnerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    for (const target of options.targets) this.#inHand.set(target, new Set())
  }

  /** Begins with what was left behind. To be called once. */
  begin(): void {
    this.#looping = this.#loop()
  }

  /** Says that something was queued: it is looked for at once. */
  wake(): void {
    this.#woken = true
    this.#waiting.abort()
  }

  /** Calls off what is being sent: it is sent again by whoever comes next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#waiting.abort()
    await this.#looping
    await Promise.all([...this.#inHand.values()].flatMap((sending) => [...sending]))
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      this.#woken = false
      this.#waiting = new AbortController()
      await this.#round()
      if (this.#woken) continue
      const ms = this.#pauseMs()
      await this.#clock.pause(ms, this.#waiting.signal).catch(() => undefined)
    }
  }

  #pauseMs(): number {
    if (this.#troubles > 0) return Math.min(POLL_MS * 2 ** this.#troubles, MAX_POLL_MS)
    return this.#options.targets.length === 0 ? IDLE_POLL_MS : POLL_MS
  }

  async #round(): Promise<void> {
    const { store, targets, metrics, logger } = this.#options
    try {
      for (const target of targets) await this.#claimFor(target)
      metrics.deliveriesSeen(await store.counts())
      await this.#cleanUp()
      this.#troubles = 0
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      if (this.#troubles === 0) logger.warn({ err: error }, 'deliveries cannot be looked for')
      this.#troubles += 1
    }
  }

  async #claimFor(target: EventTarget): Promise<void> {
    const sending = this.#inHand.get(target)
    const limit = MAX_IN_HAND - (sending?.size ?? 0)
    if (!sending || limit <= 0 || this.#stopping.signal.aborted) return
    const claimed = await this.#options.store.claim(target, { limit, leaseMs: LEASE_MS })
    for (const delivery of claimed) {
      const attempt = this.#attempt(delivery).finally(() => {
        sending.delete(attempt)
        // There is room again, and the next one of its subject may be free.
        this.wake()
      })
      sending.add(attempt)
    }
  }

  /** Never throws. */
  async #attempt(delivery: ClaimedDelivery): Promise<void> {
    const { store, sender, metrics } = this.#options
    const { id, target, event, attempts } = delivery
    const log = this.#options.logger.child({ delivery: id, target, event, attempts })
    try {
      const sent = await sender.send(delivery, this.#stopping.signal)
      const end = this.#endOf(delivery, sent)
      const state = await store.settle(delivery, end)
      if (state === undefined) log.warn('a delivery was taken over while it was sent')
      metrics.delivered(target, resultOf(end, state))
      if (end.state === 'delivered') return
      if (state === 'dead') log.error({ reason: end.error }, 'a delivery was given up')
      else log.warn({ reason: end.error }, 'a delivery failed')
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      log.warn({ err: error }, 'a delivery has no recorded end: it is made again')
    }
  }

  #endOf(delivery: ClaimedDelivery, sent: Sent): AttemptEnd {
    if (sent.ok) return { state: 'delivered' }
    const { error, retryAfterSeconds = 0 } = sent
    const { random = Math.random } = this.#options
    const fullMs = Math.min(FIRST_PAUSE_MS * 2 ** (delivery.attempts - 1), MAX_PAUSE_MS)
    const askedMs = Math.min(retryAfterSeconds * 1_000, MAX_DELIVERY_PAUSE_MS)
    const pauseMs = Math.max(fullMs * (1 - random() / 2), askedMs)
    return { state: 'failed', pauseMs, error }
  }

  async #cleanUp(): Promise<void> {
    if (this.#clock.elapsed() - this.#cleanedAt < CLEAN_UP_MS) return
    this.#cleanedAt = this.#clock.elapsed()
    const { store, targets, logger } = this.#options
    const count = await store.giveUpOthers(targets)
    if (count > 0) logger.error({ count }, 'deliveries without an address were given up')
    await store.removeDelivered(KEPT_MS)
  }
}

function resultOf(
  { state }: AttemptEnd,
  made: DeliveryState | undefined,
): 'delivered' | 'failed' | 'dead' {
  return state === 'failed' && made === 'dead' ? 'dead' : state
}
