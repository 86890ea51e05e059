const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

const MAX_YEARS = 5

/**
 * The end of a grant, as ISO 8601 in UTC with milliseconds, or what is wrong with it: it must be an
 * instant with its offset, after `now` (epoch milliseconds) and within five years.
 */
export function readUntil(
  text: string,
  now: number,
): { readonly instant: string } | { readonly fault: string } {
  const time = parseInstant(text)
  if (time === undefined) {
    return { fault: 'must be a time such as 2030-01-31T17:00:00Z, with Z or an offset' }
  }
  if (time <= now) return { fault: 'must lie in the future' }
  const latest = new Date(now)
  latest.setUTCFullYear(latest.getUTCFullYear() + MAX_YEARS)
  if (time > latest.getTime()) return { fault: `must lie within ${MAX_YEARS} years` }
  return { instant: new Date(time).toISOString() }
}

/** Epoch milliseconds of an instant with its offset; undefined for others, also for days that do not exist. */
export function parseInstant(text: string): number | undefined {
  const match = INSTANT.exec(text)
  const time = Date.parse(text)
  if (match === null || Number.isNaN(time)) return undefined
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  // `Date` takes the 30th of February for the 1st or 2nd of March.
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : undefined
}
