import { setTimeout as delay } from 'node:timers/promises'

/** Time as the role changes see it; tests put their own in its place. */
export type Clock = {
  /** Epoch milliseconds. */
  now(): number
  /** Milliseconds that only ever rise. */
  elapsed(): number
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  async pause(ms, signal) {
    try {
      await delay(ms, undefined, signal ? { signal, ref: false } : { ref: false })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
}
