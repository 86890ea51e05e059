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

/** So many turns of the event loop: all that needs no more than them has happened. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await settle()
}

type Timer = { readonly at: number; readonly run: () => void }

/**
 * A clock that goes by the event loop of this process: so many milliseconds pass with each of its
 * turns of a millisecond or more, and none while nobody waits. Whatever shares the process, such as
 * a simulator, gets as many turns before a bound passes however long the machine lets it stand still.
 */
export function turningClock(msPerTurn: number): Clock {
  const timers = new Set<Timer>()
  let now = 0
  let turning = false
  const turn = (): void => {
    now += msPerTurn
    const due = [...timers].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at)
    for (const timer of due) if (timers.delete(timer)) timer.run()
    turning = timers.size > 0
    if (turning) setTimeout(turn, 1)
  }
  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.add(timer)
      if (!turning) setTimeout(turn, 1)
      turning = true
      return () => void timers.delete(timer)
    },
    random: Math.random,
  }
}

const SPEED = 250

/** Pauses between attempts cost next to nothing, and a bound of a minute is hundreds of turns. */
export const hurriedClock: Clock = turningClock(SPEED)

/** So many turns, as {@link hurriedClock} counts them. */
export function hurried(count: number): number {
  return count * SPEED
}

/** The longest pause between attempts that a {@link skippingClock} leaves out. */
const MAX_PAUSE_MS = 10_000

/** What a look at the clock takes: what is left of a bound is never whole milliseconds. */
const LOOK_MS = Math.PI / 10_000

/**
 * A clock on which pauses between attempts pass at once, while bounds hold: they pass with the turns
 * of {@link turningClock}. Pauses are told from what is left of a bound by being whole milliseconds.
 * `waits` are all times that were waited for.
 */
export function skippingClock(msPerTurn: number): Clock & { readonly waits: readonly number[] } {
  const waits: number[] = []
  const turning = turningClock(msPerTurn)
  let skipped = 0
  return {
    waits,
    now: () => turning.now() + (skipped += LOOK_MS),
    after(ms, run) {
      waits.push(ms)
      if (!Number.isInteger(ms) || ms > MAX_PAUSE_MS) return turning.after(ms, run)
      const timer = setTimeout(() => {
        skipped += ms
        run()
      }, 0)
      return () => clearTimeout(timer)
    },
    random: () => 0,
  }
}
