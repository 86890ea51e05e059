import type { Clock } from '../../src/genesys/clock.ts'
import { openUnderTest } from './platform-under-test.ts'
import type { UnderTest } from './platform-under-test.ts'

const SPEED = 20

/** The system's clock, fast enough for pauses, and slow enough that a request takes no time. */
const quickClock: Clock = {
  now: () => performance.now() * SPEED,
  after(ms, run) {
    const timer = setTimeout(run, ms / SPEED)
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

/** A platform whose reads show a write after `delayMs`, by the clock that our pauses follow. */
export function openLagging(delayMs: number): Promise<UnderTest> {
  const now = (): number => quickClock.now()
  const settings = { consistencyDelayMs: delayMs, searchDelayMs: delayMs / 2, now }
  return openUnderTest(settings, { requestTimeoutMs: 10_000 * SPEED }, quickClock)
}
