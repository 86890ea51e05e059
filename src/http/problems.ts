import { STATUS_CODES } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { RefusedLogins } from './refused-logins.ts'
import { AUTHZEN_PATH, requestIdOf } from './request-id.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { validationFailure } from './validation-failure.ts'

/** Where failure codes meet HTTP, and nowhere else. */
const STATUS: Record<FailureCode, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  gone: 410,
  'too-large': 413,
  'rate-limited': 429,
  overloaded: 503,
  'not-ready': 503,
  'not-offered': 501,
  'store-unavailable': 503,
  'upstream-busy': 503,
  'upstream-refused': 502,
  'upstream-broken': 502,
  internal: 500,
}

const TITLES: Record<FailureCode, string> = {
  invalid: 'The request is malformed',
  unauthenticated: 'The caller is not known',
  forbidden: 'The caller lacks a scope',
  'not-found': 'There is no such thing',
  conflict: 'Its state does not allow this',
  gone: 'It is no longer held',
  'too-large': 'The request is too large',
  'rate-limited': 'Too many requests of this caller',
  overloaded: 'The service is overloaded',
  'not-ready': 'The answer is not known yet',
  'not-offered': 'This organisation does not offer it',
  'store-unavailable': 'The database cannot be reached',
  'upstream-busy': 'An upstream service could not be reached',
  'upstream-refused': 'An upstream service refused',
  'upstream-broken': 'An upstream service answered something unusable',
  internal: 'Something went wrong here',
}

/** When what is not known yet is worth asking again, where the failure does not say. */
const NOT_READY_RETRY_SECONDS = 5

const TYPE_PREFIX = 'urn:genesys-permission-check:problem:'

/** RFC 9457. `detail` and what follows it are there for expected failures only, never for bugs. */
export type ProblemBody = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly instance?: string
  readonly field?: string
  readonly errors?: Failure['faults']
  readonly retryAfterSeconds?: number
  readonly upstream?: Failure['upstream']
}

/** A refusal that is HTTP's own and has no meaning in the domain. */
type ProtocolRefusal = { readonly code: string; readonly title: string; readonly status: number }

const METHOD_NOT_ALLOWED: ProtocolRefusal = {
  code: 'method-not-allowed',
  title: 'The path exists, but not with this method',
  status: 405,
}
const UNSUPPORTED_MEDIA_TYPE: ProtocolRefusal = {
  code: 'unsupported-media-type',
  title: 'The body is of a type that is not understood',
  status: 415,
}

const EXPECTATION_FAILED: ProtocolRefusal = {
  code: 'expectation-failed',
  title: 'What the request expects cannot be met',
  status: 417,
}

/** A bug: of what went wrong nothing is said. */
const INTERNAL: ProblemBody = {
  type: `${TYPE_PREFIX}internal`,
  title: TITLES.internal,
  status: STATUS.internal,
}

/** What problems need of the plane they occur on. */
export type ProblemDeps = {
  readonly plane: 'check' | 'admin'
  readonly metrics: Pick<Metrics, 'failed' | 'answered'>
  readonly logger: Pick<Logger, 'error'>
  /** Is told of every request that is refused for its credentials or scopes. */
  readonly refusedLogins?: Pick<RefusedLogins, 'note'> | undefined
  /** The `WWW-Authenticate` schemes that the plane understands. */
  readonly challenges: readonly ('Bearer' | 'Basic')[]
}

/** The error handler of a plane: every failure leaves through here, is counted, and nothing leaks. */
export function problemHandler(deps: ProblemDeps) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const failure = error instanceof Failure ? error : expectedFailure(error)
    if (failure === UNSUPPORTED_MEDIA_TYPE) {
      deps.metrics.failed(deps.plane, 'invalid')
      const detail = `the body must be ${bodyTypes(request).join(' or ')}`
      return sendProblem(request, reply, { ...described(UNSUPPORTED_MEDIA_TYPE), detail })
    }
    if (!(failure instanceof Failure) || failure.code === 'internal') {
      deps.metrics.failed(deps.plane, 'internal')
      deps.logger.error({ err: error, requestId: request.id }, 'a request failed unexpectedly')
      return sendProblem(request, reply, INTERNAL)
    }
    deps.metrics.failed(deps.plane, failure.code)
    if (failure.code === 'unauthenticated' || failure.code === 'forbidden') {
      deps.refusedLogins?.note(deps.plane, failure.code, request.ip)
    }
    if (failure.code === 'unauthenticated') challenge(deps, request, reply)
    const problem = problemOf(failure)
    if (problem.retryAfterSeconds !== undefined) {
      reply.header('retry-after', Math.max(1, Math.ceil(problem.retryAfterSeconds)))
    }
    sendProblem(request, reply, problem)
  }
}

