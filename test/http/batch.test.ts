import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import { DIVISIONS, USERS } from './support/organization.ts'
import { bearer, CHECK_SECRET, startCheckPlane } from './support/planes.ts'

const URL = '/api/v1/check-permissions'
const VIEW = 'routing:queue:view'

t.test('answers questions in order, each by its own attributes', async (t) => {
  const { post, record } = startCheckPlane(t)
  const recording = { userId: USERS.dan, permission: 'recording:recording:view' }
  const response = await post(URL, {
    checks: [
      { userId: USERS.ada, permission: VIEW },
      { userId: USERS.ada, permission: VIEW, divisionId: DIVISIONS.support },
      { userId: USERS.nobody, permission: VIEW, note: 'unknown members are ignored' },
      recording,
      { ...recording, attributes: { 'queue.id': 'q1' } },
      { ...recording, attributes: { 'queue.id': 'q2', n: 1, b: true } },
    ],
  })
  t.equal(response.statusCode, 200)
  t.strictSame(response.json(), {
    revision: 7,
    results: [
      { allowed: true },
      { allowed: false, reason: 'other_division' },
      { allowed: false, reason: 'unknown_user' },
      { allowed: false, reason: 'conditional' },
      { allowed: true },
      { allowed: false, reason: 'not_granted' },
    ],
  })
  t.equal(response.headers['x-matrix-revision'], '7')
  t.equal(record.decided.length, 6)
  t.equal(record.took, 1)
  t.same(record.unknown, [USERS.nobody])
})

t.test('answers many permissions of one user compactly', async (t) => {
  const { post, record } = startCheckPlane(t)
  const permissions = [VIEW, 'routing:queue:edit', 'group_creation', 'no:such:thing']
  const response = await post(URL, { userId: USERS.bob, permissions })
  t.strictSame(response.json(), { revision: 7, allowed: [true, true, true, false] })
  t.same(record.decided, ['allowed', 'allowed', 'allowed', 'unknown_permission'])
  const conditional = await post(URL, {
    userId: USERS.dan,
    permissions: ['recording:recording:view'],
    attributes: { 'queue.id': 'q1' },
    divisionId: DIVISIONS.home,
  })
  t.strictSame(conditional.json(), { revision: 7, allowed: [true] })
  await post(URL, { userId: USERS.nobody, permissions: [VIEW, VIEW] })
  t.same(record.unknown, [USERS.nobody])
})

t.test('answers an empty batch with nothing', async (t) => {
  const { post } = startCheckPlane(t)
  t.strictSame((await post(URL, { checks: [] })).json(), { revision: 7, results: [] })
  t.strictSame((await post(URL, { userId: 'u', permissions: [] })).json(), {
    revision: 7,
    allowed: [],
  })
})

t.test('does not count the time in which the caller sends a batch', async (t) => {
  const took: number[] = []
  const metrics = {
    decided() {},
    checkTook: (seconds: number) => void took.push(seconds),
    answered() {},
    failed() {},
  }
  const { app } = startCheckPlane(t, { metrics })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  // Time passes with each look at the clock, and while the caller sends.
  let now = 0
  mock.method(performance, 'now', () => (now += 0.001))
  t.teardown(() => mock.restoreAll())
  const headers = { ...bearer(CHECK_SECRET), 'content-type': 'application/json' }
  const options = { host: '127.0.0.1', port, path: URL, method: 'POST', headers }
  const sent = httpRequest(options)
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  const arrived = once(app.server, 'request')
  sent.write('{"checks":')
  await arrived
  now += 10_000
  sent.end('[]}')
  const [response] = await answered
  response.resume()
  t.equal(response.statusCode, 200)
  t.equal(took.length, 1)
  t.ok((took[0] as number) > 0 && (took[0] as number) < 10, `${took[0]} s`)
})

t.test('takes 10,000 questions and no more', async (t) => {
  const { post } = startCheckPlane(t)
  const checks = Array.from({ length: 10_000 }, () => ({
    userId: USERS.ada,
    permission: VIEW,
    divisionId: DIVISIONS.sales,
    attributes: { 'conversation.queue.id': USERS.ada },
  }))
  const full = await post(URL, { checks })
  t.equal(full.json<{ results: unknown[] }>().results.length, 10_000)
  const more = await post(URL, { checks: [...checks, checks[0]] })
  t.equal(more.statusCode, 400)
  t.match(more.json(), { field: 'checks', detail: 'checks must have at most 10000 items' })
  const permissions = Array.from({ length: 10_001 }, () => VIEW)
  t.match((await post(URL, { userId: 'u', permissions })).json(), { field: 'permissions' })
  const huge = await post(
    URL,
    JSON.stringify({ checks: [{ userId: 'x'.repeat(8 * 1024 * 1024) }] }),
  )
  t.equal(huge.statusCode, 413)
  t.match(huge.json(), { type: /too-large$/ })
})

