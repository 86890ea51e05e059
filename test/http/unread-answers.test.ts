import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import { UnreadAnswers } from '../../src/http/unread-answers.ts'
import { bearer, CHECK_SECRET, startCheckPlane } from './support/planes.ts'
import { DIVISIONS, FACTS, matrixOf, USERS } from './support/organization.ts'

const emitter = () => Object.assign(new EventEmitter(), { destroyed: false })
const requestOf = (name?: string) => ({
  raw: { socket: emitter() as unknown as Socket },
  principal: name === undefined ? null : { name },
})
const responseOf = () => emitter() as unknown as ServerResponse

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

/** Without shares: all that is unread is of one caller here. */
const ALL = { maxCallerBytes: Infinity, maxSocketBytes: Infinity }

async function startListening(t: Test, limits: { maxBytes: number; deadlineMs: number }) {
  const plane = startCheckPlane(t, { unreadLimits: { ...ALL, ...limits } })
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
  const cut: Socket[] = []
  app.server.on('connection', (socket: Socket) => socket.once('close', () => cut.push(socket)))
  // Time passes as long as there is somebody to cut, and not for who reads afterwards.
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  for (let i = 0; i < 5; i++) askWithoutReading()
  while (cut.length < 5) {
    mock.timers.tick(1)
    await new Promise(setImmediate)
  }
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
  const roomy = startCheckPlane(t, {
    unreadLimits: { ...ALL, maxBytes: 12_000, deadlineMs: 600_000 },
  })
  roomy.served.held = [matrixOf(facts, 7)]
  for (let i = 0; i < 5; i++) {
    const answer = await roomy.get(url)
    t.equal(answer.statusCode, 200)
    t.ok(answer.body.length > 6_000, 'there is no room for two')
  }
  const narrow = startCheckPlane(t, {
    unreadLimits: { ...ALL, maxBytes: 5_000, deadlineMs: 600_000 },
  })
  narrow.served.held = roomy.served.held
  const refused = await narrow.get(url)
  t.equal(refused.statusCode, 503)
  t.match(refused.json(), { type: /overloaded$/, detail: /has not been read yet/ })
  t.same(narrow.record.answered, ['check 503'])
  t.equal((await narrow.get('/api/v1/permissions?limit=1')).statusCode, 200)
})

t.test('a connection and a caller have a share each, and at least one answer', (t) => {
  const unread = new UnreadAnswers({
    ...{ maxBytes: 100_000, deadlineMs: 600_000 },
    ...{ maxSocketBytes: 20_000, maxCallerBytes: 45_000 },
  })
  const overloaded = { code: 'overloaded', retryAfterSeconds: 1 }
  const greedy = requestOf('greedy')
  unread.add(responseOf(), greedy, 15_000)
  t.throws(() => unread.add(responseOf(), greedy, 5_001), overloaded)
  unread.requireRoom(greedy)
  const last = responseOf()
  unread.add(last, greedy, 5_000)
  t.throws(() => unread.requireRoom(greedy), overloaded, 'before it is decided')
  const elsewhere = requestOf('greedy')
  unread.add(responseOf(), elsewhere, 25_000)
  const third = requestOf('greedy')
  t.throws(() => unread.requireRoom(third), overloaded, 'its share over all connections is full')
  const other = requestOf('other')
  const large = responseOf()
  unread.add(large, other, 50_000)
  t.throws(() => unread.requireRoom(other), overloaded, 'one may be larger than a share')
  large.emit('close')
  unread.requireRoom(other)
  last.emit('close')
  unread.requireRoom(third)
  greedy.raw.socket.emit('close')
  unread.add(responseOf(), third, 20_000)
  unread.add(responseOf(), requestOf(), 55_000)
  t.throws(() => unread.requireRoom(other), overloaded, 'all that there is')
  elsewhere.raw.socket.emit('close')
  unread.requireRoom(other)
  t.end()
})

t.test('who has not read enough is refused before many decisions are made', async (t) => {
  const { post, record } = startCheckPlane(t, {
    unreadLimits: { ...ALL, maxBytes: 4_000, deadlineMs: 600_000 },
  })
  const answer = await post('/access/v1/evaluations', MANY)
  t.equal(answer.statusCode, 503)
  t.match(answer.body, /has not been read yet/)
  t.same(record.decided, [])
})
