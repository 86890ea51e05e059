import type { FastifyInstance, FastifyPluginCallback, FastifyRequest, HTTPMethods } from 'fastify'
import { TRY_PREFIX } from '../openapi.ts'

/** Headers that belong to one connection and are not passed on (RFC 9110 §7.6.1). */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host']
const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST']
/** Enough to try things out; programs ask the check plane itself. */
const BODY_LIMIT = 64 * 1024

/**
 * `/try/*`: the check plane as seen from `/docs`, whose page may only talk to its own origin. Access
 * is the check plane's own: it takes a check key, not an admin's.
 */
export function tryRoutes(checkApp: Pick<FastifyInstance, 'inject'>): FastifyPluginCallback {
  return (app, _options, done) => {
    // Passed on as it came: the check plane decides what it takes for JSON.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, parsed) => {
      parsed(null, body)
    })
    app.route({
      method: METHODS,
      url: `${TRY_PREFIX}/*`,
      schema: { hide: true },
      bodyLimit: BODY_LIMIT,
      handler: async (request, reply) => {
        const answer = await checkApp.inject({
          method: request.method as 'GET' | 'HEAD' | 'POST',
          url: request.url.slice(TRY_PREFIX.length),
          headers: passedOn(request),
          ...(typeof request.body === 'string' ? { payload: request.body } : {}),
        })
        for (const [name, value] of Object.entries(answer.headers)) {
          if (value !== undefined && !HOP_BY_HOP.includes(name)) reply.header(name, value)
        }
        return await reply.code(answer.statusCode).send(answer.rawPayload)
      },
    })
    done()
  }
}

function passedOn({ headers }: FastifyRequest): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.includes(name)) passed[name] = value
  }
  return passed
}
