/** Says whether the event loop is too late to answer anyone in time. */
export type EventLoopWatch = { late(): boolean; [Symbol.dispose](): void }

const SAMPLE_MS = 50

/**
 * Samples how late a timer fires. One flag to read for a request: the plugin that does the same
 * would add a hook. A single late sample turns requests away, the next timely one lets them in.
 */
export function watchEventLoop(
  maxDelayMs: number,
  now: () => number = () => performance.now(),
): EventLoopWatch {
  let late = false
  // The first sample only sets the clock: a service that is still starting is not overloaded.
  let due = Infinity
  const timer = setInterval(() => {
    const at = now()
    late = at - due > maxDelayMs
    due = at + SAMPLE_MS
  }, SAMPLE_MS)
  timer.unref()
  return {
    late: () => late,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
