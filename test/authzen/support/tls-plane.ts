import type { CheckAppDeps } from '../../../src/http/check/check-app.ts'
import type { Body } from '../../end-to-end/support/caller.ts'
import { bearer, CHECK_SECRET, startCheckPlane } from '../../http/support/planes.ts'
import { trustedPair } from './certificate.ts'

/** A check plane over the sample organisation on a real listener with TLS, asked as `inject` would. */
export async function startTlsPlane(
  t: Parameters<typeof startCheckPlane>[0],
  overrides: Partial<CheckAppDeps> = {},
) {
  const plane = startCheckPlane(t, { tls: await trustedPair(), ...overrides })
  const url = await plane.app.listen({ host: '127.0.0.1', port: 0 })
  const send = async (path: string, init: RequestInit) => {
    const response = await fetch(url + path, init)
    const body = await response.text()
    const headers: Readonly<Record<string, string>> = Object.fromEntries(response.headers)
    return { statusCode: response.status, headers, body, json: (): Body => JSON.parse(body) }
  }
  return {
    ...plane,
    url,
    get: (path: string, headers: Record<string, string> = bearer(CHECK_SECRET)) =>
      send(path, { headers }),
    post: (path: string, payload: unknown, headers: Record<string, string> = {}) =>
      send(path, {
        method: 'POST',
        headers: { ...bearer(CHECK_SECRET), 'content-type': 'application/json', ...headers },
        body: JSON.stringify(payload),
      }),
  }
}
