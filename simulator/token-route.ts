import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { endFaulty, startFaulty, takeFault } from './faulty-reply.ts'
import type { Platform } from './platform.ts'

export const TOKEN_PATH = '/oauth/token'

/** The login's errors have a form of their own. */
interface LoginRefusal {
  readonly status: number
  readonly error: string
  readonly description: string
}

function credentials(
  authorization: string | undefined,
): { id: string; secret: string } | undefined {
  const encoded = /^basic (.+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const [id = '', ...secret] = Buffer.from(encoded, 'base64').toString().split(':')
  return { id, secret: secret.join(':') }
}

function sameSecret(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function grantTypeOf(body: unknown): string | null {
  return body instanceof URLSearchParams ? body.get('grant_type') : null
}

/** The id of the client that may have a token, or why there is none. */
function login(platform: Platform, request: FastifyRequest): string | LoginRefusal {
  const given = credentials(request.headers.authorization)
  const client = given && platform.clients.get(given.id)
  if (given === undefined || client === undefined) {
    return { status: 400, error: 'invalid_client', description: 'client not found: invalid client' }
  }
  if (!sameSecret(given.secret, client.secret)) {
    return { status: 401, error: 'invalid_client', description: 'authentication failed' }
  }
  if (grantTypeOf(request.body) !== 'client_credentials') {
    return { status: 400, error: 'unsupported_grant_type', description: 'grant_type is not known' }
  }
  const seconds = platform.tokenRate.take(client.id)
  if (seconds > 0) {
    const description = `rate limit exceeded, retry in ${seconds} seconds`
    return { status: 400, error: 'invalid_request', description }
  }
  return client.id
}

async function serve(
  platform: Platform,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const fault = takeFault(platform, request, TOKEN_PATH)
  if (fault !== undefined && (await startFaulty(platform, fault, reply)) === 'answered') {
    return reply
  }
  const outcome = login(platform, request)
  if (typeof outcome !== 'string') {
    const { status, error, description } = outcome
    return reply.code(status).send({ error, description, error_description: description })
  }
  const { token, expiresInSeconds } = platform.tokens.issue(outcome)
  const answer = { access_token: token, token_type: 'bearer', expires_in: expiresInSeconds }
  const text = JSON.stringify(answer)
  const body = fault === undefined ? text : endFaulty(fault, reply, text)
  if (body === undefined) return reply
  return reply.type('application/json; charset=utf-8').send(body)
}

/** Login and API share one base URL here, as behind a gateway. */
export function addTokenRoute(app: FastifyInstance, platform: Platform): void {
  app.route({
    method: 'POST',
    url: TOKEN_PATH,
    config: { template: TOKEN_PATH },
    handler: (request, reply) => serve(platform, request, reply),
  })
}
