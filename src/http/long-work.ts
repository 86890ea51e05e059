import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Failure } from '../domain/failure.ts'

/** Requests that may wait; together they wait for seconds. */
const MAX_WAITING = 64
const RETRY_AFTER_SECONDS = 2

/**
 * Lets everything else on the thread have its turn. The first call waits until no other long request
 * is at work; it throws `overloaded` when too many wait already. False once nobody waits for the
 * answer: then there is no more to do.
 */
export type Pause = () => Promise<boolean>

/**
 * Long requests of a plane, one after the other in the order of their arrival: each goes on in slices
 * until it is done. Were they to take turns, all of them would be held in memory at once, half done,
 * and the first answer would come as late as the last one.
 */
export class LongWork {
  readonly #maxWaiting: number
  readonly #waiting = new Set<() => void>()
  #busy = false

  constructor(maxWaiting = MAX_WAITING) {
    this.#maxWaiting = maxWaiting
  }

  /**
   * Does a job that may take long; what it does before its first pause is done at once, whoever is at
   * work, and has to be short.
   *
   * @param response whose end ends the waiting; without one the job is done whoever is there
   */
  async run<Result>(
    response: ServerResponse | undefined,
    job: (pause: Pause) => Promise<Result>,
  ): Promise<Result> {
    let entered = false
    const pause = async (): Promise<boolean> => {
      if (!entered) entered = await this.#enter(response)
      if (!entered) return false
      await nextTurn()
      return response?.destroyed !== true
    }
    try {
      return await job(pause)
    } finally {
      if (entered) this.#leave()
    }
  }

  /** False when the response ended before the turn came. */
  async #enter(response: ServerResponse | undefined): Promise<boolean> {
    if (response?.destroyed === true) return false
    if (!this.#busy) {
      this.#busy = true
      return true
    }
    if (this.#waiting.size >= this.#maxWaiting) {
      const message = 'too many long requests wait for their turn'
      throw new Failure('overloaded', message, { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const enter = (): void => {
      response?.removeListener('close', giveUp)
      resolve(true)
    }
    const giveUp = (): void => {
      this.#waiting.delete(enter)
      resolve(false)
    }
    response?.once('close', giveUp)
    this.#waiting.add(enter)
    return await promise
  }

  /** Hands the place on, so that nobody who comes now gets in before those who wait. */
  #leave(): void {
    const [enter] = this.#waiting
    if (enter === undefined) {
      this.#busy = false
      return
    }
    this.#waiting.delete(enter)
    enter()
  }
}
