import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Registry } from 'prom-client'
import t from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { until } from '../end-to-end/support/until.ts'
import { FACTS, matrixOf, serve, USERS } from './support/organization.ts'
import {
  ADMIN_SECRET,
  bearer,
  CHECK_SECRET,
  METRICS_SECRET,
  READER_SECRET,
  startAdminPlane,
} from './support/planes.ts'

const basic = (text: string) => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
})

type Page = { items: Record<string, unknown>[]; nextCursor?: string }

t.test('refuses what pages of other sites make a browser send', async (t) => {
  const { app, record, rebuilds } = startAdminPlane(t)
  const ask = (method: 'GET' | 'POST', url: string, site: string) =>
    app.inject({ method, url, headers: { ...basic(`me:${ADMIN_SECRET}`), 'sec-fetch-site': site } })
  for (const site of ['cross-site', 'same-site', 'something new']) {
    for (const url of ['/admin/v1/rebuilds', '/try/api/v1/check-permissions']) {
      const answer = await ask('POST', url, site)
      t.match(answer.json(), { status: 403, type: /forbidden$/ }, `${site} ${url}`)
    }
    t.equal((await ask('GET', '/admin/v1/matrix', site)).statusCode, 200, 'reading is let through')
  }
  t.equal(rebuilds.running, undefined)
  t.same(record.audited, [])
  for (const site of ['same-origin', 'none']) {
    t.ok((await ask('POST', '/admin/v1/rebuilds', site)).statusCode < 300, site)
  }
})

t.test('starts a rebuild and joins the one that runs', async (t) => {
  const { app, get } = startAdminPlane(t)
  const start = (payload?: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/admin/v1/rebuilds',
      headers: { ...bearer(ADMIN_SECRET), ...headers },
      ...(payload === undefined ? {} : { payload: payload as object }),
    })
  const first = await start()
  t.equal(first.statusCode, 202)
  t.equal(first.headers['location'], '/admin/v1/rebuilds/r1')
  t.match(first.json(), {
    id: 'r1',
    state: 'running',
    requestedBy: 'admin',
    allowShrink: false,
    progress: { done: 0, total: 10 },
  })
  const joined = await start({ allowShrink: false })
  t.equal(joined.statusCode, 200)
  t.equal(joined.headers['location'], '/admin/v1/rebuilds/r1')
  t.equal((await start(undefined, { 'content-type': 'application/json' })).statusCode, 200)
  const conflict = await start({ allowShrink: true })
  t.equal(conflict.statusCode, 409)
  for (const allowShrink of ['true', 1, null])
    t.equal((await start({ allowShrink })).statusCode, 400)
  t.equal((await start([])).statusCode, 400)
  const misspelt = await start({ allowshrink: true })
  t.equal(misspelt.statusCode, 400)
  t.match(misspelt.json(), { field: 'allowshrink', detail: 'allowshrink is not known here' })
  t.match((await get('/admin/v1/rebuilds/r1')).json(), { id: 'r1', state: 'running' })
  t.equal((await get('/admin/v1/rebuilds/other')).statusCode, 404)
})

t.test('passes allowShrink on', async (t) => {
  const { app } = startAdminPlane(t)
  const response = await app.inject({
    method: 'POST',
    url: '/admin/v1/rebuilds',
    headers: bearer(ADMIN_SECRET),
    payload: { allowShrink: true },
  })
  t.match(response.json(), { allowShrink: true })
})

t.test('holds every route to its scopes', async (t) => {
  const { app, get, record } = startAdminPlane(t)
  for (const url of [
    '/admin/v1/matrix',
    '/admin/v1/users',
    '/metrics',
    '/docs',
    '/openapi.json',
    '/openapi-check.json',
  ]) {
    t.equal((await app.inject(url)).statusCode, 401, url)
    t.equal((await get(url, READER_SECRET)).statusCode, 200, url)
  }
  for (const url of ['/metrics', '/docs', '/openapi.json']) {
    t.equal((await get(url, METRICS_SECRET)).statusCode, 200, url)
  }
  const refused = await get('/admin/v1/matrix', METRICS_SECRET)
  t.equal(refused.statusCode, 403)
  t.match(refused.json(), { detail: /admin:read/ })
  const write = {
    method: 'POST' as const,
    url: '/admin/v1/rebuilds',
    headers: bearer(READER_SECRET),
  }
  t.match((await app.inject(write)).json(), { status: 403, detail: /admin:write/ })
  t.equal((await app.inject('/health/live')).statusCode, 200)
  t.ok(record.failed.includes('admin forbidden'))
  t.ok(record.answered.includes('admin 401'))
})

