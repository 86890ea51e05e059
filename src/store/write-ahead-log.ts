import type { DatabaseSync } from 'node:sqlite'

const SQLITE_BUSY = 5
const PAUSE_MS = 10

/**
 * Sets a database to its write-ahead log. Of connections that do so to a new file at one moment
 * SQLite refuses some at once, without the time that it gives to other statements: here they wait
 * for each other, blocking their thread. Throws when the file is locked for longer than that.
 *
 * @param pause for tests
 */
export function useWriteAheadLog(
  database: Pick<DatabaseSync, 'exec'>,
  timeoutMs: number,
  pause: () => void = block,
): void {
  const endsAt = performance.now() + timeoutMs
  for (;;) {
    try {
      database.exec('pragma journal_mode = wal')
      return
    } catch (error) {
      const isBusy = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
      if (!isBusy || performance.now() >= endsAt) throw error
      pause()
    }
  }
}

function block(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
}
