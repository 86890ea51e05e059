import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Facts } from '../src/domain/facts.ts'
import { permissionName } from '../src/domain/permission.ts'
import type { LoadOrder } from './load-client.ts'
import { FULL_SIZE, generateFacts } from './organization.ts'
import {
  cpuSeconds,
  median,
  nextMessage,
  runLoad,
  SERVER_CORE,
  startProcess,
  stopProcess,
} from './processes.ts'
import { pick, seededRandom } from './random.ts'
import { CHECK_KEY, placeSnapshot, startServiceProcess } from './service-process.ts'

/** Short and many: what else the machine does then falls on both sides alike. */
export const ROUNDS = 15
const MEASURE_MS = 1_000
export const BATCH_SIZE = 1_000
export const HEADERS = `host: 127.0.0.1\r\nauthorization: Bearer ${CHECK_KEY}\r\n`

export type HttpFigures = {
  /** Requests a second of the server's processor time, medians of alternating runs. */
  readonly bare: number
  readonly single: number
  /** Medians of the ratios within a round: what is compared ran within seconds of each other. */
  readonly singleToBare: number
  /** Decisions a second against single checks. */
  readonly batchFullToSingle: number
  readonly batchCompactToSingle: number
}

type Candidate = 'bare' | 'single' | 'batchFull' | 'batchCompact'

/**
 * Over HTTP on one thread, the server pinned to one core and the load to the other: the service as
 * it runs in production, from a snapshot of 100,000 users, against a bare Fastify route.
 */
export async function measureHttp(): Promise<HttpFigures> {
  const facts = generateFacts(FULL_SIZE)
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  await placeSnapshot(dataDir, facts)
  const bare = startProcess('bare-server.ts', {
    nodeArgs: ['--no-parallel-scavenge'],
    core: SERVER_CORE,
  })
  const { port: barePort } = await nextMessage<{ port: number }>(bare)
  const service = await startServiceProcess(dataDir, { core: SERVER_CORE })
  const singles = singleRequests(facts)
  const port = service.checkPort
  const { pid } = service.child
  const orders: Record<Candidate, Target> = {
    bare: { order: order(barePort, singles), pid: bare.pid },
    single: { order: order(port, singles), pid },
    batchFull: { order: order(port, fullBatches(facts), 4), pid },
    batchCompact: { order: order(port, compactBatches(facts), 4), pid },
  }
  try {
    return await alternate(orders)
  } finally {
    await stopProcess(bare)
    await stopProcess(service.child)
    await rm(dataDir, { recursive: true, force: true })
  }
}

export function order(port: number, requests: readonly string[], connections = 32): LoadOrder {
  return { port, requests, connections, warmUpMs: 300, measureMs: MEASURE_MS, rate: 0 }
}

export type Target = { readonly order: LoadOrder; readonly pid: number | undefined }

async function alternate(orders: Readonly<Record<Candidate, Target>>): Promise<HttpFigures> {
  const rounds: Record<Candidate, number>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      bare: await requestRate(orders.bare),
      single: await requestRate(orders.single),
      batchFull: (await requestRate(orders.batchFull)) * BATCH_SIZE,
      batchCompact: (await requestRate(orders.batchCompact)) * BATCH_SIZE,
    })
  }
  const of = (figure: (round: Record<Candidate, number>) => number): number =>
    median(rounds.map(figure))
  return {
    bare: of((round) => round.bare),
    single: of((round) => round.single),
    singleToBare: of((round) => round.single / round.bare),
    batchFullToSingle: of((round) => round.batchFull / round.single),
    batchCompactToSingle: of((round) => round.batchCompact / round.single),
  }
}

const MAX_RUNS = 5

/**
 * Requests a second of the server's processor time: on a core of its own that is its throughput,
 * and where something else uses the core too it still is what the server would reach.
 */
export async function requestRate({ order, pid }: Target): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const before = cpuSeconds(pid)
    const { answered, answeredInAll, failed, seconds } = await runLoad(order)
    const after = cpuSeconds(pid)
    if (failed <= answeredInAll / 1_000) {
      if (before === undefined || after === undefined) return answered / seconds
      return answeredInAll / (after - before)
    }
    // Where the machine stalls, the service rightly calls itself overloaded for a moment. Such a run
    // says nothing, and is made anew; what fails always is found out.
    if (attempt === MAX_RUNS) throw new Error(`${failed} requests were not answered 200`)
  }
}

export function singleRequests(facts: Facts, count = 2_000): string[] {
  const random = seededRandom(3)
  return times(count, () => {
    const { userId, permission } = question(facts, random)
    const path = `/check-permission?userId=${userId}&permission=${permission}`
    return `GET ${path} HTTP/1.1\r\n${HEADERS}\r\n`
  })
}

function fullBatches(facts: Facts): string[] {
  const random = seededRandom(4)
  return times(50, () =>
    post(JSON.stringify({ checks: times(BATCH_SIZE, () => question(facts, random)) })),
  )
}

function compactBatches(facts: Facts): string[] {
  const random = seededRandom(5)
  return times(50, () => {
    const { userId } = question(facts, random)
    const permissions = times(BATCH_SIZE, () => question(facts, random).permission)
    return post(JSON.stringify({ userId, permissions }))
  })
}

function question(facts: Facts, random: () => number): { userId: string; permission: string } {
  const { id: userId } = pick(facts.subjects, random)
  return { userId, permission: permissionName(pick(facts.permissions, random)) }
}

function post(body: string): string {
  const length = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  return `POST /api/v1/check-permissions HTTP/1.1\r\n${HEADERS}${length}\r\n${body}`
}

function times<Item>(count: number, make: () => Item): Item[] {
  return Array.from({ length: count }, make)
}
