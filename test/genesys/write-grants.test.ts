import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { FaultRule } from '../../simulator/faults.ts'
import { EVERY_DIVISION } from '../../simulator/world.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { Failure } from '../../src/domain/failure.ts'
import type { GrantDelta } from '../../src/domain/role-change.ts'
import { openPlatform } from '../../src/genesys/platform-client.ts'
import type { Platform } from '../../src/genesys/platform-client.ts'
import { preflight } from '../../src/genesys/preflight.ts'
import { readDirectGrants } from '../../src/genesys/read-direct-grants.ts'
import { writeGrants } from '../../src/genesys/write-grants.ts'
import { turningClock } from './clocks.ts'
import { allTextOf, openUnderTest, optionsFor } from './platform-under-test.ts'
import { watchAuthorization } from './platform-under-test.ts'

const { users, roles, divisions } = SMALL_WORLD
const { signal } = new AbortController()

const SUBJECT = '/api/v2/authorization/subjects/{subjectId}'
const BULK_ADD = `${SUBJECT}/bulkadd`
const BULK_REMOVE = `${SUBJECT}/bulkremove`
const SINGLE = `${SUBJECT}/divisions/{divisionId}/roles/{roleId}`

const AGENT = { roleId: roles.agent, divisionId: divisions.sales }
const EVERYWHERE = { roleId: roles.supervisor, divisionId: EVERY_DIVISION }
const ADDING = { add: [EVERYWHERE], remove: [] }
const REMOVING = { add: [], remove: [AGENT, EVERYWHERE] }

const SPEED = 50

/** Fast enough for pauses and slow enough for bounds of minutes. */
const quickClock = turningClock(SPEED)

function openQuick() {
  return openUnderTest({}, { requestTimeoutMs: 100 * SPEED }, quickClock)
}

/** The failure that a write ends in. */
async function failureOf(
  platform: Platform,
  delta: GrantDelta = ADDING,
  userId: string = users.alice,
): Promise<Failure> {
  const error: unknown = await writeGrants(platform.write, userId, delta, signal).then(
    () => new Error('the write succeeded'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Failure)) throw error
  return error
}

test('a refusal comes with the platform’s own message, code and correlation id, at once', async (t) => {
  await using context = await openQuick()
  const { faults, requests } = context.simulator
  const cases = [
    [422, 'unprocessable.entity'],
    [400, 'max.role.assignments.exceeded'],
    [400, 'bad.role.divisions'],
    [403, 'missing.division.permission'],
    [404, 'general.resource.not.found'],
  ] as const
  for (const [status, code] of cases) {
    const message = `The platform says no: ${code}.`
    faults.clear()
    faults.add({ kind: 'status', status, code, message, match: { path: BULK_ADD } })
    requests.reset()
    const { code: kind, message: told, upstream } = await failureOf(context.platform)
    t.same([kind, told], ['upstream-refused', message])
    t.match(upstream, { status, code, correlationId: /^[0-9a-f-]{36}$/ })
    t.equal(requests.of(`POST ${BULK_ADD}`), 1)
  }
})

