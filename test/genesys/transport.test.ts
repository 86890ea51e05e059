import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { Failure } from '../../src/domain/failure.ts'
import { openPlatform } from '../../src/genesys/platform-client.ts'
import type { PlatformClient } from '../../src/genesys/platform-client.ts'
import type { CallPolicy } from '../../src/genesys/call-policy.ts'
import type { SdkSession } from '../../src/genesys/sdk.ts'
import { hurried, hurriedClock, turns } from './clocks.ts'
import { allTextOf, openUnderTest, optionsFor } from './platform-under-test.ts'
import { policyOf, watchAuthorization } from './platform-under-test.ts'

const DIVISIONS = '/api/v2/authorization/divisions'
const LOGIN = '/oauth/token'

const listDivisions = (sdk: SdkSession): Promise<unknown> =>
  sdk.authorization.getAuthorizationDivisions({ pageSize: 100 })

/** The failure that a call ends in. */
async function failureOf(
  client: PlatformClient,
  policy: Partial<CallPolicy> = {},
): Promise<Failure> {
  const error: unknown = await client.call(policyOf(policy), listDivisions).then(
    () => new Error('the call succeeded'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Failure)) throw error
  return error
}

const PASSING_FAULTS = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503, retryAfterSeconds: 2 },
  { kind: 'status', status: 504 },
  { kind: 'status', status: 408 },
  { kind: 'status', status: 429, retryAfterSeconds: 3 },
  { kind: 'status', status: 429 },
  { kind: 'hang' },
  { kind: 'reset' },
  { kind: 'malformed-body' },
  { kind: 'html-error' },
  { kind: 'close-mid-body' },
  { kind: 'slow', delayMs: 600_000 },
] as const

test('what passes is tried again, in the login as in a call', async (t) => {
  const limits = { requestTimeoutMs: hurried(300) }
  for (const fault of PASSING_FAULTS) {
    for (const path of [DIVISIONS, LOGIN]) {
      await using context = await openUnderTest({}, limits)
      context.simulator.faults.add({ ...fault, match: { path }, times: 2 })
      const answer = await context.platform.read.call(policyOf(), listDivisions)
      t.match(answer, { total: 3 }, `${path} ${JSON.stringify(fault)}`)
      const retries = context.events.filter((event) => event.type === 'retry')
      t.equal(retries.length, 2)
    }
  }
})

test('what does not pass ends in a failure that says what was tried', async (t) => {
  const limits = { requestTimeoutMs: hurried(100) }
  const cases = [
    [{ kind: 'status', status: 500 }, 'upstream-busy', 500],
    [{ kind: 'status', status: 429, retryAfterSeconds: 1 }, 'upstream-busy', 429],
    [{ kind: 'html-error' }, 'upstream-busy', 502],
    [{ kind: 'hang' }, 'upstream-busy', undefined],
    [{ kind: 'reset' }, 'upstream-busy', undefined],
    [{ kind: 'close-mid-body' }, 'upstream-busy', undefined],
    [{ kind: 'malformed-body' }, 'upstream-broken', 200],
  ] as const
  for (const [fault, code, status] of cases) {
    await using context = await openUnderTest({}, limits)
    const active = context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
    const failure = await failureOf(context.platform.read, { attempts: 3 })
    t.equal(failure.code, code, JSON.stringify(fault))
    t.equal(failure.upstream?.status, status)
    if (status !== undefined) t.match(failure.upstream?.correlationId, /^[\da-f-]{36}$/)
    t.match(failure.message, /^GET \/api\/v2\/authorization\/divisions .*\(3 attempts\)/)
    t.equal(active.applied, 3)
  }
})

test('a refusal is not repeated and carries the platform’s words', async (t) => {
  for (const status of [400, 403, 404, 409, 413, 422]) {
    await using context = await openUnderTest()
    const fault = { kind: 'status', status, code: 'some.code' } as const
    const active = context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
    const failure = await failureOf(context.platform.read)
    t.equal(failure.code, 'upstream-refused')
    t.match(failure.upstream, { status, code: 'some.code', correlationId: /\S/ })
    t.match(failure.message, 'some.code: The simulator was told')
    t.equal(active.applied, 1)
  }
})

test('a wait of minutes that the platform asks for is left to the caller', async (t) => {
  await using context = await openUnderTest()
  const fault = { kind: 'status', status: 429, retryAfterSeconds: 7200 } as const
  const active = context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
  const failure = await failureOf(context.platform.read)
  t.match(failure, { code: 'upstream-busy', retryAfterSeconds: 7200 })
  t.equal(active.applied, 1)
})

