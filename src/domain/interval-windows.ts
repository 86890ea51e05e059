import { Failure } from './failure.ts'
import { parseInstant } from './instant.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Lengths that figures can be added up over, as ISO 8601 durations. All are in UTC: a day has 24 h. */
export const INTERVALS_MS = {
  PT15M: 15 * MINUTE_MS,
  PT30M: 30 * MINUTE_MS,
  PT1H: HOUR_MS,
  PT2H: 2 * HOUR_MS,
  PT4H: 4 * HOUR_MS,
  PT6H: 6 * HOUR_MS,
  PT12H: 12 * HOUR_MS,
  P1D: DAY_MS,
  P7D: 7 * DAY_MS,
} as const
export type IntervalName = keyof typeof INTERVALS_MS

/** From and to, the end excluded, in epoch milliseconds. */
export type Window = { readonly from: number; readonly to: number }

/** Longer ranges are a mistake more often than a question. */
const MAX_RANGE_MS = 3 * 366 * DAY_MS
const DATE = /^\d{4}-\d\d-\d\d$/

/**
 * A range of time that whole intervals fill. Each end is an instant with its offset, or a date, which
 * is its midnight in UTC. Throws `invalid`: intervals of up to a day begin at its multiples from
 * midnight UTC, longer ones at a midnight, so that no interval is counted in part.
 */
export function readRange(from: string, to: string, interval: IntervalName): Window {
  const range = { from: readEnd(from, 'from'), to: readEnd(to, 'to') }
  const lengthMs = INTERVALS_MS[interval]
  const stepMs = Math.min(lengthMs, DAY_MS)
  for (const end of ['from', 'to'] as const) {
    if (range[end] % stepMs === 0) continue
    const near = [Math.floor, Math.ceil].map((round) => iso(round(range[end] / stepMs) * stepMs))
    const message = `${end} is not where an interval ${interval} begins: use ${near.join(' or ')}`
    throw new Failure('invalid', message, { field: end })
  }
  if (range.to <= range.from) {
    throw new Failure('invalid', 'to must lie after from', { field: 'to' })
  }
  if (range.to - range.from > MAX_RANGE_MS) {
    throw new Failure('invalid', 'a range may span at most three years', { field: 'to' })
  }
  if ((range.to - range.from) % lengthMs !== 0) {
    const message = `intervals ${interval} do not fill the range from ${from} to ${to}`
    throw new Failure('invalid', message, { field: 'to' })
  }
  return range
}

/**
 * Splits a range into windows of whole intervals, none longer than `maxMs` unless a single interval
 * is, each beginning where the one before ends.
 */
export function* windowsOf(range: Window, intervalMs: number, maxMs: number): Generator<Window> {
  const lengthMs = Math.max(1, Math.floor(maxMs / intervalMs)) * intervalMs
  for (let from = range.from; from < range.to; from += lengthMs) {
    yield { from, to: Math.min(from + lengthMs, range.to) }
  }
}

/** As the platform writes a range: `2026-01-01T00:00:00.000Z/2026-02-01T00:00:00.000Z`. */
export function windowText({ from, to }: Window): string {
  return `${iso(from)}/${iso(to)}`
}

function readEnd(text: string, field: string): number {
  const time = parseInstant(DATE.test(text) ? `${text}T00:00:00Z` : text)
  if (time !== undefined) return time
  const message = `${field} must be a date such as 2026-01-31, or a time with Z or an offset`
  throw new Failure('invalid', message, { field })
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