t.test('takes a key as the password of HTTP Basic', async (t) => {
  const { app } = startAdminPlane(t)
  const challenge = await app.inject('/docs')
  t.match(challenge.headers['www-authenticate'], [/^Bearer realm=/, /^Basic realm=/])
  t.equal(
    (await app.inject({ url: '/docs', headers: basic(`anyone:${ADMIN_SECRET}`) })).statusCode,
    200,
  )
  t.equal((await app.inject({ url: '/docs', headers: basic(`:${ADMIN_SECRET}`) })).statusCode, 200)
  t.equal((await app.inject({ url: '/docs', headers: basic(`${ADMIN_SECRET}:x`) })).statusCode, 401)
})

t.test('describes the served matrix', async (t) => {
  const { get } = startAdminPlane(t)
  const response = await get('/admin/v1/matrix')
  t.equal(response.statusCode, 200)
  t.match(response.json(), {
    servable: true,
    warnings: [],
    unknownUsersQueued: 3,
    matrix: {
      revision: 7,
      takenAt: '2026-11-21T12:00:00.000Z',
      ageSeconds: 12,
      organization: { name: 'Example' },
      counts: {
        users: 5,
        clients: 1,
        groups: 1,
        roles: 3,
        divisions: 3,
        permissions: 5,
        flatPermissions: 1,
        directGrants: 5,
        groupGrants: 1,
      },
      gaps: { inactiveUsersBeyondListing: false },
      activeAccessPolicies: 0,
    },
  })
})

t.test('says what an admin should worry about', async (t) => {
  const served = serve(matrixOf({ ...FACTS, activeAccessPolicies: 2 }, 7))
  const rebuild = {
    id: 'r0',
    state: 'refused',
    requestedBy: 'schedule',
    allowShrink: false,
    progress: { done: 9, total: 9 },
    startedAt: 'a',
    finishedAt: 'b',
    error: 'users fell by 50 %',
  } as const
  const missing = [{ permission: 'authorization:grant:view', neededFor: 'grants', essential: true }]
  const { get } = startAdminPlane(t, {
    matrices: served,
    status: () => ({
      held: served.held[0],
      startCheck: {
        organizationId: 'o',
        organizationName: 'Example',
        missing,
        permissionsKnown: true,
      },
      lastRebuild: rebuild,
      runningRebuild: { ...rebuild, state: 'running' },
      unknownUsersQueued: 0,
      unmatchedRules: [
        { rule: 'four-eyes', unknown: ['Payar', 'money:*:*'], inert: true },
        { rule: 'long', unknown: Array.from({ length: 12 }, (_, i) => `role${i}`), inert: false },
      ],
    }),
  })
  served.refusal = new Failure('not-ready', 'the matrix is older than an hour')
  const response = await get('/admin/v1/matrix')
  t.match(response.json(), {
    servable: false,
    reason: 'the matrix is older than an hour',
    warnings: [
      /2 active attribute-based access policies.*not evaluated/,
      /lacks authorization:grant:view/,
      /^The rule four-eyes names .*: Payar, money:\*:\*\. As it stands nobody can break it\.$/,
      /role9 and 2 more\. As it stands it holds for what was found\.$/,
    ],
    platform: { missingPermissions: missing },
    lastRebuild: { state: 'refused', error: 'users fell by 50 %' },
    runningRebuild: { state: 'running' },
  })
})

t.test('describes itself without any matrix', async (t) => {
  const { get, served } = startAdminPlane(t)
  served.held = []
  const response = await get('/admin/v1/matrix')
  t.match(response.json(), { servable: false, reason: 'no matrix yet' })
  t.notOk('matrix' in response.json<object>())
  t.equal((await get('/admin/v1/users')).statusCode, 503)
})

t.test('finds users and clients by name, email or id', async (t) => {
  const { get } = startAdminPlane(t)
  const names = async (q: string) =>
    (await get(`/admin/v1/users?q=${encodeURIComponent(q)}`))
      .json<Page>()
      .items.map((item) => item['name'])
      .sort()
  t.same(await names('ADA'), ['Ada'])
  t.same(await names('a'), ['Ada', 'Bob', 'Cay', 'Dan', 'Quote'])
  t.same(await names('bob@'), ['Bob'])
  t.same(await names(USERS.robot), ['Robot'])
  t.same(await names(USERS.robot.slice(0, -1)), [], 'ids are found whole')
  t.same(await names('.*'), [])
  t.match((await get(`/admin/v1/users?q=robot`)).json(), { items: [{ kind: 'client', email: '' }] })
})

