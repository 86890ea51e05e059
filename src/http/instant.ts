import { Failure } from '../domain/failure.ts'
import { parseInstant } from '../domain/instant.ts'

const DATE = /^\d{4}-\d{2}-\d{2}$/
/** No instant that is written as {@link readInstant} takes it is longer. */
export const MAX_INSTANT_LENGTH = 40

/**
 * A date (its first moment in UTC) or an instant with its offset, as ISO 8601 in UTC with
 * milliseconds. Throws `invalid` that names the field for others, also for days that do not exist.
 */
export function readInstant(text: string, field: string): string {
  const time = parseInstant(DATE.test(text) ? `${text}T00:00Z` : text)
  if (time === undefined) {
    const message = `${field} must be a date (2026-11-21) or an instant (2026-11-21T12:00:00Z)`
    throw new Failure('invalid', message, { field })
  }
  return new Date(time).toISOString()
}

/** Both ends of a period as {@link readInstant} reads them; `from` must come before `to`. */
export function readPeriod(period: {
  readonly from?: string | undefined
  readonly to?: string | undefined
}): { readonly from?: string; readonly to?: string } {
  const from = period.from === undefined ? undefined : readInstant(period.from, 'from')
  const to = period.to === undefined ? undefined : readInstant(period.to, 'to')
  if (from !== undefined && to !== undefined && from >= to) {
    throw new Failure('invalid', 'to must be later than from', { field: 'to' })
  }
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}
