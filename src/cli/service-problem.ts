import { Failure } from '../domain/failure.ts'
import type { FailureCode, FailureDetails, Fault, UpstreamAnswer } from '../domain/failure.ts'

export type Plane = 'check' | 'admin'

const TYPE_PREFIX = 'urn:genesys-permission-check:problem:'

/** What the service says no with, in its own codes. */
const CODES: ReadonlySet<string> = new Set<FailureCode>([
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
])

/** Why the service did not do it, and the request id under which its log tells more. */
export class ServiceProblem extends Failure {
  readonly requestId: string

  constructor(code: FailureCode, message: string, details: FailureDetails, requestId: string) {
    super(code, message, details)
    this.requestId = requestId
  }
}

/** An error answer (RFC 9457 of the service, or whatever stands before it) as a failure. */
export function problemOf(
  answer: {
    readonly status: number
    readonly body: unknown
    readonly retryAfter: string | undefined
  },
  at: { readonly plane: Plane; readonly origin: string; readonly requestId: string },
): ServiceProblem {
  const body = (typeof answer.body === 'object' && answer.body) || {}
  const { type, title, detail, field, errors, retryAfterSeconds, upstream } = body as Problem
  const name = typeof type === 'string' ? type.replace(TYPE_PREFIX, '') : ''
  const code = CODES.has(name) ? (name as FailureCode) : codeOfStatus(answer.status)
  const what = [detail, title].find((text) => typeof text === 'string' && text !== '')
  const seconds = Number(retryAfterSeconds ?? (answer.retryAfter || NaN))
  const details = {
    field: typeof field === 'string' ? field : undefined,
    faults: Array.isArray(errors) ? (errors as Fault[]) : undefined,
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : undefined,
    upstream: upstream as UpstreamAnswer | undefined,
  }
  const said = (what as string | undefined) ?? `${at.origin} answered ${answer.status}`
  const next = advice(code, at.plane, answer.status)
  return new ServiceProblem(
    code,
    next === undefined ? said : `${said}: ${next}`,
    details,
    at.requestId,
  )
}

type Problem = {
  readonly type?: unknown
  readonly title?: unknown
  readonly detail?: unknown
  readonly field?: unknown
  readonly errors?: unknown
  readonly retryAfterSeconds?: unknown
  readonly upstream?: unknown
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
function advice(code: FailureCode, plane: Plane, status: number): string | undefined {
  const upper = plane.toUpperCase()
  switch (code) {
    case 'unauthenticated':
      return `is PERMCTL_${upper}_KEY a key of the ${plane} plane, and PERMCTL_${upper}_URL its URL?`
    case 'forbidden':
      return `the key in PERMCTL_${upper}_KEY must have the scope`
    case 'not-ready':
      return '`permctl health` says how it stands, `permctl rebuild` reads the organisation anew'
    case 'gone':
      return 'run the command again'
    case 'rate-limited':
    case 'overloaded':
      return 'wait a little, then run the command again'
    case 'upstream-broken':
      if (status === 500) return 'the log of the service says more under the request id'
      return status === 404 ? `is PERMCTL_${upper}_URL the URL of the ${plane} plane?` : undefined
    default:
      return undefined
  }
}
