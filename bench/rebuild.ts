import { mkdtemp, rm } from 'node:fs/promises'
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadOrder } from './load-client.ts'
import type { HeldReport } from './loop-probe.ts'
import { median, nextMessage, runLoad, startProcess, stopProcess } from './processes.ts'
import { ADMIN_KEY, CHECK_KEY, startServiceProcess } from './service-process.ts'
import type { ServiceProcess } from './service-process.ts'
import { READ_CLIENT } from './simulator-clients.ts'
import type { RequestReport, SimulatorReady } from './simulator-process.ts'
import { processorTime, stolenShare } from './stolen-time.ts'

const USERS = 100_000
const REQUESTS_PER_MINUTE = 3_000
const WINDOWS = 5
const IDLE_WINDOW_MS = 6_000
const CHECKS_PER_SECOND = 1_000
const POLL_MS = 250
const MAX_TURNED_AWAY = 20
/** Beyond that share a slice tells of the host, not of the service: stalls, and the backlog after. */
const MAX_STOLEN_SHARE = 0.03
/** In place of windows that the host disturbed others are measured, for so long in all. */
const MAX_MS = 40 * 60_000

export type RebuildFigures = {
  readonly users: number
  readonly rebuildSeconds: number
  /** Requests of one rebuild, logins included, and the least that the facts' pages need. */
  readonly requests: number
  readonly pages: number
  /** 99th percentile in milliseconds at a steady thousand checks a second, median of windows. */
  readonly p99Idle: number
  readonly p99Rebuilding: number
  /** Longest time that the main thread's event loop was late, milliseconds, median of windows. */
  readonly lateIdleMs: number
  readonly lateRebuildingMs: number
  /** Longest time that its own work held the main thread's event loop, milliseconds, likewise. */
  readonly heldIdleMs: number
  readonly heldRebuildingMs: number
  /** Checks answered 503 as overloaded, in all windows. */
  readonly turnedAway: number
  /** Windows that were measured anew because the host took the cores meanwhile. */
  readonly disturbed: number
}

/**
 * What a rebuild of 100,000 users costs those who check meanwhile. The simulator, the service and
 * the load are processes apart; windows without and with a rebuild alternate, the latter from its
 * start to its end.
 */