test('many calls that find their token refused renew it once', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  await platform.read.call(policyOf(), listDivisions)
  simulator.revokeTokens()
  simulator.requests.reset()
  const calls = Array.from({ length: 12 }, () => platform.read.call(policyOf(), listDivisions))
  await Promise.all(calls)
  t.equal(simulator.requests.of(`POST ${LOGIN}`), 1)
  t.ok((simulator.requests.byStatus.get(401) ?? 0) <= 12)
})

test('a second 401 in one call is final', async (t) => {
  await using context = await openUnderTest()
  const fault = { kind: 'status', status: 401 } as const
  const active = context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
  const failure = await failureOf(context.platform.read)
  t.match(failure, { code: 'upstream-refused', upstream: { status: 401 } })
  t.equal(active.applied, 2)
})

test('a token that lives for seconds only is renewed in time', async (t) => {
  let now = Date.now()
  await using context = await openUnderTest({ tokenLifetimeSeconds: 40, now: () => now })
  const { simulator, platform } = context
  await platform.read.call(policyOf(), listDivisions)
  // Past the margin, before the end of the token's life.
  await new Promise((resolve) => hurriedClock.after(35_000, () => resolve(undefined)))
  now += 35_000
  await platform.read.call(policyOf(), listDivisions)
  t.equal(simulator.requests.of(`POST ${LOGIN}`), 2)
  t.equal(simulator.requests.byStatus.get(401), undefined)
})

test('wrong credentials are said to be wrong, by the names of their variables', async (t) => {
  await using context = await openUnderTest({}, { clientSecret: 'not-the-secret' })
  const failure = await failureOf(context.platform.read)
  t.equal(failure.code, 'upstream-refused')
  t.match(failure.message, 'does not accept GENESYS_CLIENT_ID / GENESYS_CLIENT_SECRET')
  await using stranger = await openUnderTest({}, { clientId: 'nobody' })
  t.match(await failureOf(stranger.platform.read), { upstream: { code: 'invalid_client' } })
})

test('a throttled login is tried again', async (t) => {
  const { sent, server, url } = await serve((request, response) => {
    if (request.url !== LOGIN) return void response.end('{"total":0}')
    const body =
      sent.length === 1
        ? { error: 'invalid_request', description: 'rate limit exceeded' }
        : { access_token: 'a-token', expires_in: 300 }
    response.writeHead(sent.length === 1 ? 400 : 200).end(JSON.stringify(body))
  })
  await using platform = openPlatform(optionsFor(url), () => {}, hurriedClock)
  t.match(await platform.read.call(policyOf(), listDivisions), { total: 0 })
  t.equal(sent.length, 3)
  server.close()
})

