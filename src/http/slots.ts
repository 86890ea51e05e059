import { Failure } from '../domain/failure.ts'

/** Asking again after this is worth it: what takes a slot ends within seconds as a rule. */
const RETRY_AFTER_SECONDS = 5

/**
 * So many at a time may do something heavy; the next one is told `overloaded` instead of waiting.
 * `take` answers how to give the slot back, which may be done twice.
 */
export function createSlots(count: number, what: string): { take(): () => void } {
  let taken = 0
  return {
    take() {
      if (taken >= count) {
        const message = `${count} ${what} run already: there is no room for another`
        throw new Failure('overloaded', message, { retryAfterSeconds: RETRY_AFTER_SECONDS })
      }
      taken += 1
      let held = true
      return () => {
        if (held) taken -= 1
        held = false
      }
    },
  }
}
