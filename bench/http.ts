import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Facts } from '../src/domain/facts.ts'
import { permissionName } from '../src/domain/permission.ts'
import type { LoadOrder } from './load-client.ts'
import { FULL_SIZE, generateFacts } from './organization.ts'
import {
  median,
  nextMessage,
  runLoad,
  SERVER_CORE,
  startProcess,
  stopProcess,
} from './processes.ts'
import { pick, seededRandom } from './random.ts'
import { CHECK_KEY, placeSnapshot, startServiceProcess } from './service-process.ts'

const ROUNDS = 5
const BATCH_SIZE = 1_000
const HEADERS = `host: 127.0.0.1\r\nauthorization: Bearer ${CHECK_KEY}\r\n`

export type HttpFigures = {
  /** Requests a second, medians of alternating runs. */
  readonly bare: number
  readonly single: number
  /** Decisions a second. */
  readonly batchFull: number
  readonly batchCompact: number
}

/**
 * Over HTTP on one thread, the server pinned to one core and the load to the other: the service as
 * it runs in production, from a snapshot of 100,000 users, against a bare Fastify route.
 */
export async function measureHttp(): Promise<HttpFigures> {
  const facts = generateFacts(FULL_SIZE)
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  await placeSnapshot(dataDir, facts)
  const bare = startProcess('bare-server.ts', { core: SERVER_CORE })
  const { port: barePort } = await nextMessage<{ port: number }>(bare)
  const service = await startServiceProcess(dataDir, { core: SERVER_CORE })
  const singles = singleRequests(facts)
  const port = service.checkPort
  const orders: Record<keyof HttpFigures, LoadOrder> = {
    bare: order(barePort, singles),
    single: order(port, singles),
    batchFull: order(port, fullBatches(facts), 4),
    batchCompact: order(port, compactBatches(facts), 4),
  }
  try {
    return await alternate(orders)
  } finally {
    await stopProcess(bare)
    await stopProcess(service.child)
    await rm(dataDir, { recursive: true, force: true })
  }
}

function order(port: number, requests: readonly string[], connections = 32): LoadOrder {
  return { port, requests, connections, warmUpMs: 1_000, measureMs: 3_000, rate: 0 }
}

async function alternate(orders: Record<keyof HttpFigures, LoadOrder>): Promise<HttpFigures> {
  const names = Object.keys(orders) as (keyof HttpFigures)[]
  const rates = new Map(names.map((name) => [name, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const { answered, failed, seconds } = await runLoad(orders[name])
      if (failed > 0) throw new Error(`${failed} requests of ${name} were not answered 200`)
      rates.get(name)?.push(answered / seconds)
    }
  }
  const rate = (name: keyof HttpFigures): number => median(rates.get(name) ?? [])
  return {
    bare: rate('bare'),
    single: rate('single'),
    batchFull: rate('batchFull') * BATCH_SIZE,
    batchCompact: rate('batchCompact') * BATCH_SIZE,
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