export async function measureRebuild(): Promise<RebuildFigures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  const args = [String(USERS), String(REQUESTS_PER_MINUTE)]
  const simulator = startProcess('simulator-process.ts', { args })
  const world = await nextMessage<SimulatorReady>(simulator)
  const service = await startServiceProcess(dataDir, {
    env: {
      GENESYS_CLIENT_ID: READ_CLIENT.id,
      GENESYS_CLIENT_SECRET: READ_CLIENT.secret,
      GENESYS_BASE_URL: world.url,
      GENESYS_REQUESTS_PER_MINUTE: String(REQUESTS_PER_MINUTE),
      REBUILD_CRON: '0 0 1 1 *',
    },
    probed: true,
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

async function measure(
  simulator: ChildProcess,
  service: ServiceProcess,
  world: SimulatorReady,
): Promise<RebuildFigures> {
  const requests: number[] = []
  const windows: { idle: Window[]; rebuilding: Window[] } = { idle: [], rebuilding: [] }
  const seconds: number[] = []
  let disturbed = 0
  const deadline = performance.now() + MAX_MS
  while (windows.idle.length < WINDOWS) {
    if (performance.now() > deadline) {
      throw new Error(`the host disturbed ${disturbed} windows: there is no figure`)
    }
    const idle = await measureWindow(service, world, delay(IDLE_WINDOW_MS))
    if (!idle) {
      disturbed += 1
      continue
    }
    // Counts anew: the start asked for more than a rebuild does.
    await requestCount(simulator)
    const started = performance.now()
    const rebuilt = runRebuild(service)
    const rebuilding = await measureWindow(service, world, rebuilt)
    await rebuilt
    seconds.push((performance.now() - started) / 1_000)
    requests.push(await requestCount(simulator))
    if (!rebuilding) {
      disturbed += 1
      continue
    }
    windows.idle.push(idle)
    windows.rebuilding.push(rebuilding)
  }
  const of = (list: readonly Window[], figure: keyof Window): number =>
    median(list.map((window) => window[figure]))
  return {
    users: USERS,
    rebuildSeconds: median(seconds),
    requests: median(requests),
    pages: world.pages,
    p99Idle: of(windows.idle, 'p99'),
    p99Rebuilding: of(windows.rebuilding, 'p99'),
    lateIdleMs: of(windows.idle, 'lateMs'),
    lateRebuildingMs: of(windows.rebuilding, 'lateMs'),
    heldIdleMs: of(windows.idle, 'heldMs'),
    heldRebuildingMs: of(windows.rebuilding, 'heldMs'),
    turnedAway: [...windows.idle, ...windows.rebuilding]
      .map((window) => window.turnedAway)
      .reduce((sum, count) => sum + count, 0),
    disturbed,
  }
}

type Window = {
  readonly p99: number
  readonly lateMs: number
  readonly heldMs: number
  readonly turnedAway: number
}

/**
 * One window: load until `end`, in slices of which those count that the host left alone; undefined
 * when it disturbed most of them, or the end, where a rebuild publishes.
 */
async function measureWindow(
  service: ServiceProcess,
  world: SimulatorReady,
  end: Promise<unknown>,
): Promise<Window | undefined> {
  const window = { over: false }
  const over = (): void => {
    window.over = true
  }
  // How it ended is its owner's to say, who has the processes to stop.
  end.then(over, over)
  const slices: (Window | undefined)[] = []
  while (!window.over) slices.push(await measureSlice(service, world))
  const quiet = slices.filter((slice) => slice !== undefined)
  const atEnd = slices.slice(-2).every((slice) => slice !== undefined)
  if (quiet.length * 2 < slices.length || !atEnd) return undefined
  return {
    p99: median(quiet.map((slice) => slice.p99)),
    lateMs: Math.max(...quiet.map((slice) => slice.lateMs)),
    heldMs: Math.max(...quiet.map((slice) => slice.heldMs)),
    turnedAway: quiet.reduce((sum, slice) => sum + slice.turnedAway, 0),
  }
}

/** Some seconds of load; undefined when the host took the cores meanwhile. */
async function measureSlice(
  service: ServiceProcess,
  world: SimulatorReady,
): Promise<Window | undefined> {
  await latestDelay(service)
  await longestHold(service)
  const before = processorTime()
  const { latency, failed } = await runLoad(pacedOrder(service, world))
  if (!latency) throw new Error('the load reported no latency')
  const lateMs = await latestDelay(service)
  const heldMs = await longestHold(service)
  if (stolenShare(before) > MAX_STOLEN_SHARE) return undefined
  return { p99: latency.p99, lateMs, heldMs, turnedAway: failed }
}

function pacedOrder(service: ServiceProcess, world: SimulatorReady): LoadOrder {
  const headers = `host: 127.0.0.1\r\nauthorization: Bearer ${CHECK_KEY}\r\n`
  const requests = world.userIds.map((userId, i) => {
    const permission = world.permissions[i % world.permissions.length] ?? ''
    const path = `/check-permission?userId=${userId}&permission=${permission}`
    return `GET ${path} HTTP/1.1\r\n${headers}\r\n`
  })
  return {
    port: service.checkPort,
    requests,
    connections: 256,
    warmUpMs: 500,
    measureMs: 5_000,
    rate: CHECKS_PER_SECOND,
  }
}

async function requestCount(simulator: ChildProcess): Promise<number> {
  const answer = nextMessage<RequestReport>(simulator)
  simulator.send('requests')
  return (await answer).requests
}

async function runRebuild(service: ServiceProcess): Promise<void> {
  const { id } = (await admin(service, 'rebuilds', { method: 'POST' })) as { id: string }
  for (;;) {
    const { state, error } = (await admin(service, `rebuilds/${id}`)) as {
      state: string
      error?: string
    }
    if (state === 'succeeded') return
    if (state !== 'running') throw new Error(`the rebuild ${state}: ${error}`)
    await delay(POLL_MS)
  }
}

async function admin(
  service: ServiceProcess,
  path: string,
  init: RequestInit = {},
): Promise<unknown> {
  const ask = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${service.adminPort}/admin/v1/${path}`, {
      ...init,
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
    })
  let response = await ask()
  // Overloaded, as the load's own answers are counted: asked again, a few times.
  for (let attempt = 0; response.status === 503 && attempt < MAX_TURNED_AWAY; attempt++) {
    await delay(POLL_MS)
    response = await ask()
  }
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return await response.json()
}

/** Milliseconds that the main thread's own work held its event loop at most since it was asked last. */
async function longestHold({ child }: ServiceProcess): Promise<number> {
  const answer = nextMessage<HeldReport>(child)
  child.send('held')
  return (await answer).heldMs
}

/** Milliseconds that the event loop was late at most since the scrape before. */
async function latestDelay(service: ServiceProcess): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${service.adminPort}/metrics`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
  })
  const text = await response.text()
  const found = /event_loop_delay_seconds\{quantile="1"\} ([\d.e-]+)/.exec(text)
  return Number(found?.[1] ?? NaN) * 1_000
}
