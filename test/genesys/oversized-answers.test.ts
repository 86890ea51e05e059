import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { Agent } from 'undici'
import { exchange } from '../../src/genesys/exchange.ts'
import { retryCause } from '../../src/genesys/retry-rules.ts'
import { failureOf, isTooLarge } from '../../src/genesys/transport-failure.ts'

test('an answer larger than what we take is asked for in smaller parts, not again', async (t) => {
  const server = createServer((_, response) => void response.end('"'.padEnd(1_000)))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const dispatcher = new Agent({ maxResponseSize: 100 })
  const { port } = server.address() as AddressInfo
  const url = new URL(`http://127.0.0.1:${port}/`)
  const request = { method: 'GET', url, headers: {}, body: undefined }
  const outcome = await exchange(dispatcher, request, new AbortController().signal)
  await dispatcher.destroy()
  server.closeAllConnections()
  server.close()
  t.match(outcome, { kind: 'malformed', oversized: true })
  t.equal(retryCause(outcome, true), undefined)
  const failure = failureOf(outcome, 'GET /', { attempts: 1, unexecuted: false })
  t.match(failure, { code: 'upstream-broken', message: /larger than/ })
  t.ok(isTooLarge(failure))
  const broken = { kind: 'malformed', status: 200, why: 'an answer that is no JSON' } as const
  t.equal(retryCause(broken, true), 'malformed')
  t.notOk(isTooLarge(failureOf(broken, 'GET /', { attempts: 1, unexecuted: false })))
})