t.test('pages through users', async (t) => {
  const { get, served } = startAdminPlane(t)
  const first = (await get('/admin/v1/users?limit=4')).json<Page>()
  t.equal(first.items.length, 4)
  served.held.push(matrixOf({ ...FACTS, subjects: [] }, 8))
  const rest = (await get(`/admin/v1/users?limit=4&cursor=${first.nextCursor}`)).json<Page>()
  t.equal(rest.items.length, 2)
  t.notOk(rest.nextCursor)
  t.equal((await get(`/admin/v1/users?q=x&cursor=${first.nextCursor}`)).statusCode, 400)
  t.equal((await get('/admin/v1/users?limit=0')).statusCode, 400)
})

t.test('lets others have their turn while it looks through many users', async (t) => {
  const subjects = Array.from({ length: 10_000 }, (_, index) => ({
    id: `user-${index}`,
    kind: 'user' as const,
    name: `Name ${index}`,
    email: '',
    state: 'active' as const,
    groupIds: [],
    grants: [],
  }))
  const { app, get } = startAdminPlane(t, { matrices: serve(matrixOf({ ...FACTS, subjects }, 7)) })
  await app.ready()
  const order: string[] = []
  const searching = get('/admin/v1/users?q=nobody-at-all').then(() => order.push('search'))
  const living = app.inject('/health/live').then(() => order.push('live'))
  await Promise.all([searching, living])
  t.same(order, ['live', 'search'])
})

t.test('finds roles and divisions', async (t) => {
  const { get } = startAdminPlane(t)
  t.match((await get('/admin/v1/roles?q=REV')).json(), { items: [{ name: 'Reviewer' }] })
  t.equal((await get('/admin/v1/roles')).json<Page>().items.length, 3)
  const page = (await get('/admin/v1/divisions?limit=2')).json<Page>()
  t.match(page.items, [
    { name: 'Home', home: true },
    { name: 'Sales', home: false },
  ])
  t.match((await get(`/admin/v1/divisions?limit=2&cursor=${page.nextCursor}`)).json(), {
    items: [{ name: 'Support' }],
  })
})

t.test('gives metrics as text', async (t) => {
  const registry = new Registry()
  const { get } = startAdminPlane(t, { registry })
  const response = await get('/metrics', METRICS_SECRET)
  t.match(response.headers['content-type'], /^text\/plain/)
})

t.test('shows the documentation of both planes', async (t) => {
  const { app, get } = startAdminPlane(t)
  t.match((await get('/openapi-check.json')).json(), { info: { title: /check plane/ } })
  const document = (await get('/openapi.json')).json<{
    openapi: string
    paths: Record<string, Record<string, object>>
  }>()
  t.equal(document.openapi, '3.1.0')
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      t.hasProps(operation, ['operationId', 'summary', 'description', 'tags', 'responses'])
    }
  }
  const page = await get('/docs')
  t.match(page.body, /swagger-ui/)
  t.match(page.headers['content-security-policy'], /script-src 'self';/)
  t.notMatch(page.body, /<script[^>]*>\s*[^<\s]/, 'no script that the policy would block')
  const script = await get('/docs/static/swagger-initializer.js')
  t.match(script.body, /openapi-check\.json/)
  t.equal((await app.inject('/docs/static/swagger-ui.css')).statusCode, 401)
})

t.test('lets the check plane be tried from the documentation, with its own keys', async (t) => {
  const { app } = startAdminPlane(t)
  const url = '/try/api/v1/check-permissions'
  const payload = JSON.stringify({ checks: [{ userId: 'nobody', permission: 'no:such:thing' }] })
  const headers = { 'content-type': 'application/json', 'x-request-id': 'tried' }
  const ask = (secret: string) =>
    app.inject({ method: 'POST', url, payload, headers: { ...headers, ...bearer(secret) } })
  const answer = await ask(CHECK_SECRET)
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { results: [{ allowed: false, reason: 'unknown_permission' }] })
  t.equal(answer.headers['x-request-id'], 'tried')
  t.match(answer.headers['x-matrix-revision'], /^\d+$/)
  t.equal((await ask(ADMIN_SECRET)).statusCode, 401, 'an admin key opens the admin plane alone')
  const got = await app.inject({ url: '/try/check-permission', headers: bearer(CHECK_SECRET) })
  t.match(got.json(), { detail: 'userId is required', instance: String })
  t.equal((await app.inject('/try/admin/v1/matrix')).statusCode, 404)
  const large = { url, payload: `{"checks":[],"x":"${'x'.repeat(70_000)}"}`, headers }
  t.equal((await app.inject({ method: 'POST', ...large })).statusCode, 413)
})