/** What a route takes: JSON, unless its schema names types. */
function bodyTypes(request: FastifyRequest): readonly string[] {
  const { content } = (request.routeOptions.schema?.body ?? {}) as { readonly content?: object }
  return content ? Object.keys(content) : ['application/json']
}

/** The body for a failure, without `instance`. */
function problemOf(failure: Failure): ProblemBody {
  const { code, message, field, faults, upstream } = failure
  const retryAfterSeconds =
    failure.retryAfterSeconds ?? (code === 'not-ready' ? NOT_READY_RETRY_SECONDS : undefined)
  return {
    type: TYPE_PREFIX + code,
    title: TITLES[code],
    status: STATUS[code],
    detail: message,
    ...(field === undefined ? {} : { field }),
    ...(faults === undefined ? {} : { errors: faults }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(upstream === undefined ? {} : { upstream }),
  }
}

/** Answers 405 for a path that exists with other methods. */
export function sendMethodNotAllowed(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly string[],
): void {
  const allow = allowed.join(', ')
  reply.header('allow', allow)
  const detail = `${request.method} is not supported here; supported: ${allow}`
  sendProblem(request, reply, { ...described(METHOD_NOT_ALLOWED), detail })
}

function described({ code, title, status }: ProtocolRefusal): ProblemBody {
  return { type: TYPE_PREFIX + code, title, status }
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ProblemBody): void {
  // There errors are as the standard has them: a message (Authorization API 1.0, 10.1.2).
  if (AUTHZEN_PATH.test(request.url)) return sendMessage(reply, problem)
  const { type, title, status, detail, ...rest } = problem
  const body = { type, title, status, detail, instance: request.id, ...rest }
  // A string passes by the route's response schema, which may not know this status.
  void reply.code(status).type('application/problem+json').send(JSON.stringify(body))
}

function sendMessage(reply: FastifyReply, { status, title, detail }: ProblemBody): void {
  // The standard has no word for a body of another type but that the request is bad.
  const code = status === UNSUPPORTED_MEDIA_TYPE.status ? 400 : status
  const message = detail ?? title
  void reply.code(code).type('text/plain; charset=utf-8').send(message)
}

function challenge(deps: ProblemDeps, request: FastifyRequest, reply: FastifyReply): void {
  const realm = 'realm="genesys-permission-check"'
  const given = request.headers.authorization === undefined ? '' : ', error="invalid_token"'
  const challenges = deps.challenges.map((scheme) => {
    return scheme === 'Bearer' ? `Bearer ${realm}${given}` : `Basic ${realm}, charset="UTF-8"`
  })
  reply.header('www-authenticate', challenges.length === 1 ? challenges[0] : challenges)
}

/** What Fastify throws about a request, as a failure; undefined for what is a bug. */
function expectedFailure(error: unknown): Failure | ProtocolRefusal | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, statusCode, validation, validationContext } = error as FastifyError
  if (validation) return validationFailure(validation, validationContext)
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Failure('too-large', 'the body is larger than this route takes')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return UNSUPPORTED_MEDIA_TYPE
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new Failure('invalid', 'the body is not valid JSON')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Failure('invalid', 'the body is not as long as Content-Length says')
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Failure('invalid', 'the path is not a valid URL path')
    case 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE':
      return new Failure('invalid', 'a request of this method must have a Content-Type')
    default:
  }
  if (statusCode !== 400) return undefined
  // The JSON parser's own errors; the others are of connections that ended before the body did.
  const isJson = error instanceof SyntaxError
  return new Failure('invalid', isJson ? 'the body is not valid JSON' : 'the request is malformed')
}

/** Answers an `Expect` other than `100-continue`, which Node keeps from Fastify. */
export function answerExpectation(
  deps: ProblemDeps,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const id = requestIdOf(request)
  const detail = 'no expectation but 100-continue can be met'
  const body = JSON.stringify({ ...described(EXPECTATION_FAILED), detail, instance: id })
  deps.metrics.failed(deps.plane, 'invalid')
  deps.metrics.answered(deps.plane, EXPECTATION_FAILED.status)
  response.writeHead(EXPECTATION_FAILED.status, {
    ...SECURITY_HEADERS,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': id,
    // What follows may be a body or not: the caller is in doubt too.
    connection: 'close',
  })
  response.end(body)
}

/**
 * Answers what is not even HTTP: Node has read no request, so there is no reply to use. Errors of a
 * connection that is gone are dropped.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const status =
    { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400
  const title = STATUS_CODES[status]
  const body = JSON.stringify({ type: `${TYPE_PREFIX}invalid`, title, status })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  )
}
