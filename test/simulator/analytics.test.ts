import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import { ANALYTICS_PERMISSIONS, READ_PERMISSIONS } from '../../simulator/simulated-client.ts'
import { smallWorld, SMALL_WORLD } from '../../simulator/small-world.ts'
import { type Caller, callerOf, startCaller } from './caller.ts'
import { vendorSdk } from './vendor-sdk.ts'

const { queues, divisions } = SMALL_WORLD
const AGGREGATES = '/api/v2/analytics/conversations/aggregates/query'
const METRICS = [
  ...['nOffered', 'nConnected', 'nOverSla', 'tAnswered', 'tAbandon', 'tHandle', 'tTalk'],
  ...['tHeld', 'tAcw', 'tWait', 'oServiceLevel'],
]
const WEEK = '2026-03-02T00:00:00.000Z/2026-03-09T00:00:00.000Z'

interface Stats {
  count?: number
  sum?: number
  min?: number
  max?: number
  ratio?: number
  numerator?: number
  denominator?: number
  target?: number
}

interface Result {
  group: Record<string, string>
  data: { interval: string; metrics: { metric: string; stats: Stats }[] }[]
}

async function ask(caller: Caller, query: object): Promise<Result[]> {
  const { status, body } = await caller.send('POST', AGGREGATES, query)
  if (status !== 200) throw new Error(`${status} ${body.message}`)
  return body.results
}

/** Counts and sums by queue, medium and metric, added over all intervals of all answers. */
function totals(results: readonly Result[]): Record<string, number> {
  const found: Record<string, number> = {}
  const add = (key: string, value: number | undefined): void => {
    if (value !== undefined) found[key] = (found[key] ?? 0) + value
  }
  for (const { group, data } of results) {
    for (const { metric, stats } of data.flatMap(({ metrics }) => metrics)) {
      const key = `${group['queueId']} ${group['mediaType']} ${metric}`
      for (const name of ['count', 'sum', 'numerator', 'denominator'] as const) {
        add(`${key} ${name}`, stats[name])
      }
    }
  }
  return Object.fromEntries(Object.entries(found).toSorted())
}

function total(results: readonly Result[], metric: string, name: 'count' | 'sum'): number {
  const entries = Object.entries(totals(results))
  return entries
    .filter(([key]) => key.endsWith(` ${metric} ${name}`))
    .reduce((sum, [, value]) => sum + value, 0)
}

test('windows that meet add up to the whole', async (t) => {
  const caller = await startCaller(t)
  const query = { groupBy: ['queueId'], metrics: METRICS }
  const whole = await ask(caller, { ...query, interval: WEEK })
  t.ok(total(whole, 'nOffered', 'count') > 500, 'there is something to add')

  const edges = ['02T00:00', '03T10:17', '03T10:18', '06T12:30', '09T00:00']
  const windows = edges.slice(1).map((to, at) => `2026-03-${edges[at]}Z/2026-03-${to}Z`)
  const parts = await Promise.all(windows.map((interval) => ask(caller, { ...query, interval })))
  t.strictSame(totals(parts.flat()), totals(whole))

  const halfHours = await ask(caller, { ...query, interval: WEEK, granularity: 'PT30M' })
  t.strictSame(totals(halfHours), totals(whole))
  t.strictSame(await ask(caller, { ...query, interval: WEEK }), whole, 'and again the same')
})

test('metrics agree with each other', async (t) => {
  const caller = await startCaller(t)
  const results = await ask(caller, { interval: WEEK, groupBy: ['queueId'], metrics: METRICS })
  const count = (metric: string) => total(results, metric, 'count')
  const sum = (metric: string) => total(results, metric, 'sum')
  t.equal(count('tAnswered') + count('tAbandon'), count('nOffered'))
  t.equal(sum('tAnswered') + sum('tAbandon'), sum('tWait'))
  t.equal(count('nConnected'), count('tHandle'))
  t.equal(sum('tTalk') + sum('tHeld') + sum('tAcw'), sum('tHandle'))
  for (const { data } of results) {
    for (const { metric, stats } of data.flatMap(({ metrics }) => metrics)) {
      if (metric === 'oServiceLevel') {
        t.equal(stats.ratio, (stats.numerator ?? 0) / (stats.denominator ?? 0))
        t.equal(stats.target, 0.8)
      } else if (metric.startsWith('t')) {
        const { min = 0, max = 0, sum: all = 0, count: of = 0 } = stats
        t.ok(min <= all / of && all / of <= max, metric)
      }
    }
  }
})

test('granularity cuts the interval from its start', async (t) => {
  const caller = await startCaller(t)
  const query = { metrics: ['nOffered'], filter: voiceOf(queues.sales) }
  const interval = '2026-03-02T08:15:00Z/2026-03-02T10:00:00Z'
  const [found] = await ask(caller, { ...query, interval, granularity: 'PT30M' })
  t.strictSame(
    found?.data.map((part) => part.interval),
    [
      '2026-03-02T08:15:00.000Z/2026-03-02T08:45:00.000Z',
      '2026-03-02T08:45:00.000Z/2026-03-02T09:15:00.000Z',
      '2026-03-02T09:15:00.000Z/2026-03-02T09:45:00.000Z',
      '2026-03-02T09:45:00.000Z/2026-03-02T10:00:00.000Z',
    ],
  )
  const [days] = await ask(caller, { ...query, interval: WEEK, granularity: 'P1D' })
  t.equal(days?.data.length, 7)
  const offset = '2026-03-02T09:15:00+01:00/2026-03-02T11:00+01:00'
  t.strictSame(await ask(caller, { ...query, interval: offset, granularity: 'PT30M' }), [found])
})

