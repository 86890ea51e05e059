import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'

/**
 * A Fastify application whose routes ask a policy decision point, by the OpenID AuthZEN
 * Authorization API, before they answer. Run it beside the service:
 *
 *   PDP_URL=http://127.0.0.1:8080 PDP_KEY=small-world-check-key node examples/protect-a-route.ts
 *   curl -H 'x-user-id: aaaaaaaa-0000-4000-8000-000000000001' \
 *     http://127.0.0.1:3000/divisions/dddddddd-0000-4000-8000-000000000002/queues
 */

export type DecisionPoint = {
  /** Base URL of the decision point; it may have a path. */
  readonly url: string
  /** Its bearer key. */
  readonly key: string
}

/** What a route needs: a permission on a resource. */
export type Needed = {
  readonly action: string
  readonly resourceType: string
  readonly resourceId: (request: FastifyRequest) => string
}

/** Decisions take a millisecond; a caller should not wait much longer for being let in. */
const TIMEOUT_MS = 2_000

/**
 * A hook that lets a request pass when its user may do what the route needs. Everything but a clear
 * yes is a no: 403 for a denial, 503 and a line in the log when no decision can be had. Throws at
 * once for a URL that is none: an application that can never ask should not start.
 */
export function requirePermission(
  point: DecisionPoint,
  userOf: (request: FastifyRequest) => string | undefined,
  needed: Needed,
) {
  const address = evaluationAddress(point.url)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const userId = userOf(request)
    if (userId === undefined) return void (await reply.code(401).send({ error: 'who are you?' }))
    const question = {
      subject: { type: 'user', id: userId },
      action: { name: needed.action },
      resource: { type: needed.resourceType, id: needed.resourceId(request) },
      context: { options: { explain: false } },
    }
    try {
      const allowed = await decide(address, point.key, question)
      if (!allowed) await reply.code(403).send({ error: 'not allowed' })
    } catch (error) {
      request.log.error({ err: error }, 'no decision can be had')
      await reply.code(503).send({ error: 'no decision can be had' })
    }
  }
}

/**
 * Where decisions are asked for, below the path that the base may have. Who has the metadata of the
 * decision point takes its `access_evaluation_endpoint` instead.
 */
function evaluationAddress(base: string): URL {
  const url = new URL(base)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new Error(`${base} is no http or https URL`)
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/access/v1/evaluation`
  return url
}

/** True or false. Throws when the decision point does not answer with either in time. */
async function decide(address: URL, key: string, question: object): Promise<boolean> {
  const response = await fetch(address, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(question),
    // The key is for this address alone.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`the decision point answered ${response.status}`)
  }
  const { decision } = (await response.json()) as { decision?: unknown }
  if (typeof decision === 'boolean') return decision
  throw new Error('the decision point answered without a decision')
}

/** A real application takes the user from a session or a token: a header is anybody's to set. */
function userInHeader(request: FastifyRequest): string | undefined {
  const header = request.headers['x-user-id']
  return typeof header === 'string' ? header : undefined
}

/** An application with one protected route. */
export function buildExample(
  point: DecisionPoint,
  options: FastifyServerOptions = { logger: { level: 'warn' } },
): FastifyInstance {
  const app = fastify(options)
  const mayView = requirePermission(point, userInHeader, {
    action: 'view',
    resourceType: 'routing:queue',
    resourceId: (request) => (request.params as { divisionId: string }).divisionId,
  })
  app.get('/divisions/:divisionId/queues', { preHandler: mayView }, () => ({ queues: [] }))
  return app
}

if (import.meta.main) {
  const { PDP_URL = 'http://127.0.0.1:8080', PDP_KEY = '' } = process.env
  const app = buildExample({ url: PDP_URL, key: PDP_KEY })
  console.log(await app.listen({ host: '127.0.0.1', port: 3_000 }))
}
