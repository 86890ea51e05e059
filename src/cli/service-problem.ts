import { Failure, FAILURE_CODES } from '../domain/failure.ts'
import type { FailureCode, FailureDetails, Fault, UpstreamAnswer } from '../domain/failure.ts'

export type Plane = 'check' | 'admin'

const TYPE_PREFIX = 'urn:genesys-permission-check:problem:'

/** What the service says no with, in its own codes. A bug there says nothing of the request. */
const CODES: ReadonlySet<string> = new Set(FAILURE_CODES.filter((code) => code !== 'internal'))

/** Characters of a text in an error answer that are shown: whoever answers decides what stands there. */
const MAX_TEXT = 1_000
const MAX_FAULTS = 1_000
/** What the service's router says: it stands at another path, or this is the other plane. */
const NO_SUCH_PATH = 'there is no such path'

/** Why the service did not do it, and the request id under which its log tells more. */
export class ServiceProblem extends Failure {
  readonly requestId: string

  constructor(code: FailureCode, message: string, details: FailureDetails, requestId: string) {
    super(code, message, details)
    this.requestId = requestId
  }
}

/** An answer that is no success. */
export type ErrorAnswer = {
  readonly status: number
  readonly body: unknown
  readonly retryAfter: string | undefined
  readonly location: string | undefined
  readonly contentType: string | undefined
}

/** Who was asked, and under which id. */
export type AskedAt = {
  readonly plane: Plane
  readonly origin: string
  readonly requestId: string
}

/**
 * An error answer (RFC 9457 of the service, or whatever stands before it) as a failure. What is not
 * of the shape that the service gives it is left out: a gateway answers as it likes.
 */
export function problemOf(answer: ErrorAnswer, at: AskedAt): ServiceProblem {
  const { type, title, detail, field, errors, retryAfterSeconds, upstream } = membersOf(answer.body)
  const name = typeof type === 'string' ? type.replace(TYPE_PREFIX, '') : ''
  const told = CODES.has(name) ? (name as FailureCode) : undefined
  const isElsewhere = told === 'not-found' && detail === NO_SUCH_PATH
  // Another command mends nothing there: the URL is wrong.
  const code = told === undefined || isElsewhere ? codeOfStatus(answer.status) : told
  const seconds = Number(retryAfterSeconds ?? (answer.retryAfter || NaN))
  const details = {
    field: textOf(field),
    faults: Array.isArray(errors) ? faultsOf(errors) : undefined,
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : undefined,
    upstream: upstreamOf(upstream),
  }
  const said = textOf(detail) ?? textOf(title) ?? `${at.origin} answered ${answer.status}`
  const next = advice(code, at, answer)
  const message = next === undefined ? said : `${said}: ${next}`
  return new ServiceProblem(code, message, details, at.requestId)
}

type Members = Readonly<Record<string, unknown>>

function membersOf(body: unknown): Members {
  return typeof body === 'object' && body !== null ? (body as Members) : {}
}

/** A text that says something, bounded. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
}

function faultsOf(errors: readonly unknown[]): readonly Fault[] | undefined {
  const faults = errors.slice(0, MAX_FAULTS).flatMap((each): readonly Fault[] => {
    const { field, message, suggestion } = membersOf(each)
    const text = textOf(message)
    if (typeof field !== 'string' || text === undefined) return []
    const instead = textOf(suggestion)
    const fault = { field: textOf(field) ?? '', message: text }
    return [instead === undefined ? fault : { ...fault, suggestion: instead }]
  })
  return faults.length > 0 ? faults : undefined
}

function upstreamOf(value: unknown): UpstreamAnswer | undefined {
  const { status, code, correlationId } = membersOf(value)
  if (typeof status !== 'number') return undefined
  return { status, code: textOf(code) ?? '', correlationId: textOf(correlationId) ?? '' }
}

/** Where no problem says more: a proxy answered, or a path that the service does not have. */
function codeOfStatus(status: number): FailureCode {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 413) return 'too-large'
  if (status === 429) return 'rate-limited'
  return status === 502 || status === 503 || status === 504 ? 'upstream-busy' : 'upstream-broken'
}

/** What to do next, where the service cannot know it. */
function advice(code: FailureCode, { plane }: AskedAt, answer: ErrorAnswer): string | undefined {
  const url = `PERMCTL_${plane.toUpperCase()}_URL`
  const key = `PERMCTL_${plane.toUpperCase()}_KEY`
  switch (code) {
    case 'unauthenticated':
      return `is ${key} a key of the ${plane} plane, and ${url} its URL?`
    case 'forbidden':
      return `the key in ${key} must have the scope`
    case 'not-ready':
      return '`permctl health` says how it stands, `permctl rebuild` reads the organisation anew'
    case 'gone':
      return 'run the command again'
    case 'rate-limited':
    case 'overloaded':
      return 'wait a little, then run the command again'
    case 'upstream-broken':
      return adviceOnAddress(url, plane, answer)
    default:
      return undefined
  }
}

function adviceOnAddress(
  url: string,
  plane: Plane,
  { status, location, contentType }: ErrorAnswer,
): string | undefined {
  if (status >= 300 && status < 400) {
    const target = textOf(location)
    const where = target === undefined ? 'elsewhere' : `to ${target}`
    return `it leads ${where}, and a redirect is not followed with a key: set ${url} to the URL of the ${plane} plane itself`
  }
  if (status === 404 || status === 405) {
    const other = plane === 'admin' ? 'check' : 'admin'
    return `is ${url} the URL of the ${plane} plane, not of the ${other} plane, with the right path at its end?`
  }
  // As proxies say that TLS was expected.
  if (status === 400) return `does something else stand there, or is it https? Look at ${url}`
  if (status === 500) return 'the log of the service says more under the request id'
  return contentType?.includes('html')
    ? `a web page came: does ${url} lead to the service?`
    : undefined
}
