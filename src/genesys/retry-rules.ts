import type { Exchange } from './exchange.ts'
import type { RequestOutcome, RetryCause } from './upstream-event.ts'

/** An exchange, or the timeout that ended it. */
export type Outcome = Exchange | { readonly kind: 'timeout' }

/** Waiting longer than this for the platform is not worth it: the caller is told instead. */
export const MAX_RETRY_AFTER_SECONDS = 180

const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 30_000

/** Statuses after which the platform has not executed the request, although it may do so later. */
const UNEXECUTED_STATUSES = new Set([429, 503])
/** The one refusal that says nothing of what was done. */
const REQUEST_TIMEOUT = 408

/**
 * Whether it is certain that the platform has not executed a request that ended so: it was never
 * sent, had no room, or was refused.
 */
export function isUnexecuted(outcome: Outcome): boolean {
  if (outcome.kind === 'network') return outcome.unsent
  if (outcome.kind !== 'answered') return false
  const { status } = outcome
  if (UNEXECUTED_STATUSES.has(status)) return true
  return status >= 400 && status < 500 && status !== REQUEST_TIMEOUT
}

/**
 * Why an exchange may be tried again; undefined when it may not. A write that is not idempotent is
 * repeated only where the platform cannot have executed it.
 *
 * @param conflictPasses true for a write to which a 409 can only mean another write at that moment
 */
export function retryCause(
  outcome: Outcome,
  repeatable: boolean,
  conflictPasses = false,
): RetryCause | undefined {
  if (conflictPasses && outcome.kind === 'answered' && outcome.status === 409) return '409'
  const cause = causeOf(outcome)
  return repeatable || isUnexecuted(outcome) ? cause : undefined
}

function causeOf(outcome: Outcome): RetryCause | undefined {
  // The same question has the same answer.
  if (outcome.kind === 'malformed' && outcome.oversized === true) return undefined
  if (outcome.kind !== 'answered') return outcome.kind
  const { status } = outcome
  if (status === 429) return '429'
  if (status === 408) return 'timeout'
  return status >= 500 && status !== 501 ? '5xx' : undefined
}

/** How the metrics call an outcome. */
export function outcomeName(outcome: Outcome): RequestOutcome {
  if (outcome.kind !== 'answered') return outcome.kind
  const { status } = outcome
  switch (status) {
    case 400:
    case 401:
    case 403:
    case 404:
    case 409:
    case 429:
      return `${status}`
  }
  if (status < 300) return '2xx'
  if (status < 400) return '3xx'
  return status < 500 ? '4xx' : '5xx'
}

/** Exponential backoff with full jitter: milliseconds before attempt `attempt + 1`. */
export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1))
  return Math.round(ceiling * random())
}