const MALFORMED: readonly [string, unknown, string][] = [
  ['neither form', {}, 'checks is required, or userId and permissions'],
  [
    'both forms',
    { checks: [], userId: 'u', permissions: [] },
    'a batch has either checks, or userId and permissions, not both',
  ],
  [
    'checks and userId',
    { checks: [], userId: 'u' },
    'a batch has either checks, or userId and permissions, not both',
  ],
  ['a list as the body', [], 'the body must be an object'],
  ['null as the body', null, 'the body must be an object'],
  ['checks that are no list', { checks: { length: 1 } }, 'checks must be a list'],
  ['checks that are null', { checks: null }, 'checks must be a list'],
  ['an item that is no object', { checks: ['a'] }, 'checks/0 must be an object'],
  ['an item without user', { checks: [{ permission: VIEW }] }, 'checks/0/userId is required'],
  [
    'a number as user',
    { checks: [{ userId: 5, permission: VIEW }] },
    'checks/0/userId must be a string',
  ],
  [
    'null as user',
    { checks: [{ userId: null, permission: VIEW }] },
    'checks/0/userId must be a string',
  ],
  [
    'true as user',
    { checks: [{ userId: true, permission: VIEW }] },
    'checks/0/userId must be a string',
  ],
  [
    'a list as user',
    { checks: [{ userId: ['u'], permission: VIEW }] },
    'checks/0/userId must be a string',
  ],
  [
    'an empty user',
    { checks: [{ userId: '', permission: VIEW }] },
    'checks/0/userId must not be empty',
  ],
  [
    'a late item',
    { checks: [{ userId: 'a', permission: VIEW }, { userId: 'b' }] },
    'checks/1/permission is required',
  ],
  [
    'an overlong permission',
    { checks: [{ userId: 'a', permission: 'x'.repeat(513) }] },
    'checks/0/permission must have at most 512 characters',
  ],
  [
    'a null division',
    { checks: [{ userId: 'a', permission: VIEW, divisionId: null }] },
    'checks/0/divisionId must be a string',
  ],
  [
    'attributes that are a list',
    { checks: [{ userId: 'a', permission: VIEW, attributes: [] }] },
    'checks/0/attributes must be an object',
  ],
  [
    'nested attributes',
    { checks: [{ userId: 'a', permission: VIEW, attributes: { q: { id: 1 } } }] },
    'checks/0/attributes/q must be a string, number or boolean',
  ],
  [
    'a null attribute',
    { checks: [{ userId: 'a', permission: VIEW, attributes: { q: null } }] },
    'checks/0/attributes/q must be a string, number or boolean',
  ],
  ['compact without user', { permissions: [VIEW] }, 'userId is required'],
  ['compact with a number as user', { userId: 5, permissions: [VIEW] }, 'userId must be a string'],
  ['compact without permissions', { userId: 'u' }, 'permissions is required'],
  [
    'compact with a number',
    { userId: 'u', permissions: [VIEW, 5] },
    'permissions/1 must be a string',
  ],
  [
    'compact with an empty division',
    { userId: 'u', permissions: [VIEW], divisionId: '' },
    'divisionId must not be empty',
  ],
  [
    'compact with text as attributes',
    { userId: 'u', permissions: [VIEW], attributes: 'x' },
    'attributes must be an object',
  ],
]
t.test('names what is wrong with a batch, and coerces nothing', async (t) => {
  const { post, record } = startCheckPlane(t)
  for (const [name, body, detail] of MALFORMED) {
    const response = await post(URL, body)
    t.equal(response.statusCode, 400, name)
    t.equal(response.json<{ detail: string }>().detail, detail, name)
  }
  t.same(record.decided, [])
})

t.test('refuses bodies that are not JSON objects by their own names', async (t) => {
  const { post } = startCheckPlane(t)
  t.equal((await post(URL, '{"checks":')).statusCode, 400)
  t.equal((await post(URL, '')).statusCode, 400)
  for (const name of ['__proto__', '__pr\\u006fto__', 'constructor', '\\u0063onstructor']) {
    const body = `{"checks":[],"${name}":{"prototype":{"userId":"x"}}}`
    t.equal((await post(URL, body)).statusCode, 400, name)
  }
  const typed = await post(URL, '<checks/>', { 'content-type': 'application/xml' })
  t.equal(typed.statusCode, 415)
  t.match(typed.json(), { status: 415, type: /unsupported-media-type$/ })
})

t.test('takes attribute names of the prototype for plain names', async (t) => {
  const { post } = startCheckPlane(t)
  const response = await post(URL, {
    userId: USERS.dan,
    permissions: ['recording:recording:view'],
    attributes: { toString: 'x', hasOwnProperty: 'y' },
  })
  t.strictSame(response.json(), { revision: 7, allowed: [false] })
})
