import { Failure } from '../domain/failure.ts'
import { unlessAborted } from './clock.ts'

/** Works that must not overlap, done in the order in which they were asked for. */
export class OneAtATime {
  readonly #maxWaiting: number
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  /**
   * Rejects with what the work throws; with the signal's reason as soon as it aborts, the work being
   * left out when its turn has not come; with `overloaded` when too many wait.
   */
  run<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    if (this.#waiting >= this.#maxWaiting) {
      const message = `${this.#waiting} requests like this one are waiting already`
      return Promise.reject(
        new Failure('overloaded', message, { retryAfterSeconds: 30, unexecuted: true }),
      )
    }
    this.#waiting += 1
    const turn = this.#last.then(() => {
      signal.throwIfAborted()
      return work()
    })
    this.#last = turn.catch(() => {})
    return unlessAborted(turn, signal).finally(() => {
      this.#waiting -= 1
    })
  }
}