test('an abort ends a call at once: queued, backing off or in flight', async (t) => {
  const reason = new Error('enough')
  const cases = [
    ['in flight', {}, { kind: 'hang' }],
    ['backing off', {}, { kind: 'status', status: 503, retryAfterSeconds: 170 }],
    ['queued', { concurrency: 1 }, { kind: 'hang' }],
    ['in the login', {}, { kind: 'hang', login: true }],
  ] as const
  for (const [name, more, { ...fault }] of cases) {
    await using context = await openUnderTest({}, { requestTimeoutMs: hurried(100_000), ...more })
    const path = 'login' in fault ? LOGIN : DIVISIONS
    const active = context.simulator.faults.add({ ...fault, match: { path } })
    const { read } = context.platform
    if (name === 'queued') read.call(policyOf(), listDivisions).catch(() => {})
    const controller = new AbortController()
    const call = read.call(policyOf({ signal: controller.signal }), listDivisions)
    while (active.applied === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    await turns(20)
    const ended = call.catch((error: unknown) => error)
    controller.abort(reason)
    t.equal(await Promise.race([ended, turns(5)]), reason, `${name}: at once`)
  }
})

test('a call is bounded as a whole, whatever it waits for', async (t) => {
  for (const fault of [
    { kind: 'hang' },
    { kind: 'status', status: 503, retryAfterSeconds: 170 },
    { kind: 'status', status: 500 },
  ] as const) {
    await using context = await openUnderTest()
    context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
    const failure = await failureOf(context.platform.read, { attempts: 1000, timeoutMs: 50_000 })
    t.equal(failure.code, 'upstream-busy')
    t.match(failure.message, 'was not done within 50 s')
  }
})

test('a refused connection is a failure that names no secret place', async (t) => {
  const { server, url } = await serve(() => {})
  await new Promise((resolve) => server.close(resolve))
  await using platform = openPlatform(optionsFor(url), () => {}, hurriedClock)
  const failure = await failureOf(platform.read)
  t.equal(failure.code, 'upstream-busy')
  t.match(failure.message, 'ECONNREFUSED')
})

function status(code: number, more = {}) {
  return { kind: 'status', status: code, ...more } as const
}

test('a failure says whether the platform can have executed what was asked for', async (t) => {
  const cases = [
    [[status(503)], true],
    [[status(403)], true],
    [[status(429, { retryAfterSeconds: 170 })], true],
    [[status(500)], false],
    [[status(500, { times: 1 }), status(503)], false],
    [[{ kind: 'reset' }], false],
    [[{ kind: 'hang' }], false],
  ] as const
  for (const [faults, unexecuted] of cases) {
    await using context = await openUnderTest()
    for (const fault of faults)
      context.simulator.faults.add({ ...fault, match: { path: DIVISIONS } })
    const failure = await failureOf(context.platform.read, { attempts: 3, timeoutMs: 50_000 })
    t.match(failure, { unexecuted }, JSON.stringify(faults))
  }
  await using context = await openUnderTest()
  const { read } = context.platform
  await read.call(policyOf(), listDivisions)
  await context.simulator.close()
  // Whatever becomes of the connection that was open.
  await failureOf(read, { attempts: 1 })
  t.match(await failureOf(read, { attempts: 2 }), { message: 'ECONNREFUSED', unexecuted: true })
})

test('a redirect is not followed', async (t) => {
  const { sent, server, url } = await serve((request, response) => {
    if (request.url === LOGIN) {
      response.end(JSON.stringify({ access_token: 'a-token', expires_in: 300 }))
    } else {
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    }
  })
  await using platform = openPlatform(optionsFor(url), () => {}, hurriedClock)
  t.match(await failureOf(platform.read), { code: 'upstream-broken', upstream: { status: 302 } })
  t.equal(sent.length, 2)
  server.close()
})

test('no failure holds the secret or a token, however it is looked at', async (t) => {
  const authorization = watchAuthorization()
  const failures: Failure[] = []
  const limits = { requestTimeoutMs: hurried(50) }
  for (const fault of [...PASSING_FAULTS, { kind: 'status', status: 403 } as const]) {
    for (const path of [DIVISIONS, LOGIN]) {
      await using context = await openUnderTest({}, limits)
      context.simulator.faults.add({ ...fault, match: { path } })
      failures.push(await failureOf(context.platform.read, { attempts: 2 }))
    }
  }
  await using context = await openUnderTest({}, { clientId: 'nobody' })
  failures.push(await failureOf(context.platform.read))
  authorization.stop()
  t.ok(authorization.sent.size > 10)
  const secrets = [DEFAULT_CLIENT.secret, ...authorization.sent]
  for (const failure of failures) {
    const text = allTextOf(failure)
    const leaked = secrets.filter((secret) => text.includes(secret))
    t.same(leaked, [], failure.message)
    t.notMatch(text, /bearer|basic /i)
  }
})

test('the write client has its own token and its own budget', async (t) => {
  const writer = { id: 'c11e0000-0000-4000-8000-000000000002', secret: 'other', name: 'Writer' }
  await using context = await openUnderTest(
    { clients: [DEFAULT_CLIENT, { ...writer, permissions: [] }] },
    { writeClient: writer },
  )
  const { platform, simulator, events } = context
  await platform.read.call(policyOf(), listDivisions)
  await platform.write.call(policyOf(), listDivisions)
  t.equal(simulator.requests.of(`POST ${LOGIN}`), 2)
  const clients = events.flatMap((event) => (event.type === 'budget' ? event.client : []))
  t.same(clients, ['read', 'write'])
})

/** A platform that is scripted by hand; `sent` are the requests it got. */
async function serve(listener: RequestListener) {
  const sent: string[] = []
  const server = createServer((request, response) => {
    sent.push(`${request.method} ${request.url}`)
    response.setHeader('connection', 'close')
    listener(request, response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return { sent, server, url: `http://127.0.0.1:${port}` }
}
