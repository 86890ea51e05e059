import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import type { FailureCode } from '../../src/domain/failure.ts'
import { watchEventLoop } from '../../src/http/event-loop-watch.ts'
import { createRateLimit } from '../../src/http/token-buckets.ts'
import { USERS } from './support/organization.ts'
import { bearer, CHECK_SECRET, startCheckPlane } from './support/planes.ts'

const URL = `/check-permission?userId=${USERS.ada}&permission=routing:queue:view`

const STATUSES: Record<Exclude<FailureCode, 'internal'>, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  gone: 410,
  'too-large': 413,
  'rate-limited': 429,
  overloaded: 503,
  'not-ready': 503,
  'not-offered': 501,
  'store-unavailable': 503,
  'upstream-busy': 503,
  'upstream-refused': 502,
  'upstream-broken': 502,
}
t.test('answers every failure as a problem of its status', async (t) => {
  const { get, served, record } = startCheckPlane(t)
  for (const [code, status] of Object.entries(STATUSES)) {
    served.refusal = new Failure(code as FailureCode, `because of ${code}`)
    const response = await get(URL, { 'x-request-id': 'abc' })
    t.equal(response.statusCode, status, code)
    t.match(response.headers['content-type'], /^application\/problem\+json/)
    t.equal(response.headers['x-request-id'], 'abc')
    const { type, title, ...rest } = response.json<Record<string, unknown>>()
    t.equal(type, `urn:genesys-permission-check:problem:${code}`)
    t.type(title, 'string')
    const told = { status, detail: `because of ${code}`, instance: 'abc' }
    const retry = code === 'not-ready' ? { retryAfterSeconds: 5 } : {}
    t.strictSame(rest, { ...told, ...retry })
    t.equal(response.headers['retry-after'], code === 'not-ready' ? '5' : undefined)
  }
  t.same(
    record.failed,
    Object.keys(STATUSES).map((code) => `check ${code}`),
  )
  t.same(record.logged, [])
})

t.test('tells field, retry and upstream where they are known, never a cause', async (t) => {
  const { get, served } = startCheckPlane(t)
  const upstream = { status: 403, code: 'missing.permissions', correlationId: 'c-1' }
  const cause = new Error('internal words')
  served.refusal = new Failure('upstream-refused', 'no', {
    field: 'a/b',
    retryAfterSeconds: 2.4,
    upstream,
    cause,
  })
  const response = await get(URL)
  t.match(response.json(), { field: 'a/b', retryAfterSeconds: 2.4, upstream })
  t.equal(response.headers['retry-after'], '3')
  t.notMatch(response.body, 'internal words')
})

t.test('tells nothing of a bug in another thread either', async (t) => {
  const { get, served, record } = startCheckPlane(t)
  served.refusal = new Failure('internal', 'the work ended in an unexpected TypeError')
  const response = await get(URL, { 'x-request-id': 'abc' })
  t.equal(response.statusCode, 500)
  t.strictSame(response.json(), {
    type: 'urn:genesys-permission-check:problem:internal',
    title: 'Something went wrong here',
    status: 500,
    instance: 'abc',
  })
  t.same(record.failed, ['check internal'])
  t.equal(record.logged.length, 1)
})

t.test('tells nothing of a bug but logs it once', async (t) => {
  const bug = new TypeError('secret detail')
  const { get, record } = startCheckPlane(t, {
    unknownUsers: { note() {} },
    overloaded: () => {
      throw bug
    },
  })
  const response = await get(URL, { 'x-request-id': 'bug-1' })
  t.equal(response.statusCode, 500)
  t.notMatch(response.body, 'secret')
  t.match(response.json(), { type: /internal$/, status: 500, instance: 'bug-1' })
  t.notOk('detail' in response.json<object>())
  t.same(record.failed, ['check internal'])
  t.match(record.logged, [{ err: bug, requestId: 'bug-1' }])
})

t.test('knows paths from methods', async (t) => {
  const { app, get, post } = startCheckPlane(t)
  const missing = await get('/api/v2/anything')
  t.equal(missing.statusCode, 404)
  t.match(missing.json(), { type: /not-found$/ })
  const wrong = await post(URL, {})
  t.equal(wrong.statusCode, 405)
  t.equal(wrong.headers['allow'], 'GET, HEAD')
  t.match(wrong.json(), { type: /method-not-allowed$/, status: 405 })
  const param = await app.inject({ method: 'DELETE', url: '/api/v1/users/u/permissions?x=1' })
  t.equal(param.headers['allow'], 'GET, HEAD')
  const options = await app.inject({ method: 'OPTIONS', url: '/api/v1/check-permissions' })
  t.equal(options.statusCode, 405)
  t.equal(options.headers['allow'], 'POST')
  t.notOk(options.headers['access-control-allow-origin'])
})

t.test('answers paths that are no paths', async (t) => {
  const { get, record } = startCheckPlane(t)
  for (const url of [
    '/api/v1/users/%zz/permissions',
    `/api/v1/users/${'x'.repeat(1_100)}/permissions`,
  ]) {
    const response = await get(url, { 'x-request-id': 'r' })
    t.equal(response.statusCode, 400)
    t.match(response.json(), { type: /invalid$/, instance: 'r' })
    t.equal(response.headers['x-request-id'], 'r')
    t.equal(response.headers['x-content-type-options'], 'nosniff')
  }
  t.same(record.answered, ['check 400', 'check 400'])
})

