import { readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { readConfig } from '../../../src/config.ts'
import { createService } from '../../../src/service.ts'

/**
 * The service as it is run, but for this: it is killed at the moment that the file KILL_FILE names,
 * and it publishes what was written at once.
 */

/** What is under way when it dies is free for the next one soon; nobody else is there meanwhile. */
const OPERATION_LEASE_MS = 600
const file = process.env['KILL_FILE'] ?? ''

function armed(): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
function dieAt(moment: string): void {
  if (armed() !== moment) return
  rmSync(file)
  process.kill(process.pid, 'SIGKILL')
}

await using service = await createService(readConfig(process.env), {
  drainMs: 0,
  roleChanges: { publicationPauseMs: 0, onStep: dieAt },
  architecture: { leaseMs: OPERATION_LEASE_MS, onAnswered: () => dieAt('answered') },
})
await service.start(stop.signal)
if (!stop.signal.aborted) await once(stop.signal, 'abort')