test('the platform’s message is bounded and printable', async (t) => {
  await using context = await openQuick()
  const message = `No\u0000\u001b[31m\nway \ud83d ${'😀'.repeat(400)}`
  context.simulator.faults.add({ kind: 'status', status: 422, message, match: { path: BULK_ADD } })
  const failure = await failureOf(context.platform)
  t.match(failure.message, /^No \[31m way \ufffd 😀/u)
  t.ok(failure.message.length <= 501)
  t.ok(failure.message.isWellFormed())
})

test('what does not pass ends after three attempts', async (t) => {
  const cases: readonly (readonly [Omit<FaultRule, 'match'>, string, number | undefined])[] = [
    [{ kind: 'status', status: 429, retryAfterSeconds: 2 }, 'upstream-busy', 429],
    [{ kind: 'status', status: 503 }, 'upstream-busy', 503],
    [{ kind: 'status', status: 500 }, 'upstream-busy', 500],
    [{ kind: 'html-error', status: 502 }, 'upstream-busy', 502],
    [{ kind: 'status', status: 409 }, 'upstream-refused', 409],
    [{ kind: 'hang' }, 'upstream-busy', undefined],
    [{ kind: 'reset' }, 'upstream-busy', undefined],
    [{ kind: 'lost-answer' }, 'upstream-busy', undefined],
  ]
  for (const [fault, code, status] of cases) {
    await using context = await openQuick()
    const { simulator, platform } = context
    const path = BULK_REMOVE
    const active = simulator.faults.add({ ...fault, match: { path } })
    const failure = await failureOf(platform, REMOVING)
    t.match([failure.code, failure.upstream?.status], [code, status], JSON.stringify(fault))
    t.equal(active.applied, 3)
    t.equal(simulator.requests.of(`DELETE ${SINGLE}`), 0, 'no refusal of a role that is gone')
  }
})

test('a wait of hours that the platform asks for is left to the caller', async (t) => {
  await using context = await openQuick()
  const fault = { kind: 'status', status: 429, retryAfterSeconds: 7200 } as const
  const active = context.simulator.faults.add({ ...fault, match: { path: BULK_ADD } })
  const failure = await failureOf(context.platform)
  t.match(failure, { code: 'upstream-busy', retryAfterSeconds: 7200 })
  t.equal(active.applied, 1)
})

test('a removal that is spoilt is made grant by grant', async (t) => {
  for (const status of [400, 404]) {
    await using context = await openQuick()
    const { simulator, platform } = context
    simulator.faults.add({ kind: 'status', status, match: { path: BULK_REMOVE } })
    const gone = simulator.faults.add({ kind: 'status', status: 404, match: { path: SINGLE } })
    await writeGrants(platform.write, users.alice, REMOVING, signal)
    t.equal(gone.applied, 2, 'what is gone is removed')

    simulator.faults.clear()
    simulator.faults.add({ kind: 'status', status, match: { path: BULK_REMOVE } })
    simulator.faults.add({ kind: 'status', status: 429, match: { path: SINGLE }, times: 1 })
    await writeGrants(platform.write, users.alice, REMOVING, signal)
    t.notMatch(simulator.world.grants.ofSubject(users.alice), [{ roleId: roles.agent }])

    const message = 'Not this one.'
    simulator.faults.add({ kind: 'status', status: 403, message, match: { path: SINGLE } })
    t.match(await failureOf(platform, REMOVING), { message, upstream: { status: 403 } })

    const odd = { add: [], remove: [{ roleId: '..', divisionId: divisions.sales }] }
    t.equal((await failureOf(platform, odd)).code, 'invalid')
  }
})

test('a page of something in between does not count as a role that is gone', async (t) => {
  await using context = await openQuick()
  const { simulator, platform } = context
  simulator.faults.add({ kind: 'html-error', status: 404, match: { path: BULK_REMOVE } })
  const refused = { code: 'upstream-refused', upstream: { status: 404, code: '' } }
  t.match(await failureOf(platform, REMOVING), refused)
  t.equal(simulator.requests.of(`DELETE ${SINGLE}`), 0)
})

test('reading is tried three times, and without duplicates where the platform fails', async (t) => {
  await using context = await openQuick()
  const { simulator, platform } = context
  const read = () => readDirectGrants(platform.read, users.alice, signal)
  simulator.faults.add({ kind: 'status', status: 503, match: { path: SUBJECT }, times: 2 })
  t.equal((await read()).length, 2)
  simulator.faults.clear()
  const path = /subjects\/.*includeDuplicates=true/
  const failing = simulator.faults.add({ kind: 'status', status: 500, match: { path } })
  t.equal((await read()).length, 2)
  t.equal(failing.applied, 3)
  const carol = () => readDirectGrants(platform.read, users.carol, signal)
  await t.rejects(
    carol(),
    { code: 'upstream-broken', message: /which a group gives too/ },
    'not where a group of the user may hide what is their own',
  )
  simulator.faults.clear()
  t.equal((await carol()).length, 1)
  const busy = simulator.faults.add({ kind: 'hang', match: { path: SUBJECT } })
  await t.rejects(read(), { code: 'upstream-busy' })
  t.equal(busy.applied, 3)
  simulator.faults.clear()
  const message = 'You may not see grants.'
  simulator.faults.add({ kind: 'status', status: 403, message, match: { path: SUBJECT } })
  await t.rejects(read(), { code: 'upstream-refused', message, upstream: { status: 403 } })
})

/** A platform where each client is of its own organisation, and that repeats what it is sent. */
async function serveEchoes() {
  const server = createServer((request, response) => {
    const [, credentials = ''] = request.headers.authorization?.split(' ') ?? []
    const answer = (status: number, body: object): void => {
      const headers = { connection: 'close', 'inin-correlation-id': credentials }
      response.writeHead(status, headers).end(JSON.stringify(body))
    }
    if (request.url === '/oauth/token') {
      const [id = ''] = Buffer.from(credentials, 'base64').toString().split(':')
      answer(200, { access_token: `token-of-${id}`, expires_in: 300 })
    } else if (request.url === '/api/v2/tokens/me') {
      answer(200, { organization: { id: credentials, name: `Org of ${credentials.slice(-6)}` } })
    } else if (request.url?.startsWith('/api/v2/authorization/subjects/me') === true) {
      answer(200, { grants: [] })
    } else {
      const echo = `You sent ${request.headers.authorization}.`
      answer(403, { code: `not.${credentials}`, message: echo, contextId: credentials })
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void server.close() }
}

test('clients of two organisations are told apart before anything is written', async (t) => {
  using server = await serveEchoes()
  const writeClient = { id: 'second', secret: 'a-secret' }
  const options = optionsFor(server.url, { clientId: 'the-first', writeClient })
  await using platform = openPlatform(options, () => {}, quickClock)
  await t.rejects(preflight(platform, signal), {
    code: 'invalid',
    field: 'GENESYS_WRITE_CLIENT_ID',
    message: /another organisation \(Org of second\) than GENESYS_CLIENT_ID \(Org of -first\)/,
  })
})

test('the permissions to write are asked of the client that writes', async (t) => {
  const clients = [
    { id: 'c11e0000-0000-4000-8000-000000000003', secret: 'a', name: 'R' },
    { id: 'c11e0000-0000-4000-8000-000000000004', secret: 'b', name: 'W' },
  ] as const
  const [reader, writer] = clients
  const permissions = [
    ['authorization:*:view', 'directory:user:view', 'architecture:*:read'],
    ['authorization:grant:add', 'architecture:*:write', 'directory:organization:admin'],
  ]
  const settings = {
    clients: clients.map((client, index) => ({ ...client, permissions: permissions[index] ?? [] })),
  }
  const options = { clientId: reader.id, clientSecret: reader.secret, writeClient: writer }
  await using context = await openUnderTest(settings, options)
  const { missing, permissionsKnown } = await preflight(context.platform, signal)
  t.ok(permissionsKnown)
  t.match(missing, [{ permission: 'authorization:grant:delete', essential: false }])
  t.equal(missing.length, 1)
})

test('no failure of a write holds a secret or a token, even where they are sent back', async (t) => {
  const authorization = watchAuthorization()
  const failures: Failure[] = []
  const faults = [
    { kind: 'status', status: 422 },
    { kind: 'status', status: 429 },
    { kind: 'status', status: 401 },
    { kind: 'hang' },
    { kind: 'lost-answer' },
  ] as const
  for (const fault of faults) {
    await using context = await openQuick()
    context.simulator.faults.add({ ...fault, match: { path: BULK_ADD } })
    failures.push(await failureOf(context.platform))
  }
  using server = await serveEchoes()
  const writeClient = { id: 'second', secret: 'a-second-secret' }
  const options = optionsFor(server.url, { writeClient })
  await using platform = openPlatform(options, () => {}, quickClock)
  failures.push(await failureOf(platform), await failureOf(platform, REMOVING))
  authorization.stop()
  t.match(failures.at(-1)?.message, 'You sent Bearer [secret].')
  t.ok(authorization.sent.has('token-of-second'))
  const secrets = [writeClient.secret, ...authorization.sent]
  for (const failure of failures) {
    const text = allTextOf(failure)
    t.same(
      secrets.filter((secret) => text.includes(secret)),
      [],
      failure.code,
    )
  }
})
