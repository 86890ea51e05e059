import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { GenerateKeyPairResult } from 'jose'
import type { JwtOptions } from '../../../src/http/jwt.ts'

export const AUDIENCE = 'permission-check'

/** An issuer to trust, who may take its time: the machine may let both of us wait. */
export function trust(issuer: string): JwtOptions {
  return { issuer, audience: AUDIENCE, fetchTimeoutMs: 120_000 }
}

/** An OpenID issuer on loopback with one key. `down` fails the paths that contain it. */
export async function startIssuer(t: { teardown(dispose: () => unknown): void }) {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }
  const state = { down: '', asked: [] as string[] }
  const server = createServer((request, response) => {
    state.asked.push(request.url ?? '')
    const documents: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys` },
      '/keys': { keys: [jwk] },
    }
    const url = request.url ?? ''
    const document = state.down !== '' && url.includes(state.down) ? undefined : documents[url]
    response.writeHead(document ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sign = (
    claims: Record<string, unknown>,
    key: GenerateKeyPairResult['privateKey'] = privateKey,
  ) =>
    new SignJWT({ iss: issuer, aud: AUDIENCE, sub: 'app-1', scope: 'check', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setExpirationTime((claims['exp'] as number | undefined) ?? '5m')
      .sign(key)
  return { issuer, state, sign, publicJwk: jwk }
}
