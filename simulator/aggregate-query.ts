import { METRICS } from './aggregate-metrics.ts'
import { badRequest, invalidValue, PlatformError } from './platform-error.ts'
import { list, object, optionalText, text, texts, word } from './request-body.ts'

/** The dimensions that the simulator has; the platform has some hundred more. */
const DIMENSIONS = ['queueId', 'mediaType', 'divisionId', 'direction'] as const

type Dimension = (typeof DIMENSIONS)[number]

export type DimensionValues = Readonly<Record<Dimension, string>>

export interface AggregateQuery {
  readonly fromMs: number
  /** Not included. */
  readonly toMs: number
  /** The length of each part; the whole interval when no granularity is given. */
  readonly partMs: number
  readonly groupBy: readonly Dimension[]
  readonly metrics: readonly string[]
  readonly admits: (values: DimensionValues) => boolean
}

type Body = Readonly<Record<string, unknown>>
type Test = (values: DimensionValues) => boolean

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/
const DURATION = /^P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?)?$/

/** Without an offset, UTC is meant. */
function readInstant(given: string): number {
  const [, offset] = INSTANT.exec(given) ?? [undefined, undefined]
  const ms = INSTANT.test(given) ? Date.parse(offset === undefined ? `${given}Z` : given) : NaN
  if (!Number.isNaN(ms)) return ms
  const message =
    'Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ'
  throw new PlatformError(400, 'invalid.date', message)
}

function readInterval(body: Body, maxDays: number): { fromMs: number; toMs: number } {
  const given = text(body, 'interval')
  const parts = given.split('/')
  const [from = '', to = ''] = parts
  if (parts.length !== 2) throw invalidValue('interval', given, 'two instants, joined by /')
  const [fromMs, toMs] = [readInstant(from), readInstant(to)]
  if (toMs <= fromMs) throw badRequest('The interval has to end after it starts.')
  if (toMs - fromMs > maxDays * DAY_MS) {
    throw badRequest(`The interval is longer than ${maxDays} days.`)
  }
  return { fromMs, toMs }
}

function readGranularity(body: Body): number | undefined {
  const given = optionalText(body, 'granularity')
  if (given === undefined) return undefined
  const found = DURATION.exec(given)
  const [weeks, days, hours, minutes] = [1, 2, 3, 4].map((at) => Number(found?.[at] ?? 0))
  const allDays = (weeks ?? 0) * 7 + (days ?? 0)
  const ms = allDays * DAY_MS + ((hours ?? 0) * 60 + (minutes ?? 0)) * MINUTE_MS
  if (ms > 0) return ms
  throw invalidValue('granularity', given, 'a duration such as PT30M or P1D')
}

function dimension(name: string): Dimension {
  const found = DIMENSIONS.find((candidate) => candidate === name)
  if (found !== undefined) return found
  throw invalidValue('dimension', name, DIMENSIONS.join(', '))
}

function readPredicate(given: unknown): Test {
  const predicate = object(given)
  const type = optionalText(predicate, 'type') ?? 'dimension'
  if (type !== 'dimension') throw invalidValue('type', type, 'dimension')
  const field = dimension(text(predicate, 'dimension'))
  const operator = optionalText(predicate, 'operator') ?? 'matches'
  if (operator === 'exists') return () => true
  if (operator === 'notExists') return () => false
  if (operator !== 'matches') {
    throw invalidValue('operator', operator, 'matches, exists, notExists')
  }
  const value = text(predicate, 'value')
  return (values) => values[field] === value
}

function optionalList(body: Body, field: string): readonly unknown[] {
  return body[field] === undefined || body[field] === null ? [] : list(body[field], field)
}

/** Clauses and predicates, joined by the type of the filter or clause that they stand in. */
function readFilter(given: unknown, depth = 0): Test {
  const filter = object(given)
  const type = word(filter, 'type', ['and', 'or'])
  const clauses = depth > 0 ? [] : optionalList(filter, 'clauses')
  const tests = [
    ...clauses.map((clause) => readFilter(clause, depth + 1)),
    ...optionalList(filter, 'predicates').map(readPredicate),
  ]
  if (tests.length === 0) throw badRequest('A filter needs clauses or predicates.')
  return type === 'and'
    ? (values) => tests.every((test) => test(values))
    : (values) => tests.some((test) => test(values))
}

function readMetrics(body: Body): string[] {
  const metrics = texts(body, 'metrics')
  if (metrics.length === 0) throw badRequest('A query needs at least one metric.')
  const unknown = metrics.find((metric) => !METRICS.includes(metric))
  if (unknown !== undefined) throw invalidValue('metrics', unknown, METRICS.join(', '))
  return [...new Set(metrics)]
}

/** What would change the answer and is not simulated is refused, never passed over. */
function refuseUnsimulated(body: Body): void {
  for (const field of ['views', 'alternateTimeDimension', 'queryType', 'sortMetric', 'limit']) {
    if (body[field] !== undefined && body[field] !== null) {
      throw badRequest(`The simulator does not have ${field}.`)
    }
  }
  const timeZone = optionalText(body, 'timeZone') ?? 'UTC'
  if (!['UTC', 'Etc/UTC', 'Z'].includes(timeZone)) throw invalidValue('timeZone', timeZone, 'UTC')
}

/** A conversation aggregate query; `maxDays` is the longest interval. */
export function readAggregateQuery(given: unknown, maxDays: number): AggregateQuery {
  const body = object(given)
  const { fromMs, toMs } = readInterval(body, maxDays)
  refuseUnsimulated(body)
  const filter = body['filter']
  return {
    fromMs,
    toMs,
    partMs: readGranularity(body) ?? toMs - fromMs,
    groupBy: body['groupBy'] === undefined ? [] : texts(body, 'groupBy').map(dimension),
    metrics: readMetrics(body),
    admits: filter === undefined || filter === null ? () => true : readFilter(filter),
  }
}
