import type { Clock } from '../../../src/worker/clock.ts'

/** Time that stands still until it is told to go on. */
export class ManualTime implements Clock {
  #ms = 0
  readonly #start: number
  #pauses: { readonly until: number; readonly end: () => void }[] = []

  constructor(start = 1_000_000) {
    this.#start = start
  }

  now(): number {
    return this.#start + this.#ms
  }

  elapsed(): number {
    return this.#ms
  }

  get pausing(): number {
    return this.#pauses.length
  }

  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      if (ms <= 0) {
        resolve()
        return
      }
      const pause = { until: this.#ms + ms, end: resolve }
      this.#pauses.push(pause)
      signal?.addEventListener('abort', () => {
        this.#pauses = this.#pauses.filter((other) => other !== pause)
        reject(signal.reason)
      })
    })
  }

  /** Ends, in order, every pause that is over by then. */
  pass(ms: number): void {
    this.#ms += ms
    const over = this.#pauses.filter(({ until }) => until <= this.#ms)
    this.#pauses = this.#pauses.filter(({ until }) => until > this.#ms)
    for (const { end } of over.toSorted((a, b) => a.until - b.until)) end()
  }
}

/** Ends a hopeless wait, nothing else: a busy machine may stand still for many seconds. */
const PATIENCE_MS = 120_000

/** Resolves once the condition holds; rejects when it does not within two minutes. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'a condition',
): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
