import { randomUUID } from 'node:crypto'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { addControlRoutes } from './control-routes.ts'
import { usualCode } from './fault-effects.ts'
import type { Mutations } from './mutations.ts'
import type { Platform } from './platform.ts'
import { errorBody, PlatformError } from './platform-error.ts'
import { addPlatformRoutes } from './platform-routes.ts'
import { addTokenRoute } from './token-route.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The operation's path in the contract; only what has one is counted. */
    template?: string
  }
}

/** The platform's `request.bytes.max`. */
const MAX_REQUEST_BYTES = 512_000
const CORRELATION_HEADER = 'ININ-Correlation-Id'

function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error
  const { statusCode = 500, message = '' } = error as { statusCode?: number; message?: string }
  return new PlatformError(statusCode, usualCode(statusCode), message)
}

function sendError(reply: FastifyReply, error: PlatformError): FastifyReply {
  const contextId = randomUUID()
  return reply
    .code(error.status)
    .headers({ ...error.headers, [CORRELATION_HEADER]: contextId })
    .type('application/json; charset=utf-8')
    .send(errorBody(error, contextId))
}

/** A body is optional everywhere: the vendor's SDK names a type even when it sends nothing. */
function addBodyParsers(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_, body, done) => {
    if (body === '') {
      done(null, undefined)
      return
    }
    try {
      done(null, JSON.parse(String(body)))
    } catch {
      done(new PlatformError(400, 'bad.request', 'The request body is not valid JSON.'))
    }
  })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_, body, done) => done(null, new URLSearchParams(String(body))),
  )
}

function countRequests(app: FastifyInstance, platform: Platform): void {
  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done) => {
    const { template } = request.routeOptions.config
    if (template !== undefined) {
      platform.requests.begin(`${request.method} ${template}`)
      reply.raw.once('close', () =>
        platform.requests.end(reply.raw.headersSent ? reply.raw.statusCode : undefined),
      )
    }
    reply.header(CORRELATION_HEADER, request.id)
    done()
  })
}

export function buildApp(platform: Platform, mutations: Mutations): FastifyInstance {
  const app = fastify({
    bodyLimit: MAX_REQUEST_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 300 },
  })
  addBodyParsers(app)
  countRequests(app, platform)
  app.setErrorHandler((error, _, reply) => sendError(reply, toPlatformError(error)))
  app.setNotFoundHandler((request, reply) => {
    const message = `There is nothing at ${request.method} ${request.url}.`
    return sendError(reply, new PlatformError(404, 'not.found', message))
  })
  addTokenRoute(app, platform)
  addPlatformRoutes(app, platform)
  addControlRoutes(app, platform, mutations)
  return app
}
