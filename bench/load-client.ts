import { connect } from 'node:net'
import type { Socket } from 'node:net'

/**
 * Load over plain sockets, in a process of its own: as little work for each request as Node allows,
 * so that the server and not the client is what is measured. Bounded in connections and time.
 *
 * Sent by the parent: {@link LoadOrder}. Sent back: {@link LoadReport}.
 */
export type LoadOrder = {
  readonly port: number
  /** Whole requests, head and body; connections take them in turn. */
  readonly requests: readonly string[]
  readonly connections: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Requests a second over all connections; 0 for as many as get answered. */
  readonly rate: number
}

export type LoadReport = {
  readonly answered: number
  /** Warm-up included. */
  readonly answeredInAll: number
  readonly seconds: number
  /** Answers that were not 200. */
  readonly failed: number
  /** Milliseconds from sending to the whole answer; only with a rate. */
  readonly latency?: { readonly p50: number; readonly p99: number; readonly max: number }
}

type Counters = {
  answered: number
  answeredInAll: number
  failed: number
  measuring: boolean
  latencies: number[]
}

const OK = Buffer.from('HTTP/1.1 200 ')
const HEAD_END = Buffer.from('\r\n\r\n')

process.on('message', (order: LoadOrder) => {
  void reportOn(order)
})

async function reportOn(order: LoadOrder): Promise<void> {
  process.send?.(await run(order))
  process.disconnect()
}

async function run(order: LoadOrder): Promise<LoadReport> {
  const counters: Counters = {
    answered: 0,
    answeredInAll: 0,
    failed: 0,
    measuring: false,
    latencies: [],
  }
  const requests = order.requests.map((text) => Buffer.from(text))
  const state = { stopped: false, next: 0 }
  const takeRequest = (): Buffer => requests[state.next++ % requests.length] as Buffer
  const lanes = await Promise.all(
    Array.from({ length: order.connections }, () => openLane(order.port, counters)),
  )
  const drive = order.rate > 0 ? drivePaced : driveFlatOut
  const ended = drive(lanes, order, takeRequest, state)
  await wait(order.warmUpMs)
  counters.measuring = true
  const start = performance.now()
  await wait(order.measureMs)
  counters.measuring = false
  const seconds = (performance.now() - start) / 1_000
  state.stopped = true
  await ended
  for (const lane of lanes) lane.socket.destroy()
  const { answered, answeredInAll, failed } = counters
  return {
    answered,
    answeredInAll,
    failed,
    seconds,
    ...(order.rate > 0 ? { latency: quantiles(counters) } : {}),
  }
}

type Lane = {
  readonly socket: Socket
  /** Calls back when the answer is complete. `sentAt` is 0 when nobody asks how long it took. */
  send(request: Buffer, sentAt: number, answered: () => void): void
}

async function openLane(port: number, counters: Counters): Promise<Lane> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let done: (() => void) | undefined
  let sentAt = 0
  let missing = -1
  let pending: Buffer | undefined
  socket.on('data', (chunk: Buffer) => {
    if (missing < 0) {
      const head = pending ? Buffer.concat([pending, chunk]) : chunk
      const end = head.indexOf(HEAD_END)
      if (end < 0) {
        pending = head
        return
      }
      pending = undefined
      if (head.compare(OK, 0, OK.length, 0, OK.length) !== 0) counters.failed += 1
      missing =
        contentLength(head.toString('latin1', 0, end)) - (head.length - end - HEAD_END.length)
    } else missing -= chunk.length
    if (missing > 0) return
    missing = -1
    counters.answeredInAll += 1
    if (counters.measuring) {
      counters.answered += 1
      if (sentAt > 0) counters.latencies.push(performance.now() - sentAt)
    }
    done?.()
  })
  return {
    socket,
    send(request, at, answered) {
      done = answered
      sentAt = at
      socket.write(request)
    },
  }
}

function contentLength(head: string): number {
  return Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
}

type Drive = (
  lanes: readonly Lane[],
  order: LoadOrder,
  takeRequest: () => Buffer,
  state: { readonly stopped: boolean },
) => Promise<void>

/** Every lane sends its next request as soon as it has its answer. */
const driveFlatOut: Drive = async (lanes, _order, takeRequest, state) => {
  await Promise.all(
    lanes.map(
      (lane) =>
        new Promise<void>((resolve) => {
          const again = (): void => {
            if (state.stopped) resolve()
            else lane.send(takeRequest(), 0, again)
          }
          again()
        }),
    ),
  )
}

/**
 * A steady rate: every millisecond what has become due is sent, whether or not the answers to
 * earlier requests are there. With enough lanes nobody waits for one, and latency is the server's.
 */
const drivePaced: Drive = async (lanes, order, takeRequest, state) => {
  const free = [...lanes]
  const start = performance.now()
  let sent = 0
  while (!state.stopped) {
    await wait(1)
    const due = ((performance.now() - start) * order.rate) / 1_000
    while (sent < due && free.length > 0) {
      sent += 1
      const lane = free.pop() as Lane
      lane.send(takeRequest(), performance.now(), () => free.push(lane))
    }
    // What found no lane is not made up for later: a burst of it would measure the client.
    if (free.length === 0) sent = Math.ceil(due)
  }
}

function quantiles(counters: Counters): { p50: number; p99: number; max: number } {
  const sorted = Float64Array.from(counters.latencies).sort()
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