t.test('passes on paths as they came, and nothing but what the check plane is asked', async (t) => {
  const { app } = startAdminPlane(t)
  const headers = bearer(CHECK_SECRET)
  const query = `userId=${USERS.ada}&permission=routing:queue:view`
  for (const url of [`/try/check-permission?${query}`, `/%74ry/check-permission?${query}`]) {
    t.match((await app.inject({ url, headers })).json(), { allowed: true }, url)
  }
  const escaped = await app.inject({ url: '/try/api/v1/users/a%2Fb/permissions', headers })
  t.match(escaped.json(), { field: 'userId' }, 'an id with a slash stays one')
  const given = { ...headers, 'x-request-id': 'not fit' }
  const named = await app.inject({ url: '/try/check-permission', headers: given })
  t.equal(named.json<{ instance: string }>().instance, named.headers['x-request-id'])
  for (const method of ['OPTIONS', 'DELETE', 'PUT'] as const) {
    const wrong = await app.inject({ method, url: '/try/check-permission', headers })
    t.equal(wrong.statusCode, 405, method)
    t.equal(wrong.headers['allow'], 'GET, HEAD, POST')
  }
})

t.test('takes requests in absolute form', async (t) => {
  const { app } = startAdminPlane(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = async (method: string) => {
    const path = 'http://elsewhere.example/try/check-permission?userId=u'
    const headers = bearer(CHECK_SECRET)
    const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode, body: await text(response) }
  }
  t.match(await ask('GET'), { status: 400, body: 'permission is required' })
  t.match(await ask('DELETE'), { status: 405 })
})

t.test('limits the rate at which the check plane is tried, whoever asks', async (t) => {
  const { app } = startAdminPlane(t)
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => {
      return app.inject({ url: '/try/check-permission', headers: bearer(`guess-${index}`) })
    }),
  )
  const limited = answers.find((answer) => answer.statusCode === 429)
  t.match(limited?.json(), { type: /rate-limited$/, retryAfterSeconds: 1 })
})

t.test('turns requests away while the event loop is late', async (t) => {
  // No event loop is ever as timely.
  const { get } = startAdminPlane(t, { maxEventLoopDelayMs: 1e-9 })
  const answer = await until('it was looked at', async () => {
    const answered = await get('/admin/v1/roles')
    return answered.statusCode === 503 && answered
  })
  t.match(answer.json(), { type: /overloaded$/, retryAfterSeconds: 10 })
})

t.test('limits the rate of each caller', async (t) => {
  const { get } = startAdminPlane(t)
  t.equal((await get('/admin/v1/roles')).statusCode, 200)
  // Far beyond the rate, whatever part of a second they take.
  const answers = await Promise.all(Array.from({ length: 200 }, () => get('/admin/v1/roles')))
  const limited = answers.find((answer) => answer.statusCode === 429)
  t.match(limited?.json(), { type: /rate-limited$/, retryAfterSeconds: 1 })
  t.equal(limited?.headers['retry-after'], '1')
  t.equal((await get('/admin/v1/roles', READER_SECRET)).statusCode, 200, 'others are not held up')
})

t.test('answers problems, request ids and unknown paths like the check plane', async (t) => {
  const { app } = startAdminPlane(t)
  const headers = { ...bearer(ADMIN_SECRET), 'x-request-id': 'mine' }
  const missing = await app.inject({ url: '/admin/v1/nothing', headers })
  t.match(missing.json(), { type: /not-found$/, status: 404, instance: 'mine' })
  t.equal(missing.headers['x-request-id'], 'mine')
  const wrong = await app.inject({ method: 'DELETE', url: '/admin/v1/rebuilds', headers })
  t.equal(wrong.statusCode, 405)
  t.equal(wrong.headers['allow'], 'POST')
})
