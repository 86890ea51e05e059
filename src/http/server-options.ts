import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import {
  answerClientError,
  answerExpectation,
  problemHandler,
  sendMethodNotAllowed,
} from './problems.ts'
import type { ProblemDeps } from './problems.ts'
import { Failure } from '../domain/failure.ts'
import { watchMethods } from './method-table.ts'
import { requestIdOf } from './request-id.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { ProblemSchema } from './schemas.ts'

/** Certificate chain and key in PEM; without them a listener speaks plain HTTP. */
export type Tls = { readonly cert: string | Buffer; readonly key: string | Buffer }

/** Also ends connections on which no request arrives; a timeout for each socket would cost every check. */
const REQUEST_TIMEOUT_MS = 30_000
/** Longer than the idle time of common proxies, so that they close first and no request is lost. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000
/**
 * Ends connections on which nothing moves, a stream that nobody reads among them; longer than any
 * answer of the admin plane takes to begin. On the check plane it would cost every check: there
 * `UnreadAnswers` has a deadline for what is worth one.
 */
const STALL_TIMEOUT_MS = 10 * 60_000
const MAX_PARAM_LENGTH = 1_024
/** What stands before the path of a request in absolute form. */
const ORIGIN = /^https?:\/\/[^/]*/i

/** What both planes ask of Fastify: nothing coerced, everything bounded, no line for each request. */
export function serverOptions(deps: ProblemDeps, tls: Tls | undefined): FastifyServerOptions {
  const onError = problemHandler(deps)
  const options: FastifyServerOptions & { https?: Tls } = {
    logger: false,
    genReqId: requestIdOf,
    requestIdHeader: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: deps.plane === 'admin' ? STALL_TIMEOUT_MS : 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    maxRequestsPerSocket: 0,
    // What still arrives while a listener closes is answered; the service drains, it does not drop.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
      },
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      // No hook runs for what the router could not even read.
      reply.headers(SECURITY_HEADERS).header('x-request-id', request.id)
      onError(error, request, reply)
      deps.metrics.answered(deps.plane, reply.statusCode)
    },
    ...(tls ? { https: tls } : {}),
  }
  return options
}

/** Sends every failure of a plane through its one error handler; comes before any route. */
export function handleProblems(app: FastifyInstance, deps: ProblemDeps): void {
  const methodsOf = watchMethods(app)
  app.addSchema(ProblemSchema)
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler(problemHandler(deps))
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    answerExpectation(deps, request, response)
  })
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.replace(ORIGIN, '').split('?', 1)
    const methods = methodsOf(path)
    if (methods.length === 0) throw new Failure('not-found', 'there is no such path')
    deps.metrics.failed(deps.plane, 'invalid')
    sendMethodNotAllowed(request, reply, methods)
  })
}
