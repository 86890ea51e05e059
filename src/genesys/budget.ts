import { Failure } from '../domain/failure.ts'
import { PRIORITIES } from './call-policy.ts'
import type { Priority } from './call-policy.ts'
import type { Clock } from './clock.ts'

export type BudgetOptions = {
  /** Not exceeded in any 60 seconds. */
  readonly requestsPerMinute: number
  /** Requests that may be under way together. */
  readonly concurrency: number
  readonly clock: Clock
  /** Waiting requests beyond this are refused with `upstream-busy`. */
  readonly maxWaiting?: number
  /** Is told how many requests could be sent at once, whenever one is. */
  readonly onRemaining?: (remaining: number) => void
}

/** Gives the place back; to be called once, when the exchange has ended. */
export type Release = () => void

type Waiter = { readonly admit: () => void; readonly priority: Priority; readonly number: number }

const MINUTE_MS = 60_000
const MAX_BURST = 10
const MAX_WAITING = 2_000
/** Requests in a row that may go before one that has waited longer. */
const MAX_PASSED = 4

/**
 * How many requests one OAuth client may send: a token bucket with a small burst, a bound on
 * requests under way, and a queue that goes by priority and is fair within one. A fifth of the places
 * goes to whoever has waited longest, whatever the priority: role changes without end must not keep a
 * rebuild from ending, or checks would be answered 503 for want of a matrix.
 */
export class Budget {
  readonly #concurrency: number
  readonly #clock: Clock
  readonly #maxWaiting: number
  readonly #onRemaining: (remaining: number) => void
  readonly #burst: number
  /** Tokens a millisecond. */
  readonly #rate: number
  readonly #queues = new Map<Priority, Set<Waiter>>(PRIORITIES.map((name) => [name, new Set()]))
  #tokens: number
  #refilledAt: number
  #pausedUntil = -Infinity
  #running = 0
  /** Requests that went, since the last that did not, before one that had waited longer. */
  #passed = 0
  #arrived = 0
  #cancelTimer: (() => void) | undefined

  constructor(options: BudgetOptions) {
    const { requestsPerMinute } = options
    this.#concurrency = options.concurrency
    this.#clock = options.clock
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING
    this.#onRemaining = options.onRemaining ?? (() => {})
    // Burst and refill together make up the minute's number: the platform counts by the minute.
    this.#burst = Math.max(1, Math.min(MAX_BURST, Math.floor(requestsPerMinute / 20)))
    this.#rate = Math.max(requestsPerMinute - this.#burst, requestsPerMinute / 2) / MINUTE_MS
    this.#tokens = this.#burst
    this.#refilledAt = this.#clock.now()
  }

  /**
   * Waits for a place. Rejects with the signal's reason as soon as it aborts, and with
   * `upstream-busy` when too many wait already.
   */
  acquire(priority: Priority, signal: AbortSignal): Promise<Release> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.waiting >= this.#maxWaiting) {
      const message = `${this.#maxWaiting} requests to the platform are waiting already`
      return Promise.reject(new Failure('upstream-busy', message))
    }
    return new Promise((resolve, reject) => {
      const queue = this.#queue(priority)
      this.#arrived += 1
      const waiter: Waiter = {
        priority,
        number: this.#arrived,
        admit: () => {
          signal.removeEventListener('abort', abort)
          resolve(this.#take())
        },
      }
      const abort = (): void => {
        queue.delete(waiter)
        if (this.waiting === 0) this.#disarm()
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      queue.add(waiter)
      this.#admitWaiting()
    })
  }

  /** Sends nothing for `ms`: the platform said so. A longer pause that runs already stays. */
  pause(ms: number): void {
    this.#refill()
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + ms)
    // No burst into a platform that has just complained.
    this.#tokens = Math.min(this.#tokens, 1)
    this.#admitWaiting()
  }

  /** Requests that could be sent at once. */
  get remaining(): number {
    this.#refill()
    return this.#clock.now() < this.#pausedUntil ? 0 : Math.floor(this.#tokens)
  }

  get waiting(): number {
    let waiting = 0
    for (const queue of this.#queues.values()) waiting += queue.size
    return waiting
  }

  #take(): Release {
    this.#tokens -= 1
    this.#running += 1
    this.#onRemaining(this.remaining)
    let released = false
    return () => {
      if (released) return
      released = true
      this.#running -= 1
      this.#admitWaiting()
    }
  }

  #admitWaiting(): void {
    this.#disarm()
    while (this.#running < this.#concurrency) {
      const wait = this.#delay()
      const waiter = this.#next()
      if (waiter === undefined) return
      if (wait > 0) {
        this.#cancelTimer = this.#clock.after(wait, () => this.#admitWaiting())
        return
      }
      this.#passed = waiter === this.#longestWaiting() ? 0 : this.#passed + 1
      this.#queue(waiter.priority).delete(waiter)
      waiter.admit()
    }
  }

  /** Milliseconds until a request may be sent. */
  #delay(): number {
    this.#refill()
    const paused = this.#pausedUntil - this.#clock.now()
    // A millisecond's share of a token is lost to rounding: without it the timer fires too early.
    const short = this.#tokens >= 1 - 1e-9 ? 0 : Math.ceil((1 - this.#tokens) / this.#rate)
    return Math.max(paused, short)
  }

  #next(): Waiter | undefined {
    return this.#passed < MAX_PASSED ? this.#firsts()[0] : this.#longestWaiting()
  }

  #longestWaiting(): Waiter | undefined {
    return this.#firsts().toSorted((a, b) => a.number - b.number)[0]
  }

  /** Of each priority that waits, in order of precedence, who came first. */
  #firsts(): Waiter[] {
    return [...this.#queues.values()].flatMap((queue) => queue.values().next().value ?? [])
  }

  #refill(): void {
    const now = this.#clock.now()
    // What passes during a pause earns nothing.
    const from = Math.max(this.#refilledAt, Math.min(this.#pausedUntil, now))
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - from) * this.#rate)
    this.#refilledAt = now
  }

  #queue(priority: Priority): Set<Waiter> {
    const queue = this.#queues.get(priority)
    if (queue === undefined) throw new Error(`no queue for ${priority}`)
    return queue
  }

  #disarm(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}
