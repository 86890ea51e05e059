import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawn, execFileSync } from 'node:child_process'
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

export type ServiceProcess = {
  readonly child: ChildProcess
  readonly checkPort: number
  readonly adminPort: number
  /** From the start of the process until `/health/ready` answered 200. */
  readonly readyMs: number
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
  options: { readonly core?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ServiceProcess> {
  const started = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
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
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (pinning && options.core !== undefined) {
    execFileSync('taskset', ['-acp', String(options.core), String(child.pid)], { stdio: 'ignore' })
  }
  const { check, admin } = await listeningUrls(child)
  await untilReady(check)
  return {
    child,
    checkPort: Number(new URL(check).port),
    adminPort: Number(new URL(admin).port),
    readyMs: performance.now() - started,
  }
}

async function listeningUrls(child: ChildProcess): Promise<{ check: string; admin: string }> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const signal = AbortSignal.timeout(60_000)
  for await (const [line] of linesOf(lines, signal)) {
    const entry = JSON.parse(line) as { msg?: string; check?: string; admin?: string }
    if (entry.msg === 'listening' && entry.check && entry.admin) {
      return { check: entry.check, admin: entry.admin }
    }
  }
  throw new Error('the service ended before it listened')
}

async function* linesOf(lines: ReturnType<typeof createInterface>, signal: AbortSignal) {
  for (;;) yield (await once(lines, 'line', { signal })) as [string]
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!(await fetch(`${url}/health/ready`)).ok) {
    if (performance.now() > deadline) throw new Error('the service did not become ready')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
