import { fastifyRateLimit } from '@fastify/rate-limit'
import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest, HTTPMethods } from 'fastify'
import { TRY_PREFIX } from '../openapi.ts'

/** Headers that belong to one connection and are not passed on (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host'])
const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST']
/** What the route matched: the origin of an absolute form, and the prefix however it is escaped. */
const MATCHED = /^(https?:\/\/[^/]*)?\/[^/]*/i
/** Enough to try things out; programs ask the check plane itself. */
const BODY_LIMIT = 64 * 1024

/**
 * `/try/*`: the check plane as seen from `/docs`, whose page may only talk to its own origin. Access
 * is the check plane's own: it takes a check key, which leaves no header for an admin's. The rate is
 * therefore counted by where requests come from.
 */
export function tryRoutes(
  checkApp: Pick<FastifyInstance, 'inject'>,
  rate: RateLimitPluginOptions,
): FastifyPluginCallback {
  return (app, _options, done) => {
    void app.register(fastifyRateLimit, { ...rate, keyGenerator: (request) => request.ip })
    void app.register(passOn(checkApp))
    done()
  }
}

function passOn(checkApp: Pick<FastifyInstance, 'inject'>): FastifyPluginCallback {
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
          // Not the wildcard parameter: that one is unescaped, and ids may hold a slash.
          url: request.url.replace(MATCHED, ''),
          remoteAddress: request.ip,
          headers: passedOn(request),
          ...(typeof request.body === 'string' ? { payload: request.body } : {}),
        })
        for (const [name, value] of Object.entries(answer.headers)) {
          if (value !== undefined && !HOP_BY_HOP.has(name)) reply.header(name, value)
        }
        return await reply.code(answer.statusCode).send(answer.rawPayload)
      },
    })
    done()
  }
}

/** The id goes along, so that a problem's body names the same one as the header. */
function passedOn({ headers, id }: FastifyRequest): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) passed[name] = value
  }
  return { ...passed, 'x-request-id': id }
}
