import type { Clock } from '../../src/genesys/clock.ts'

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 0
  #timers: { readonly at: number; readonly run: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  random(): number {
    return 1
  }

  get pendingTimers(): number {
    return this.#timers.length
  }

  /** Runs every timer that is due on the way, in order, and lets what they woke go on. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at)
      if (next === undefined || next.at > end) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = next.at
      next.run()
      await settle()
    }
    this.#now = end
  }
}

/** Lets every promise that can go on do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

const SPEED = 1000

/** The system's clock, a thousand times as fast: pauses between attempts cost nothing. */
export const hurriedClock: Clock = {
  now: () => performance.now() * SPEED,
  after(ms, run) {
    const timer = setTimeout(run, ms / SPEED)
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

/** So many real milliseconds, as {@link hurriedClock} counts them. */
export function hurried(ms: number): number {
  return ms * SPEED
}

/** The longest pause between attempts that a {@link skippingClock} leaves out. */
const MAX_PAUSE_MS = 10_000

/**
 * A clock on which pauses between attempts pass at once, while bounds hold. Pauses are told from
 * what is left of a bound by being whole milliseconds. `waits` are all times that were waited for.
 */
export function skippingClock(speed: number): Clock & { readonly waits: readonly number[] } {
  const waits: number[] = []
  let skipped = 0
  return {
    waits,
    now: () => performance.now() * speed + skipped,
    after(ms, run) {
      waits.push(ms)
      const pause = Number.isInteger(ms) && ms <= MAX_PAUSE_MS
      const pass = (): void => {
        if (pause) skipped += ms
        run()
      }
      const timer = setTimeout(pass, pause ? 0 : ms / speed)
      return () => clearTimeout(timer)
    },
    random: () => 0,
  }
}
