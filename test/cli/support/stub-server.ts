import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

type SeenRequest = {
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

export type Stub = { readonly url: string; readonly seen: readonly SeenRequest[] }

/** An HTTP server that answers as a service, a proxy or Vault would not often; gone with the test. */
export async function startStub(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<Stub> {
  const seen: SeenRequest[] = []
  const server = createServer((request, response) => {
    seen.push({ path: request.url ?? '', headers: request.headers })
    request.resume()
    answer(request, response, seen.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

export function sendJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}
