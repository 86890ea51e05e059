import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { readRange } from '../../src/domain/interval-windows.ts'
import type { IntervalName } from '../../src/domain/interval-windows.ts'
import { IncompleteAggregates, queueAggregates } from '../../src/genesys/queue-aggregates.ts'
import type { AggregateQuestion, QueueAggregate } from '../../src/genesys/queue-aggregates.ts'
import type { Platform } from '../../src/genesys/platform-client.ts'
import { openUnderTest } from './platform-under-test.ts'

const { queues } = SMALL_WORLD
const { signal } = new AbortController()
const PATH = '/api/v2/analytics/conversations/aggregates/query'

function question(
  from: string,
  to: string,
  interval: IntervalName,
  more: Partial<AggregateQuestion> = {},
): AggregateQuestion {
  const range = readRange(from, to, interval)
  return { range, interval, metrics: ['nOffered', 'tHandle'], signal, ...more }
}

async function rowsOf(
  { read }: Platform,
  asked: AggregateQuestion,
): Promise<readonly QueueAggregate[]> {
  const rows: QueueAggregate[] = []
  for await (const some of queueAggregates(read, asked)) rows.push(...some)
  return rows
}

/** What a metric comes to over all rows, by queue and medium. */
function totals(rows: readonly QueueAggregate[], stat: 'count' | 'sum'): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { queueId, mediaType, metric, stats } of rows) {
    const key = `${queueId} ${mediaType} ${metric}`
    sums[key] = (sums[key] ?? 0) + (stats[stat] ?? 0)
  }
  return sums
}

test('windows add up to the whole, whatever their interval', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const days = await rowsOf(platform, question('2026-01-01', '2026-04-01', 'P1D'))
  t.equal(simulator.requests.of(`POST ${PATH}`), 3)
  simulator.requests.reset()
  const halfHours = await rowsOf(platform, question('2026-01-01', '2026-04-01', 'PT30M'))
  t.equal(simulator.requests.of(`POST ${PATH}`), Math.ceil((90 * 48) / 800))
  t.ok(halfHours.length > days.length)
  t.ok(Object.keys(totals(days, 'count')).length >= 6)
  for (const stat of ['count', 'sum'] as const) {
    t.same(totals(halfHours, stat), totals(days, stat))
  }
})

test('rows come in the order of time, each once', async (t) => {
  await using context = await openUnderTest()
  const rows = await rowsOf(context.platform, question('2026-01-01', '2026-01-03', 'PT1H'))
  const times = rows.map(({ from }) => from)
  t.same(times, times.toSorted())
  t.equal(new Set(rows.map((row) => JSON.stringify({ ...row, stats: null }))).size, rows.length)
})

test('only the queues that were asked for are told of', async (t) => {
  await using context = await openUnderTest()
  const asked = question('2026-01-01', '2026-01-08', 'P7D', { queueIds: [queues.support] })
  const rows = await rowsOf(context.platform, asked)
  t.same(new Set(rows.map(({ queueId }) => queueId)), new Set([queues.support]))
})

test('a window is given out before the next one is read', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const rows = queueAggregates(platform.read, question('2026-01-01', '2026-04-01', 'P1D'))
  await rows.next()
  t.equal(simulator.requests.of(`POST ${PATH}`), 1)
  await rows.return(undefined)
})

test('a query whose answer was lost is sent again; one that is no answer is not relied on', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const asked = question('2026-01-01', '2026-01-02', 'P1D')
  const expected = await rowsOf(platform, asked)
  for (const kind of ['lost-answer', 'malformed-body', 'reset'] as const) {
    simulator.faults.add({ match: { path: PATH }, kind, times: 1 })
    t.same(await rowsOf(platform, asked), expected, kind)
  }
  simulator.faults.add({ match: { path: PATH }, kind: 'drop-field', field: 'results', times: 1 })
  t.same(await rowsOf(platform, asked), [])
})

test('a metric that the platform does not have is refused in its words', async (t) => {
  await using context = await openUnderTest()
  const asked = question('2026-01-01', '2026-01-02', 'P1D', { metrics: ['nMade'] })
  await t.rejects(rowsOf(context.platform, asked), {
    code: 'upstream-refused',
    message: /nMade/,
    upstream: { status: 400 },
  })
})

test('a window that is too large for the platform is halved', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const asked = question('2026-01-01', '2026-01-08', 'P1D')
  const expected = await rowsOf(platform, asked)
  const tooLarge = [{ status: 413 }, { status: 400, code: 'response.entity.too.large' }]
  for (const refusal of tooLarge) {
    simulator.requests.reset()
    simulator.faults.clear()
    simulator.faults.add({ match: { path: PATH }, kind: 'status', times: 2, ...refusal })
    t.same(await rowsOf(platform, asked), expected)
    // Seven days, three, then one by one.
    t.equal(simulator.requests.of(`POST ${PATH}`), 2 + 7)
  }
  simulator.faults.clear()
  simulator.faults.add({ match: { path: PATH }, kind: 'status', status: 413 })
  await t.rejects(rowsOf(platform, asked), { code: 'upstream-refused', upstream: { status: 413 } })
})

test('a failure tells up to where the rows are complete', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  simulator.faults.add({ match: { path: PATH }, kind: 'status', status: 403, after: 1 })
  const rows: QueueAggregate[] = []
  const read = async (): Promise<void> => {
    const asked = question('2026-01-01', '2026-04-01', 'P1D')
    for await (const some of queueAggregates(platform.read, asked)) rows.push(...some)
  }
  const error = await read().catch((reason: unknown) => reason)
  t.ok(error instanceof IncompleteAggregates)
  const upstream = { status: 403 }
  t.match(error, { code: 'upstream-refused', completeUntil: '2026-02-01T00:00:00.000Z', upstream })
  t.ok(rows.every(({ to }) => to <= '2026-02-01T00:00:00.000Z'))
})
