/** Time as this room sees it; tests put their own in its place. */
export type Clock = {
  /** Milliseconds from a fixed start; never goes back. */
  now(): number
  /** Calls `run` once after `ms`; the answer calls it off. */
  after(ms: number, run: () => void): () => void
  /** From 0 up to, but not including, 1. */
  random(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

/** Ends after `ms`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    const abort = (): void => {
      cancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
  })
}

/** Waits for a shared promise; gives up waiting, but not the work, when the signal aborts. */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** A signal that aborts with `reason()` after `ms`, or with the parent's reason before. */
export class Deadline implements Disposable {
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #cancel: () => void

  constructor(clock: Clock, ms: number, parent: AbortSignal, reason: () => unknown) {
    this.signal = AbortSignal.any([parent, this.#controller.signal])
    this.#cancel = clock.after(ms, () => this.#controller.abort(reason()))
  }

  /** True when time ran out, as opposed to the parent's abort. */
  get expired(): boolean {
    return this.#controller.signal.aborted
  }

  [Symbol.dispose](): void {
    this.#cancel()
  }
}
