import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildMatrix } from '../src/domain/build-matrix.ts'
import type { Facts } from '../src/domain/facts.ts'
import { Matrix, stampRevision } from '../src/domain/matrix.ts'
import { writeSnapshot } from '../src/worker/snapshot-file.ts'
import { pinning } from './processes.ts'

export const CHECK_KEY = 'bench-check-key-0123456789'
export const ADMIN_KEY = 'bench-admin-key-0123456789'
const CLIENT_ID = 'bench-client'
/** Nobody listens on the discard port: a platform that is down. */
const NO_PLATFORM = 'http://127.0.0.1:9'
const LOOP_PROBE = new URL('loop-probe.ts', import.meta.url).href

export type ServiceProcess = {
  readonly child: ChildProcess
  readonly checkPort: number
  readonly adminPort: number
  /** From the start of the process until `/health/ready` answered 200. */
  readonly readyMs: number
}

export type ServiceOptions = {
  readonly core?: number
  readonly env?: Readonly<Record<string, string>>
  /** With `loop-probe.ts` in it. */
  readonly probed?: boolean
  readonly readyWithinMs?: number
}

/** Puts a snapshot where the service finds it at start. */
export async function placeSnapshot(dataDir: string, facts: Facts, origin = NO_PLATFORM) {
  await mkdir(dataDir, { recursive: true })
  const buffer = buildMatrix(facts)
  stampRevision(buffer, 1)
  const path = join(dataDir, 'matrix-000000000001.snapshot')
  await writeSnapshot(path, new Matrix(buffer), { region: origin, clientId: CLIENT_ID })
}

/** Starts the service as `npm start` does, and waits until it answers checks. */
export async function startServiceProcess(
  dataDir: string,
  options: ServiceOptions = {},
): Promise<ServiceProcess> {
  const started = performance.now()
  const main = join(import.meta.dirname, '../src/main.ts')
  const probe = options.probed === true ? ['--import', LOOP_PROBE] : []
  const child = spawn(process.execPath, ['--no-parallel-scavenge', ...probe, main], {
    env: {
      ...process.env,
      GENESYS_CLIENT_ID: CLIENT_ID,
      GENESYS_CLIENT_SECRET: 'bench-secret',
      GENESYS_BASE_URL: NO_PLATFORM,
      CHECK_API_KEYS: `bench=${CHECK_KEY}`,
      ADMIN_API_KEYS: `bench=${ADMIN_KEY}`,
      DATA_DIR: dataDir,
      PORT: '0',
      ADMIN_PORT: '0',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'inherit', ...(options.probed === true ? ['ipc' as const] : [])],
  })
  if (pinning && options.core !== undefined) {
    execFileSync('taskset', ['-acp', String(options.core), String(child.pid)], { stdio: 'ignore' })
  }
  const { check, admin } = await listeningUrls(child)
  await untilReady(check, options.readyWithinMs ?? 120_000)
  return {
    child,
    checkPort: Number(new URL(check).port),
    adminPort: Number(new URL(admin).port),
    readyMs: performance.now() - started,
  }
}

/** What the log says once both listeners are open. The log is read on to its end, so that it never stalls. */
function listeningUrls(child: ChildProcess): Promise<{ check: string; admin: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ check: string; admin: string }>()
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    const { msg, check, admin } = JSON.parse(line) as Record<string, string>
    if (msg === 'listening' && check && admin) resolve({ check, admin })
  })
  lines.once('close', () => reject(new Error('the service ended before it listened')))
  return promise
}

async function untilReady(url: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await fetch(`${url}/health/ready`)).ok) {
    if (performance.now() > deadline) throw new Error('the service did not become ready')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
