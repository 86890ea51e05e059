import type { Models } from 'purecloud-platform-client-v2'
import { Failure } from '../domain/failure.ts'
import { parseInstant } from '../domain/instant.ts'
import { INTERVALS_MS, windowsOf, windowText } from '../domain/interval-windows.ts'
import type { IntervalName, Window } from '../domain/interval-windows.ts'
import { isObject } from '../domain/json-shape.ts'
import { needing, readPolicy } from './admin-policy.ts'
import { broken, listIn, objectIn, optionalTextIn, textIn } from './answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'
import { chunksOf } from './find-users.ts'
import type { PlatformClient } from './platform-client.ts'
import { isTooLarge } from './transport-failure.ts'

/** What a metric came to in one interval, for one queue and medium. */
export type QueueAggregate = {
  /** ISO 8601, UTC; the end is not part of the interval. */
  readonly from: string
  readonly to: string
  readonly queueId: string
  readonly mediaType: string
  readonly metric: string
  /** Empty for a metric without one. */
  readonly qualifier: string
  /** Durations are in milliseconds. What a metric does not have is left out. */
  readonly stats: Readonly<Partial<Record<(typeof STATS)[number], number>>>
}

/** Statistics of a metric, in the order of the columns: all of the SDK's `StatisticalSummary`. */
export const STATS = [
  'count',
  'sum',
  'min',
  'max',
  'ratio',
  'numerator',
  'denominator',
  'target',
  'countNegative',
  'countPositive',
  'current',
  'p95',
  'p99',
  'calculatedMetricValue',
] as const

export type AggregateQuestion = {
  readonly range: Window
  readonly interval: IntervalName
  readonly metrics: readonly string[]
  /** Queues to tell of; all when left out. */
  readonly queueIds?: readonly string[] | undefined
  readonly signal: AbortSignal
  readonly onWindow?: (window: Window) => void
}

const DAY_MS = 86_400_000
/** The longest interval of one query that other tools were seen to use without a refusal. */
const MAX_WINDOW_MS = 31 * DAY_MS
/** One answer holds a row for each queue, medium, metric and interval, and is bounded in size. */
const MAX_INTERVALS = 800
/** A query names this many queues; more are several queries. */
const MAX_QUEUES = 100

/** A failure after which the rows that came before are to be used and what follows asked for anew. */
export class IncompleteAggregates extends Failure {
  /** ISO 8601, UTC: all up to here was given out, and nothing after it. */
  readonly completeUntil: string

  constructor(failure: Failure, completeUntil: string) {
    const { code, message, field, faults, retryAfterSeconds, upstream } = failure
    super(code, message, { field, faults, retryAfterSeconds, upstream })
    this.completeUntil = completeUntil
  }
}

/**
 * Conversation aggregates by queue and medium, window by window as they are read; within a window by
 * time, queue, medium and metric. Where nothing happened there is no row. The windows fill the range
 * without gap or overlap, so that what they tell can be added up; one that is too large for the
 * platform is halved. Throws {@link IncompleteAggregates}; with `upstream-broken` for a row that is
 * outside of its window or comes twice.
 */
export async function* queueAggregates(
  client: PlatformClient,
  question: AggregateQuestion,
): AsyncGenerator<readonly QueueAggregate[]> {
  const intervalMs = INTERVALS_MS[question.interval]
  const { range } = question
  let maxMs = Math.min(MAX_WINDOW_MS, MAX_INTERVALS * intervalMs)
  for (let { from } = range; from < range.to;) {
    const [window = range] = windowsOf({ from, to: range.to }, intervalMs, maxMs)
    const rows = await readWindow(client, question, window).catch((error: unknown) => {
      if (isTooLarge(error) && window.to - window.from > intervalMs) return undefined
      if (!(error instanceof Failure)) throw error
      throw new IncompleteAggregates(error, new Date(from).toISOString())
    })
    if (rows === undefined) {
      maxMs = (window.to - window.from) / 2
      continue
    }
    yield rows
    from = window.to
    question.onWindow?.(window)
  }
}

async function readWindow(
  client: PlatformClient,
  question: AggregateQuestion,
  window: Window,
): Promise<readonly QueueAggregate[]> {
  const { queueIds } = question
  const groups = queueIds === undefined ? [undefined] : chunksOf([...new Set(queueIds)], MAX_QUEUES)
  const rows: QueueAggregate[] = []
  for (const ids of groups) {
    const answer = await query(client, question, { window, queueIds: ids })
    rows.push(...rowsIn(answer, window, question))
  }
  const keyed = rows.map((row) => [keyOf(row), row] as const)
  const byKey = new Map(keyed)
  if (byKey.size !== rows.length) throw broken(`aggregates of ${windowText(window)}`, 'a row twice')
  return keyed.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
}

