import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { checkRights } from './client-rights.ts'
import { endFaulty, startFaulty, takeFault } from './faulty-reply.ts'
import type { Answer, Operation } from './operation.ts'
import { operations } from './operations.ts'
import type { Platform } from './platform.ts'
import { PlatformError } from './platform-error.ts'
import type { Query } from './query.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

function checkRate(platform: Platform, clientId: string): void {
  const seconds = platform.requestRate.take(clientId)
  if (seconds === 0) return
  const message = `Rate limit exceeded the maximum. Retry the request in [${seconds}] seconds`
  throw new PlatformError(429, 'too.many.requests.retry.after', message, {
    headers: { 'Retry-After': String(seconds) },
    extra: {
      limit: {
        key: 'client.credentials.token.rate.per.minute',
        namespace: 'platform.api',
        value: platform.requestRate.limit,
      },
    },
  })
}

/** Token, rate, rights, work: in this order the platform refuses. */
function perform(platform: Platform, operation: Operation, request: FastifyRequest): Answer {
  const { clientId, token } = platform.tokens.clientOf(request.headers.authorization)
  checkRate(platform, clientId)
  platform.writes.settle()
  const { world, writes } = platform
  if (operation.offered?.(world) === false) {
    throw new PlatformError(404, 'not.found', `There is nothing at ${operation.path}.`)
  }
  const client = world.clients.get(clientId)
  if (client === undefined) {
    throw new PlatformError(401, 'bad.credentials', 'Invalid login credentials.')
  }
  checkRights(world, clientId, operation)
  return operation.handle({
    world,
    writes,
    client,
    token,
    path: request.url.split('?')[0] ?? request.url,
    params: request.params as Record<string, string>,
    query: request.query as Query,
    body: request.body,
    settings: platform.settings(),
    revokeToken: () => platform.tokens.revoke(token),
  })
}

async function serve(
  platform: Platform,
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const fault = takeFault(platform, request, operation.path)
  if (fault !== undefined && (await startFaulty(platform, fault, reply)) === 'answered') {
    return reply
  }
  const answer = perform(platform, operation, request)
  const silent = answer.body === undefined && fault?.kind !== 'lost-answer'
  if (silent) return reply.code(answer.status).send()
  const { body: truth = '' } = answer
  const body = fault === undefined ? truth : endFaulty(fault, reply, truth)
  if (body === undefined) return reply
  return reply.code(answer.status).type(JSON_TYPE).send(body)
}

/** The platform's own operations, each under its path in the contract. */
export function addPlatformRoutes(app: FastifyInstance, platform: Platform): void {
  for (const operation of operations) {
    app.route({
      method: operation.method,
      url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { template: operation.path },
      handler: (request, reply) => serve(platform, operation, request, reply),
    })
  }
}
