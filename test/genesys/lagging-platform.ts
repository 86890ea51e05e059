import { turningClock } from './clocks.ts'
import { openUnderTest } from './platform-under-test.ts'
import type { UnderTest } from './platform-under-test.ts'

/** Fast enough for pauses, and slow enough that a request takes no time. */
const SPEED = 20

/** A platform whose reads show a write after `delayMs`, by the clock that our pauses follow. */
export function openLagging(delayMs: number): Promise<UnderTest> {
  const clock = turningClock(SPEED)
  const settings = {
    consistencyDelayMs: delayMs,
    searchDelayMs: delayMs / 2,
    now: () => clock.now(),
  }
  return openUnderTest(settings, { requestTimeoutMs: 10_000 * SPEED }, clock)
}
