import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { nextMessage, startProcess, stopProcess } from './processes.ts'
import { ADMIN_KEY, startServiceProcess } from './service-process.ts'
import type { ServiceProcess } from './service-process.ts'
import { READ_CLIENT, WRITE_CLIENT } from './simulator-clients.ts'
import type { RequestReport, SimulatorReady } from './simulator-process.ts'

/** As many as a rebuild at the start can read within a minute. */
const ORGANIZATION_USERS = 2_000
const CHANGED_USERS = 200
/** One before the write, one reading back. */
const READS_PER_USER = 2
const WRITES_PER_USER = 1
/** Four times what the platform grants a client: a slow service would show all the sooner. */
const REQUESTS_PER_MINUTE = 1_000
/** What a client's budget gives at once when nothing was sent for a while; see `genesys/budget.ts`. */
const BURST = 10
const MAX_MS = 5 * 60_000
const POLL_MS = 250

export type RoleChangeFigures = {
  readonly users: number
  /** From sending the batch to its recorded end. */
  readonly seconds: number
  readonly leastSeconds: number
  /** That the simulator had meanwhile, logins included, and how many the users need. */
  readonly requests: number
  readonly neededRequests: number
}

/**
 * How long one batch of 200 users takes with both clients' budgets at the platform's limit. Service
 * and simulator are processes apart; each change is of one grant, and shows at once.
 */
export async function measureRoleChanges(): Promise<RoleChangeFigures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  const args = [String(ORGANIZATION_USERS), String(REQUESTS_PER_MINUTE)]
  const simulator = startProcess('simulator-process.ts', { args })
  let service: ServiceProcess | undefined
  try {
    const world = await nextMessage<SimulatorReady>(simulator)
    service = await startServiceProcess(dataDir, {
      env: {
        GENESYS_CLIENT_ID: READ_CLIENT.id,
        GENESYS_CLIENT_SECRET: READ_CLIENT.secret,
        GENESYS_WRITE_CLIENT_ID: WRITE_CLIENT.id,
        GENESYS_WRITE_CLIENT_SECRET: WRITE_CLIENT.secret,
        GENESYS_BASE_URL: world.url,
        GENESYS_REQUESTS_PER_MINUTE: String(REQUESTS_PER_MINUTE),
        REBUILD_CRON: '0 0 1 1 *',
      },
      readyWithinMs: MAX_MS,
    })
    return await measure(simulator, service, world)
  } finally {
    if (service) await stopProcess(service.child)
    await stopProcess(simulator)
    await rm(dataDir, { recursive: true, force: true })
  }
}

/**
 * The reads' share of the budget takes longest. The burst that the budget has saved up costs no
 * time; everything beyond it comes at the rate at which the budget fills up again, which is what is
 * left of the minute's number. That is less than dividing the requests by the limit gives.
 */
function leastSeconds(): number {
  const requests = CHANGED_USERS * Math.max(READS_PER_USER, WRITES_PER_USER)
  return (requests - BURST) / ((REQUESTS_PER_MINUTE - BURST) / 60)
}

async function measure(
  simulator: ChildProcess,
  service: ServiceProcess,
  { grantable }: SimulatorReady,
): Promise<RoleChangeFigures> {
  await untilIdle(service)
  await requestReport(simulator)
  const { roleId, divisionId } = grantable
  const users = grantable.userIds.slice(0, CHANGED_USERS)
  const updates = users.map((userId) => ({ userId, grant: [{ roleId, divisionId }] }))
  const sentAt = Date.now()
  const accepted = await admin<Batch>(service, 'role-changes', { updates, force: false })
  const ended = await untilAtRest(service, accepted.id)
  const { requests, byStatus } = await requestReport(simulator)
  if (ended.state !== 'succeeded' || ended.counts['applied'] !== CHANGED_USERS) {
    throw new Error(`the batch ${ended.state}: ${JSON.stringify(ended.counts)}`)
  }
  if (byStatus[429] !== undefined) throw new Error(`${byStatus[429]} requests were answered 429`)
  return {
    users: users.length,
    seconds: (Date.parse(ended.finishedAt ?? '') - sentAt) / 1_000,
    leastSeconds: leastSeconds(),
    requests,
    neededRequests: CHANGED_USERS * (READS_PER_USER + WRITES_PER_USER),
  }
}

/** Until the rebuild at the start has ended and the budget is what it is after a quiet while. */
async function untilIdle(service: ServiceProcess): Promise<void> {
  const start = performance.now()
  while ((await admin<{ runningRebuild?: unknown }>(service, 'matrix')).runningRebuild) {
    if (performance.now() - start > MAX_MS) throw new Error('the rebuild does not end')
    await delay(POLL_MS)
  }
  await delay((2 * BURST * 60_000) / REQUESTS_PER_MINUTE)
}

type Batch = {
  readonly id: string
  readonly state: string
  readonly counts: Readonly<Record<string, number>>
  readonly finishedAt?: string
}

async function untilAtRest(service: ServiceProcess, id: string): Promise<Batch> {
  const start = performance.now()
  for (;;) {
    const batch = await admin<Batch>(service, `role-changes/${id}?limit=1`)
    if (batch.finishedAt !== undefined) return batch
    if (performance.now() - start > MAX_MS) throw new Error(`the batch is still ${batch.state}`)
    await delay(POLL_MS)
  }
}

async function requestReport(simulator: ChildProcess): Promise<RequestReport> {
  const answer = nextMessage<RequestReport>(simulator)
  simulator.send('requests')
  return await answer
}

async function admin<Answer>(
  { adminPort }: ServiceProcess,
  path: string,
  body?: object,
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/admin/v1/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}
