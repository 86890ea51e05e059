import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import { DEFAULT_CLIENT, READ_PERMISSIONS } from '../../simulator/simulated-client.ts'
import { smallWorld, SMALL_WORLD } from '../../simulator/small-world.ts'
import { callerOf, requestToken, startCaller } from './caller.ts'

const ROLES = '/api/v2/authorization/roles'

test('a login', async (t) => {
  const { simulator } = await startCaller(t, {
    tokenLifetimeSeconds: 600,
    tokenRequestsPerMinute: 2,
  })
  const { url } = simulator

  t.test('gives a bearer token with its lifetime', async (t) => {
    const { status, body } = await requestToken(url, DEFAULT_CLIENT)
    t.equal(status, 200)
    t.match(body, { access_token: /^.{20,}$/, token_type: 'bearer', expires_in: 600 })
  })

  t.test('is refused in the login form of errors', async (t) => {
    const unknown = await requestToken(url, { id: 'nobody', secret: 'x' })
    t.equal(unknown.status, 400)
    const wrong = await requestToken(url, { id: DEFAULT_CLIENT.id, secret: 'wrong' })
    t.equal(wrong.status, 401)
    for (const { body } of [unknown, wrong]) {
      t.match(body, { error: 'invalid_client', description: String, error_description: String })
    }
    const password = await requestToken(url, DEFAULT_CLIENT, 'password')
    t.equal(password.body.error, 'unsupported_grant_type')
  })

  t.test('is throttled', async (t) => {
    await requestToken(url, DEFAULT_CLIENT)
    const { status, body } = await requestToken(url, DEFAULT_CLIENT)
    t.equal(status, 400)
    t.match(body, { error: 'invalid_request', description: /rate limit exceeded/ })
  })
})

test('a token is refused once it expired, was revoked or never was', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, tokenLifetimeSeconds: 60 })
  const status = async () => (await caller.get('/api/v2/tokens/me')).status
  t.equal(await status(), 200)
  now += 59_999
  t.equal(await status(), 200)
  now += 1
  const expired = await caller.get('/api/v2/tokens/me')
  t.equal(expired.status, 401)
  t.equal(expired.body.code, 'bad.credentials')

  await caller.login()
  t.equal(await status(), 200)
  caller.simulator.revokeTokens()
  t.equal(await status(), 401)

  await caller.login()
  t.equal((await caller.send('DELETE', '/api/v2/tokens/me')).status, 200)
  t.equal(await status(), 401)

  const bare = await fetch(`${caller.simulator.url}/api/v2/tokens/me`)
  t.match(await bare.json(), { code: 'authentication.required', status: 401 })
})

test('requests over the rate are refused until the minute is over', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, requestsPerMinute: 3 })
  for (let count = 0; count < 3; count += 1) t.equal((await caller.get(ROLES)).status, 200)
  now += 18_500
  const refused = await caller.get(ROLES)
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '42')
  t.match(refused.body, {
    code: 'too.many.requests.retry.after',
    message: /\[42\] seconds/,
    limit: { namespace: 'platform.api', value: 3 },
  })
  await caller.login()
  t.equal((await caller.get(ROLES)).status, 429, 'a new token does not help')
  now += 41_500
  t.equal((await caller.get(ROLES)).status, 200)

  caller.simulator.setRequestsPerMinute(0)
  for (let count = 0; count < 10; count += 1) t.equal((await caller.get(ROLES)).status, 200)
})

test('a client may do what its roles permit', async (t) => {
  const reader = { id: 'reader', secret: 's', name: 'Reader', permissions: READ_PERMISSIONS }
  const stranger = { id: 'stranger', secret: 's', name: 'Stranger', permissions: [] }
  const reporting = { id: SMALL_WORLD.clients.reporting, secret: 's', name: 'Reporting' }
  const clients = [reader, stranger, reporting]
  const simulator = await startSimulator({ world: smallWorld(), clients })
  t.teardown(() => simulator.close())

  const mayRead = callerOf(simulator, reader)
  t.equal((await mayRead.get(ROLES)).status, 200)
  t.equal((await mayRead.get('/api/v2/users')).status, 200)
  const refused = await mayRead.send('POST', ROLES, { name: 'New' })
  t.equal(refused.status, 403)
  t.match(refused.body, {
    code: 'missing.any.permissions',
    message: /authorization:role:add/,
    messageParams: { permissions: '[authorization:role:add]' },
  })
  const path = `/api/v2/authorization/subjects/${SMALL_WORLD.users.alice}/bulkreplace`
  const replace = await mayRead.send('POST', path, { grants: [] })
  t.equal(replace.body.code, 'missing.permissions')

  const mayNothing = callerOf(simulator, stranger)
  t.equal((await mayNothing.get(ROLES)).status, 403)
  t.equal((await mayNothing.get('/api/v2/groups')).status, 200, 'which asks for no permission')

  const own = await callerOf(simulator, reporting).get('/api/v2/authorization/subjects/me')
  t.match(own.body, { id: reporting.id, grants: [{ division: { id: '*' } }] })
})

test('a right in one division does not reach what asks for all', async (t) => {
  const narrow = { id: 'narrow', secret: 's', name: 'Narrow' }
  const world = smallWorld()
  const simulator = await startSimulator({ world, clients: [narrow] })
  t.teardown(() => simulator.close())
  const role = simulator.addRole({
    name: 'Reads users',
    policies: [{ domain: 'directory', entityName: '*', actionSet: ['view'] }],
  })
  simulator.grant(narrow.id, role.id, SMALL_WORLD.divisions.sales)
  const caller = callerOf(simulator, narrow)
  t.equal((await caller.get('/api/v2/users')).status, 200)
  const refused = await caller.get('/api/v2/users/query')
  t.equal(refused.body.code, 'missing.any.division.permissions')
})

test('every error has the form of the platform', async (t) => {
  const caller = await startCaller(t)
  const errors = [
    await caller.get('/api/v2/nowhere'),
    await caller.get('/nowhere'),
    await caller.get('/api/v2/groups/none'),
    await caller.get('/api/v2/users?pageSize=9999'),
    await caller.send('POST', ROLES, { name: 'x'.repeat(600_000) }),
    await caller.send('POST', ROLES),
  ]
  t.strictSame(
    errors.map(({ status, body }) => [status, body.code]),
    [
      [404, 'not.found'],
      [404, 'not.found'],
      [404, 'not.found'],
      [400, 'invalid.value'],
      [413, 'request.entity.too.large'],
      [400, 'bad.request'],
    ],
  )
  for (const { status, body, headers } of errors) {
    t.match(body, { message: String, status, details: [], errors: [], messageParams: {} })
    t.equal(headers.get('ININ-Correlation-Id'), body.contextId)
  }
})

test('requests are counted by operation, with their peak', async (t) => {
  const caller = await startCaller(t)
  const { requests } = caller.simulator
  await caller.login()
  requests.reset()
  await Promise.all([caller.get(ROLES), caller.get(ROLES), caller.get(`${ROLES}/none`)])
  t.equal(requests.total, 3)
  t.equal(requests.of('GET /api/v2/authorization/roles'), 2)
  t.equal(requests.of('GET /api/v2/authorization/roles/{roleId}'), 1)
  t.ok(requests.peakInFlight >= 1 && requests.peakInFlight <= 3)
  const reported = await caller.get('/simulator/requests')
  t.match(reported.body, { total: 3, byOperation: { [`GET ${ROLES}`]: 2 } })
  await caller.send('DELETE', '/simulator/requests')
  t.equal(requests.total, 0)
})