function matches(dimension: string, value: string): object {
  return { type: 'dimension', dimension, operator: 'matches', value }
}

function voiceOf(...ids: readonly string[]): object {
  return {
    type: 'and',
    predicates: [matches('mediaType', 'voice')],
    clauses: [{ type: 'or', predicates: ids.map((id) => matches('queueId', id)) }],
  }
}

test('filters and groups choose', async (t) => {
  const caller = await startCaller(t)
  const query = { interval: WEEK, metrics: ['nOffered'] }
  const two = await ask(caller, {
    ...query,
    groupBy: ['queueId', 'divisionId'],
    filter: voiceOf(queues.sales, queues.support),
  })
  t.strictSame(
    two.map(({ group }) => group),
    [
      { mediaType: 'voice', queueId: queues.sales, divisionId: divisions.sales },
      { mediaType: 'voice', queueId: queues.support, divisionId: divisions.support },
    ],
  )
  const all = await ask(caller, { ...query, groupBy: ['queueId'] })
  t.ok(all.length > 3, 'several media')
  const ungrouped = await ask(caller, query)
  t.strictSame(Object.keys(ungrouped[0]?.group ?? {}), ['mediaType'])
  t.equal(total(ungrouped, 'nOffered', 'count'), total(all, 'nOffered', 'count'))
  t.strictSame(await ask(caller, { ...query, filter: voiceOf('none') }), [])
  const silent = await ask(caller, { ...query, metrics: ['nError', 'nOffered'] })
  t.strictSame(totals(silent), totals(ungrouped), 'a metric without a value is left out')
})

test('queries are refused for what is wrong with them', async (t) => {
  const caller = await startCaller(t, { maxAggregateDays: 31 })
  const sound = { interval: WEEK, metrics: ['nOffered'] }
  const refusals: readonly (readonly [object, string])[] = [
    [{ ...sound, interval: '2026-01-01T00:00Z/2026-02-01T00:01Z' }, 'bad.request'],
    [{ ...sound, interval: '2026-01-02T00:00Z/2026-01-01T00:00Z' }, 'bad.request'],
    [{ ...sound, interval: '2026-01-02T00:00Z/P1D' }, 'invalid.date'],
    [{ ...sound, interval: '2026-01-02' }, 'invalid.value'],
    [{ ...sound, interval: '2026-13-02T00:00Z/2026-14-02T00:00Z' }, 'invalid.date'],
    [{ metrics: ['nOffered'] }, 'invalid.value'],
    [{ ...sound, granularity: 'half an hour' }, 'invalid.value'],
    [{ ...sound, granularity: 'PT0M' }, 'invalid.value'],
    [{ ...sound, metrics: [] }, 'bad.request'],
    [{ ...sound, metrics: ['nOfferred'] }, 'invalid.value'],
    [{ ...sound, groupBy: ['weather'] }, 'invalid.value'],
    [{ ...sound, filter: { type: 'and' } }, 'bad.request'],
    [{ ...sound, filter: { type: 'xor', predicates: [] } }, 'invalid.value'],
    [{ ...sound, timeZone: 'Europe/Berlin' }, 'invalid.value'],
    [{ ...sound, views: [] }, 'bad.request'],
  ]
  for (const [query, code] of refusals) {
    const { status, body } = await caller.send('POST', AGGREGATES, query)
    t.match([status, body.code], [400, code], JSON.stringify(query))
  }
  const longest = { ...sound, interval: '2026-01-01T00:00Z/2026-02-01T00:00Z' }
  t.equal((await caller.send('POST', AGGREGATES, longest)).status, 200)
})

test('aggregates ask for their right and meet faults', async (t) => {
  const clients = [
    { id: 'reader', secret: 's', name: 'Reader', permissions: READ_PERMISSIONS },
    { id: 'analyst', secret: 's', name: 'Analyst', permissions: ANALYTICS_PERMISSIONS },
  ]
  const simulator = await startSimulator({ world: smallWorld(), clients })
  t.teardown(() => simulator.close())
  const [reader, analyst] = clients.map((client) => callerOf(simulator, client))
  const post = (caller: Caller | undefined) =>
    caller?.send('POST', AGGREGATES, { interval: WEEK, metrics: ['nOffered'] })
  const refused = await post(reader)
  t.equal(refused?.status, 403)
  t.equal(refused?.body.messageParams.permissions, '[analytics:conversationAggregate:view]')
  t.equal((await post(analyst))?.status, 200)
  const match = { path: AGGREGATES }
  simulator.faults.add({ match, kind: 'status', status: 429, retryAfterSeconds: 1, times: 1 })
  t.equal((await post(analyst))?.headers.get('retry-after'), '1')
  simulator.faults.add({ match, kind: 'truncate-page', times: 1 })
  const [short, whole] = [await post(analyst), await post(analyst)]
  t.ok(short?.body.results.length < whole?.body.results.length)
  simulator.faults.add({ match, kind: 'malformed-body', times: 1 })
  t.equal((await post(analyst))?.body, undefined)
})

test('the vendor’s SDK asks for aggregates', async (t) => {
  const caller = await startCaller(t)
  const { analytics } = await vendorSdk(caller.simulator)
  const query = { interval: WEEK, granularity: 'P1D', groupBy: ['queueId'], metrics: METRICS }
  const answer = await analytics.postAnalyticsConversationsAggregatesQuery(query)
  t.strictSame(answer.results, await ask(caller, query))
  t.ok((answer.results ?? []).length > 0)
})
