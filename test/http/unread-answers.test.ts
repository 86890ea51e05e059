import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { bearer, CHECK_SECRET, startCheckPlane } from './support/planes.ts'
import { DIVISIONS, FACTS, matrixOf, USERS } from './support/organization.ts'

const MIB = 1024 * 1024
const QUESTION = {
  subject: { type: 'user', id: USERS.ada },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: DIVISIONS.sales },
}
const MANY = JSON.stringify({
  ...QUESTION,
  evaluations: Array.from({ length: 10_000 }, () => ({})),
})
const CHECK = `/api/v1/check-permission?userId=${USERS.ada}&permission=routing:queue:view`
/** More connections than a machine's socket buffers could take the answers of. */
const MAX_CONNECTIONS = 40

const REQUEST = [
  'POST /access/v1/evaluations HTTP/1.1',
  'host: localhost',
  `authorization: Bearer ${CHECK_SECRET}`,
  'content-type: application/json',
  `content-length: ${MANY.length}`,
  '',
  MANY,
].join('\r\n')

async function startListening(t: Test, unreadLimits: { maxBytes: number; deadlineMs: number }) {
  const plane = startCheckPlane(t, { unreadLimits })
  await plane.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = plane.app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const headers = { ...bearer(CHECK_SECRET), 'content-type': 'application/json' }
  /** Asks three times for megabytes and reads none of it. */
  const askWithoutReading = (): Socket => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    t.teardown(() => socket.destroy())
    socket.write(REQUEST.repeat(3))
    return socket
  }
  return {
    ...plane,
    askWithoutReading,
    many: () => fetch(`${url}/access/v1/evaluations`, { method: 'POST', headers, body: MANY }),
    check: () => fetch(url + CHECK, { headers }),
  }
}

t.test('what is not read is bounded: large answers wait, checks go on', async (t) => {
  const { many, check, askWithoutReading } = await startListening(t, {
    maxBytes: 8 * MIB,
    deadlineMs: 600_000,
  })
  const sockets: Socket[] = []
  let refused = await many()
  while (refused.status === 200 && sockets.length < MAX_CONNECTIONS) {
    await refused.text()
    sockets.push(askWithoutReading())
    refused = await many()
  }
  t.equal(refused.status, 503, `with ${sockets.length} connections`)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.text(), /has not been read yet/)
  const one = await check()
  t.equal(one.status, 200)
  t.same(await one.json(), {
    ...{ userId: USERS.ada, permission: 'routing:queue:view' },
    allowed: true,
  })
  for (const socket of sockets) socket.destroy()
  let again = await many()
  while (again.status === 503) {
    await again.text()
    again = await many()
  }
  t.equal(again.status, 200, 'once they are gone there is room')
  await again.text()
})

t.test('a connection that does not read is cut', async (t) => {
  const { app, askWithoutReading, many } = await startListening(t, {
    maxBytes: 64 * MIB,
    deadlineMs: 100,
  })
  const cut: Promise<unknown>[] = []
  app.server.on('connection', (socket: Socket) => cut.push(once(socket, 'close')))
  for (let i = 0; i < 5; i++) askWithoutReading()
  while (cut.length < 5) await once(app.server, 'connection')
  await Promise.all(cut)
  const answer = await many()
  t.equal(answer.status, 200)
  t.equal(((await answer.json()) as { evaluations: unknown[] }).evaluations.length, 10_000)
})

t.test('every large answer is counted until it has been read, whoever writes it', async (t) => {
  const catalogue = Array.from({ length: 200 }, (_, i) => {
    return { ...FACTS.permissions[0], action: `view${i}` } as (typeof FACTS.permissions)[number]
  })
  const facts = { ...FACTS, permissions: [...FACTS.permissions, ...catalogue] }
  const url = '/api/v1/permissions?limit=60'
  const roomy = startCheckPlane(t, { unreadLimits: { maxBytes: 12_000, deadlineMs: 600_000 } })
  roomy.served.held = [matrixOf(facts, 7)]
  for (let i = 0; i < 5; i++) {
    const answer = await roomy.get(url)
    t.equal(answer.statusCode, 200)
    t.ok(answer.body.length > 6_000, 'there is no room for two')
  }
  const narrow = startCheckPlane(t, { unreadLimits: { maxBytes: 5_000, deadlineMs: 600_000 } })
  narrow.served.held = roomy.served.held
  const refused = await narrow.get(url)
  t.equal(refused.statusCode, 503)
  t.match(refused.json(), { type: /overloaded$/, detail: /has not been read yet/ })
  t.same(narrow.record.answered, ['check 503'])
  t.equal((await narrow.get('/api/v1/permissions?limit=1')).statusCode, 200)
})
