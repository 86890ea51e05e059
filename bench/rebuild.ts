import { execFileSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadReport } from './load-client.ts'
import { median, nextMessage, OTHER_CORE, runLoad, SERVER_CORE } from './processes.ts'
import { pinning, startProcess, stopProcess } from './processes.ts'
import { ADMIN_KEY, CHECK_KEY, startServiceProcess } from './service-process.ts'
import type { ServiceProcess } from './service-process.ts'

const USERS = 100_000
const REQUESTS_PER_MINUTE = 3_000
const WINDOWS = 5
const WINDOW_MS = 8_000
const CHECKS_PER_SECOND = 1_000

export type RebuildFigures = {
  readonly users: number
  readonly rebuildSeconds: number
  /** Requests of one rebuild, and the least that the facts' pages need. */
  readonly requests: number
  readonly pages: number
  /** 99th percentile in milliseconds at a steady thousand checks a second, median of windows. */
  readonly p99Idle: number
  readonly p99Rebuilding: number
  /** Longest time that the main thread's event loop was held during a rebuild, milliseconds. */
  readonly maxEventLoopDelayMs: number
}

type SimulatorReady = { readonly url: string; readonly pages: number; readonly userIds: string[] }

/**
 * What a rebuild of 100,000 users costs those who check meanwhile. The simulator, the service and
 * the load are processes apart; windows with and without a running rebuild alternate.
 */
export async function measureRebuild(): Promise<RebuildFigures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  const simulator = startProcess('simulator-process.ts', {
    core: OTHER_CORE,
    args: [String(USERS), String(REQUESTS_PER_MINUTE)],
  })
  const world = await nextMessage<SimulatorReady>(simulator)
  const service = await startServiceProcess(dataDir, {
    env: {
      GENESYS_CLIENT_ID: process.env['BENCH_CLIENT_ID'] ?? 'c11e0000-0000-4000-8000-000000000001',
      GENESYS_CLIENT_SECRET: 'demo-secret',
      GENESYS_BASE_URL: world.url,
      GENESYS_REQUESTS_PER_MINUTE: String(REQUESTS_PER_MINUTE),
      REBUILD_CRON: '0 0 1 1 *',
      LOG_LEVEL: 'info',
    },
    readyWithinMs: 600_000,
  })
  try {
    return await measure(simulator, service, world)
  } finally {
    await stopProcess(service.child)
    await stopProcess(simulator)
    await rm(dataDir, { recursive: true, force: true })
  }
}