t.test('answers what is not HTTP with a problem too', async (t) => {
  const { app } = startCheckPlane(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const send = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.end(text))
      let answer = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
      socket.once('end', () => resolve(answer)).once('error', reject)
    })
  t.match(
    await send('NONSENSE\r\n\r\n'),
    /^HTTP\/1\.1 400 .*application\/problem\+json.*"status":400/s,
  )
  const large = `GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`
  t.match(await send(large), /^HTTP\/1\.1 431 .*"status":431/s)
})

t.test('answers expectations that it cannot meet with a problem', async (t) => {
  const { app, record } = startCheckPlane(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const status = (expect: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = `host: x\r\nexpect: ${expect}\r\nx-request-id: mine\r\nconnection: close`
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`GET /health/live HTTP/1.1\r\n${headers}\r\n\r\n`)
      })
      let answer = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
      socket.once('end', () => resolve(answer)).once('error', reject)
    })
  const answer = await status('tea')
  t.match(answer, /^HTTP\/1\.1 417 .*problem\+json.*:expectation-failed".*"instance":"mine"/s)
  t.match(answer, /x-request-id: mine.*x-content-type-options|nosniff.*x-request-id: mine/s)
  t.same([record.failed, record.answered], [['check invalid'], ['check 417']])
  t.match(await status('100-continue'), /^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s)
})

t.test('says of a request without body what is so', async (t) => {
  const { app } = startCheckPlane(t)
  const response = await app.inject({ method: 'QUERY' as never, url: '/check-permission' })
  t.match(response.json(), { status: 400, detail: /Content-Type/ })
  const text = await app.inject({
    method: 'POST',
    url: '/api/v1/check-permissions',
    headers: { ...bearer(CHECK_SECRET), 'content-type': 'application/json' },
    payload: '{"checks":',
  })
  t.match(text.json(), { status: 400, detail: 'the body is not valid JSON' })
})

t.test('echoes request ids that are safe and replaces the others', async (t) => {
  const { get } = startCheckPlane(t)
  const echoed = async (url: string, id: string) =>
    (await get(url, { 'x-request-id': id })).headers['x-request-id'] === id
  for (const url of [URL, '/nothing', '/health/live', '/check-permission']) {
    for (const id of ['a', 'x'.repeat(128), '~!@#$%^&*()/{}"']) t.ok(await echoed(url, id), id)
    for (const id of ['x'.repeat(129), 'a b', 'tab\there', '\u00e9', '']) {
      t.notOk(await echoed(url, id), id)
    }
  }
  const ids = new Set<unknown>()
  for (let i = 0; i < 5; i++) ids.add((await get(URL)).headers['x-request-id'])
  t.equal(ids.size, 5)
})

t.test('turns checks away at once while overloaded, but stays alive', async (t) => {
  let late = true
  const { app, get } = startCheckPlane(t, { overloaded: () => late })
  const response = await get(URL)
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '1')
  t.match(response.json(), { type: /overloaded$/ })
  t.equal((await app.inject('/health/live')).statusCode, 200)
  const ready = await app.inject('/health/ready')
  t.match(ready.json(), { type: /overloaded$/, status: 503 })
  t.equal(ready.headers['retry-after'], '1')
  late = false
  t.equal((await app.inject('/health/ready')).statusCode, 200)
  t.equal((await get(URL)).statusCode, 200)
})

t.test('sees how late the event loop is', (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let now = 0
  using watch = watchEventLoop(100, () => now)
  const sampleAt = (time: number) => {
    now = time
    mock.timers.tick(50)
  }
  t.notOk(watch.late())
  sampleAt(50)
  t.notOk(watch.late())
  sampleAt(300)
  t.ok(watch.late())
  sampleAt(350)
  t.notOk(watch.late())
  t.end()
})

t.test('limits the rate of each caller by itself', async (t) => {
  const limit = createRateLimit(2)
  limit('a', 0)
  limit('a', 0)
  t.throws(() => limit('a', 0), { code: 'rate-limited', retryAfterSeconds: 1 })
  limit('b', 0)
  t.throws(() => limit('a', 400), { code: 'rate-limited' })
  limit('a', 900)
  limit('a', 10_000)
  limit('a', 10_000)
  t.throws(() => limit('a', 10_000), { code: 'rate-limited' }, 'a pause fills one second, not more')
  for (let i = 0; i < 25_000; i++) limit(`caller-${i}`, 20_000 + i)
})

t.test('answers 429 beyond the rate', async (t) => {
  const { app, get, record } = startCheckPlane(t, { rateLimit: 1 })
  t.equal((await get(URL)).statusCode, 200)
  // Far beyond the rate, however many seconds they take.
  const answers = await Promise.all(Array.from({ length: 200 }, () => get(URL)))
  const response = answers.find(({ statusCode }) => statusCode === 429)
  t.match(response?.json(), { type: /rate-limited$/, retryAfterSeconds: 1 })
  t.equal(response?.headers['retry-after'], '1')
  t.same([...new Set(record.failed)], ['check rate-limited'])
  t.equal((await app.inject('/health/live')).statusCode, 200)
  t.equal((await app.inject({ url: URL, headers: bearer(`${CHECK_SECRET}x`) })).statusCode, 401)
})