type Part = { readonly window: Window; readonly queueIds: readonly string[] | undefined }

function query(
  client: PlatformClient,
  { interval, metrics, signal }: AggregateQuestion,
  { window, queueIds }: Part,
): Promise<unknown> {
  const predicates = queueIds?.map((value) => ({ type: 'dimension', dimension: 'queueId', value }))
  const body = {
    interval: windowText(window),
    granularity: interval,
    timeZone: 'UTC',
    groupBy: ['queueId', 'mediaType'],
    metrics: [...metrics],
    ...(predicates && { filter: { type: 'or', predicates } }),
  } satisfies Models.ConversationAggregationQuery
  // A query is a POST that changes nothing.
  const policy = { ...readPolicy(signal), idempotent: true }
  const work = client.call(policy, ({ analytics }) =>
    analytics.postAnalyticsConversationsAggregatesQuery(body),
  )
  return needing(client, 'analytics:conversationAggregate:view', work)
}

function rowsIn(answer: unknown, window: Window, question: AggregateQuestion): QueueAggregate[] {
  const where = `aggregates of ${windowText(window)}`
  const envelope = objectIn(answer, where)
  // An answer in which nothing happened was seen without results.
  if (envelope['results'] === undefined && Object.keys(envelope).length === 0) return []
  return listIn(envelope, 'results', where).flatMap((item) => {
    const result = objectIn(item, where)
    const group = objectIn(result['group'], where)
    // What never was in a queue is grouped without one.
    if (group['queueId'] === undefined) return []
    const place = {
      queueId: textIn(group, 'queueId', where),
      mediaType: textIn(group, 'mediaType', where),
    }
    return listIn(result, 'data', where).flatMap((value) => {
      const data = objectIn(value, where)
      const time = timeIn(data, window, question, where)
      return listIn(data, 'metrics', where).map((metric) => ({
        ...time,
        ...place,
        ...metricIn(objectIn(metric, where), question, where),
      }))
    })
  })
}

function timeIn(
  data: JsonObject,
  window: Window,
  { interval }: AggregateQuestion,
  where: string,
): Pick<QueueAggregate, 'from' | 'to'> {
  const parts = textIn(data, 'interval', where).split('/')
  const [from, to] = parts.map((text) => parseInstant(text))
  const lengthMs = INTERVALS_MS[interval]
  if (parts.length !== 2 || from === undefined || to === undefined) {
    throw broken(where, 'an interval that cannot be read')
  }
  const inside = from >= window.from && to <= window.to && (from - window.from) % lengthMs === 0
  if (!inside || to - from !== lengthMs) throw broken(where, 'an interval that was not asked for')
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
}

function metricIn(
  metric: JsonObject,
  { metrics }: AggregateQuestion,
  where: string,
): Pick<QueueAggregate, 'metric' | 'qualifier' | 'stats'> {
  const name = textIn(metric, 'metric', where)
  if (!metrics.includes(name)) throw broken(where, 'a metric that was not asked for')
  const stats = metric['stats']
  if (!isObject(stats)) throw broken(where, `no "stats" of ${name}`)
  const known = STATS.flatMap((stat): [string, number][] => {
    const value = stats[stat]
    if (value === undefined || value === null) return []
    if (typeof value !== 'number') throw broken(where, `a "${stat}" of ${name} that is no number`)
    return [[stat, value]]
  })
  const qualifier = optionalTextIn(metric, 'qualifier', where)
  return { metric: name, qualifier, stats: Object.fromEntries(known) }
}

function keyOf({ from, queueId, mediaType, metric, qualifier }: QueueAggregate): string {
  return JSON.stringify([from, queueId, mediaType, metric, qualifier])
}

/** The names of metrics are checked by the platform; this is what they have to look like. */
export function readMetrics(names: readonly string[]): readonly string[] {
  const wrong = names.find((name) => !/^[a-z][A-Za-z0-9]{1,60}$/.test(name))
  if (wrong === undefined) return [...new Set(names)]
  throw new Failure('invalid', 'a metric has a name such as nOffered or tHandle', {
    field: 'metric',
  })
}
