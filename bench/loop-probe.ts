import { isMainThread } from 'node:worker_threads'

/**
 * Loaded into the measured service (`--import`): how long its main thread's event loop was held by
 * the thread's own work. Lateness alone does not tell that: on two cores shared by service, platform
 * and load the thread also waits for a core.
 *
 * Answers the parent's message `held` with {@link HeldReport} and begins anew.
 */
export type HeldReport = {
  /** Milliseconds of processor time between two turns of the loop, the longest. */
  readonly heldMs: number
}

const EVERY_MS = 2

if (isMainThread) watch()

function watch(): void {
  let heldMs = 0
  let last = process.threadCpuUsage()
  setInterval(() => {
    const now = process.threadCpuUsage()
    heldMs = Math.max(heldMs, (now.user + now.system - last.user - last.system) / 1_000)
    last = now
  }, EVERY_MS).unref()
  process.on('message', (message) => {
    if (message !== 'held') return
    const report: HeldReport = { heldMs }
    process.send?.(report)
    heldMs = 0
  })
  // The service ends when it has nothing left to do, whether or not somebody could still ask.
  process.channel?.unref()
}
