/**
 * What can be expected to go wrong, as seen by whoever asked.
 *
 * - `invalid` the question or the request is malformed; `field` names the part
 * - `unauthenticated` / `forbidden` the caller is not known, or lacks the scope
 * - `not-found` the thing named in the path does not exist
 * - `conflict` it exists, but its state does not allow this
 * - `gone` it existed; the revision that a page token stands on is no longer held
 * - `too-large` the request is bigger than the service takes
 * - `rate-limited` this caller asked too often
 * - `overloaded` the service answers nobody in time just now
 * - `not-ready` there is no matrix that may be served: unknown, which is never "denied"
 * - `not-offered` this organisation has no such part of the platform
 * - `store-unavailable` the database cannot be reached or written: nothing was recorded
 * - `upstream-busy` the platform could not be reached or had no room, after all attempts
 * - `upstream-refused` the platform understood and said no
 * - `upstream-broken` the platform answered something that cannot be relied on
 * - `internal` a bug that another thread met; of what it was doing all may have been done, or nothing
 */
export const FAILURE_CODES = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'gone',
  'too-large',
  'rate-limited',
  'overloaded',
  'not-ready',
  'not-offered',
  'store-unavailable',
  'upstream-busy',
  'upstream-refused',
  'upstream-broken',
  'internal',
] as const

export type FailureCode = (typeof FAILURE_CODES)[number]

/** What the platform said, in a form that is safe to log and to show: no headers, no token. */
export type UpstreamAnswer = {
  readonly status: number
  readonly code: string
  readonly correlationId: string
}

/** One of several faults of a request. */
export type Fault = {
  readonly field: string
  readonly message: string
  /** What could stand there instead. */
  readonly suggestion?: string
}

export type FailureDetails = {
  /** The request field at fault, as the caller wrote it: `permission`, `checks/3/userId`. */
  readonly field?: string | undefined
  /** Every fault found, where a request is checked as a whole; a bounded number. */
  readonly faults?: readonly Fault[] | undefined
  /** Seconds after which the same request may succeed. */
  readonly retryAfterSeconds?: number | undefined
  readonly upstream?: UpstreamAnswer | undefined
  /** It may have been done: only looking, later, will tell. */
  readonly undecided?: boolean | undefined
  /** It is certain that nothing came of it, and that nothing will. */
  readonly unexecuted?: boolean | undefined
  readonly cause?: unknown
}

/**
 * The one error type that crosses rooms. A decision is never a `Failure`: denied is an answer.
 * `message` is written for the caller and may be shown; a cause never is.
 */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: FailureCode
  readonly field: string | undefined
  readonly faults: readonly Fault[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly upstream: UpstreamAnswer | undefined
  readonly undecided: boolean
  readonly unexecuted: boolean

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.field = details.field
    this.faults = details.faults
    this.retryAfterSeconds = details.retryAfterSeconds
    this.upstream = details.upstream
    this.undecided = details.undecided ?? false
    this.unexecuted = details.unexecuted ?? false
  }
}
