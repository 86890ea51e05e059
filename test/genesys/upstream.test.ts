import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { mock } from 'node:test'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import { isEmptyDrift } from '../../src/domain/compare-matrices.ts'
import type { Progress } from '../../src/domain/directory.ts'
import { evaluate } from '../../src/domain/evaluate.ts'
import { Failure } from '../../src/domain/failure.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import type { RequestedUpdate } from '../../src/domain/role-change.ts'
import { Secret } from '../../src/domain/secret.ts'
import type { Simulation } from '../../src/domain/simulation.ts'
import { plainFailure, reviveFailure } from '../../src/genesys/thread-messages.ts'
import { ThreadLink } from '../../src/genesys/thread-link.ts'
import { openUpstream } from '../../src/genesys/upstream.ts'
import type { UpstreamEvent, UpstreamOptions } from '../../src/genesys/upstream.ts'
import { allTextOf } from './platform-under-test.ts'

const { users, roles, divisions } = SMALL_WORLD
const { signal } = new AbortController()

const OLIVIA_AS_AGENT: RequestedUpdate = {
  userId: users.olivia,
  grant: [{ roleId: roles.agent, divisionId: divisions.support }],
}

async function openBoth(more: Partial<UpstreamOptions> = {}) {
  const simulator = await startSimulator({ world: smallWorld(), requestsPerMinute: 0 })
  const events: UpstreamEvent[] = []
  const upstream = openUpstream({
    clientId: DEFAULT_CLIENT.id,
    clientSecret: new Secret(DEFAULT_CLIENT.secret),
    region: 'us-east-1',
    baseUrl: simulator.url,
    requestsPerMinute: 1_000_000,
    onEvent: (event) => void events.push(event),
    ...more,
  })
  return {
    simulator,
    upstream,
    events,
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

test('reads, merges, compares and simulates in a thread of its own', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream, events } = context
  t.same(events, [], 'nothing is started before the first call')
  t.match(await upstream.preflight(signal), { organizationName: 'Small World', missing: [] })
  const seen: Progress[] = []
  const before = await upstream.readMatrix({ signal, onProgress: (at) => seen.push(at) })
  t.type(before, SharedArrayBuffer)
  t.equal(seen.at(-1)?.done, seen.at(-1)?.total)
  t.equal(evaluate(new Matrix(before), users.alice, 'routing:queue:view', divisions.sales), 0)

  simulator.grant(users.olivia, roles.agent, divisions.support)
  const { found, absent } = await upstream.readSubjects([users.olivia], signal)
  t.same(absent, [])
  const after = await upstream.merge(before, found)
  t.equal(evaluate(new Matrix(after), users.olivia, 'routing:queue:view'), 0)
  const drift = await upstream.compare(before, after)
  t.same(drift.subjectIds, [users.olivia])
  t.ok(isEmptyDrift(await upstream.compare(after, await readAgain(upstream))))
  const { json } = await upstream.simulate(before, {
    change: { kind: 'users', updates: [OLIVIA_AS_AGENT] },
    rules: [],
    now: Date.parse('2026-01-31T12:00:00Z'),
    limit: 10,
    offset: 0,
  })
  const { entries } = JSON.parse(new TextDecoder().decode(json)) as Simulation
  t.match(entries, [{ userId: users.olivia }])
  t.ok(entries[0]?.addedPermissions.includes('routing:queue:view'))
  const rules: readonly RoleRule[] = [
    { name: 'r', kind: 'requires', role: roles.agent, requires: [roles.unused], scope: 'overall' },
  ]
  const { conflicts } = await upstream.conflicts(after, rules, { limit: 100 })
  t.ok(conflicts.some(({ userId }) => userId === users.olivia))

  t.match(events[0], { type: 'thread', state: 'started' })
  const types = new Set(events.map((event) => event.type))
  t.same([...types].sort(), ['budget', 'request', 'thread'])
})

function readAgain(upstream: Awaited<ReturnType<typeof openBoth>>['upstream']) {
  return upstream.readMatrix({ signal, onProgress: () => {} })
}

test('the thread lets checks go first', { skip: process.platform !== 'linux' }, async (t) => {
  await using context = await openBoth()
  await context.upstream.preflight(signal)
  const threads = readdirSync('/proc/self/task')
  const named = threads.filter((id) => {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8') === 'genesys\n'
  })
  t.equal(named.length, 1)
  t.ok(getPriority(Number(named[0])) > getPriority(process.pid))
})

test('failures cross from the thread as failures, and without secrets', async (t) => {
  await using context = await openBoth({ clientSecret: new Secret('not-the-secret') })
  const failure: unknown = await context.upstream.preflight(signal).catch((error) => error)
  t.type(failure, Failure)
  t.match(failure, { code: 'upstream-refused', upstream: { status: 401 } })
  t.match((failure as Failure).message, 'does not accept GENESYS_CLIENT_ID')
  t.notMatch(allTextOf(failure), /not-the-secret|basic /i)
})

test('a failure keeps all its parts; an unexpected error tells nothing', async (t) => {
  const upstream = { status: 429, code: 'too.many.requests', correlationId: 'abc' }
  const failure = new Failure('upstream-busy', 'busy', { retryAfterSeconds: 9, upstream })
  t.match(reviveFailure(structuredClone(plainFailure(failure))), {
    name: 'Failure',
    code: 'upstream-busy',
    message: 'busy',
    retryAfterSeconds: 9,
    upstream,
  })
  const plain = plainFailure(new TypeError('Bearer abc'))
  t.match(plain, { code: 'internal', undecided: true, message: /unexpected TypeError/ })
  t.notMatch(JSON.stringify(plain), 'Bearer')
})

test('an abort answers at once and stops the work in the thread', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const fault = simulator.faults.add({
    kind: 'hang',
    match: { path: '/api/v2/authorization/roles' },
  })
  const controller = new AbortController()
  const reading = upstream.readMatrix({ signal: controller.signal, onProgress: () => {} })
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  const reason = new Error('not now')
  controller.abort(reason)
  await t.rejects(reading, reason)
  await t.rejects(upstream.preflight(controller.signal), reason)
  simulator.faults.clear()
  t.match(await upstream.preflight(signal), { permissionsKnown: true })
})

test('a thread that dies rejects its calls, and the next call starts another', async (t) => {
  const states: string[] = []
  await using link = new ThreadLink({
    entry: new URL('mortal-thread.ts', import.meta.url),
    workerData: null,
    onEvent: (event) => void (event.type === 'thread' && states.push(event.state)),
  })
  const merge = { base: new SharedArrayBuffer(8), subjects: [] }
  const [thrown, waiting] = await Promise.allSettled([
    link.call('preflight', null),
    link.call('compare', { before: merge.base, after: merge.base }),
  ])
  for (const result of [thrown, waiting]) {
    t.match(result, { status: 'rejected', reason: { code: 'upstream-broken', message: /died/ } })
    t.notMatch(allTextOf(result), 'nobody expected')
  }
  await t.rejects(link.call('readMatrix', null), { code: 'upstream-broken' })
  t.equal(await link.call('merge', merge), 1)
  t.same(states, ['started', 'crashed', 'started', 'crashed', 'started'])
})

test('a thread that is stuck is ended, and the next call starts another', async (t) => {
  const states: string[] = []
  await using link = new ThreadLink({
    entry: new URL('mortal-thread.ts', import.meta.url),
    workerData: null,
    onEvent: (event) => void (event.type === 'thread' && states.push(event.state)),
    timeoutsMs: { compare: 300, readSubjects: 400 },
  })
  const merge = { base: new SharedArrayBuffer(8), subjects: [] }
  const silent = link.call('compare', { before: merge.base, after: merge.base })
  await t.rejects(silent, { code: 'upstream-broken', message: /no answer to compare/ })
  t.equal(await link.call('merge', merge), 1)
  const both = await Promise.allSettled([link.call('readSubjects', []), link.call('merge', merge)])
  for (const result of both) {
    const reason = { code: 'upstream-broken', message: /no answer to readSubjects/ }
    t.match(result, { status: 'rejected', reason })
  }
  t.equal(await link.call('merge', merge), 1)
  t.same(states, ['started', 'crashed', 'started', 'crashed', 'started'])
})

test('who only looks is told that there is no time, and the thread lives on', async (t) => {
  const states: string[] = []
  await using link = new ThreadLink({
    entry: new URL('mortal-thread.ts', import.meta.url),
    workerData: null,
    onEvent: (event) => void (event.type === 'thread' && states.push(event.state)),
    patienceMs: { conflicts: 100 },
  })
  const base = new SharedArrayBuffer(8)
  await t.rejects(link.call('conflicts', { matrix: base, rules: [], page: { limit: 1 } }), {
    code: 'overloaded',
    retryAfterSeconds: 10,
  })
  t.equal(await link.call('merge', { base, subjects: [] }), 1)
  t.same(states, ['started'])
})

test('a thread that keeps dying is not started without end', async (t) => {
  let now = 0
  let started = 0
  await using link = new ThreadLink({
    entry: new URL('mortal-thread.ts', import.meta.url),
    workerData: null,
    onEvent: (event) => void (event.type === 'thread' && event.state === 'started' && started++),
    now: () => now,
  })
  for (let i = 0; i < 5; i++) {
    await t.rejects(link.call('preflight', null), { code: 'upstream-broken' })
  }
  const refused = { code: 'upstream-busy', retryAfterSeconds: 60 }
  await t.rejects(link.call('preflight', null), refused)
  t.equal(started, 5)
  now = 60_000
  await t.rejects(link.call('preflight', null), { code: 'upstream-broken' })
  t.equal(started, 6)
})

test('disposing ends what is pending and leaves nothing open', async (t) => {
  const { simulator, upstream, events } = await openBoth()
  const fault = simulator.faults.add({ kind: 'hang', match: { path: '/api/v2/users' } })
  const reading = readAgain(upstream)
  reading.catch(() => {})
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  // Force has no effect, however soon it is used: the thread has to end by itself.
  mock.method(Worker.prototype, 'terminate', async () => 0)
  t.teardown(() => mock.restoreAll())
  await upstream[Symbol.asyncDispose]()
  await t.rejects(reading, { code: 'upstream-busy', message: 'the service is stopping' })
  await t.rejects(upstream.preflight(signal), { code: 'upstream-busy' })
  await upstream[Symbol.asyncDispose]()
  await simulator.close()
  t.notOk(events.some((event) => event.type === 'thread' && event.state === 'crashed'))
})

function source(file: string): string {
  return new URL(`../../src/${file}`, import.meta.url).href
}

const SDK_CONFIG = `
[logging]
log_level = trace
log_to_console = true
[gateway]
host = another.example
[general]
live_reload_config = true
`

test('an idle thread does not keep the process alive, nor the SDK’s own file lead it astray', async (t) => {
  const home = t.testdir({ '.genesyscloudjavascript': { config: SDK_CONFIG } })
  await using context = await openBoth()
  const script = `
    const { openUpstream } = await import('${source('genesys/upstream.ts')}')
    const { Secret } = await import('${source('domain/secret.ts')}')
    const upstream = openUpstream({
      clientId: '${DEFAULT_CLIENT.id}', clientSecret: new Secret('${DEFAULT_CLIENT.secret}'),
      region: 'eu-west-1', baseUrl: '${context.simulator.url}', requestsPerMinute: 1000,
      onEvent() {},
    })
    const { organizationName } = await upstream.preflight(new AbortController().signal)
    console.log(organizationName)`
  const run = promisify(execFile)
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await run(process.execPath, args, {
    timeout: 120_000,
    env: { ...process.env, HOME: home },
  })
  t.equal(stdout, 'Small World\n')
})

test('a region that there is none of is refused before anything starts', async (t) => {
  const options = {
    clientId: 'x',
    clientSecret: new Secret('y'),
    region: 'atlantis-1',
    requestsPerMinute: 1,
    onEvent: () => {},
  }
  t.throws(() => openUpstream(options), { code: 'invalid', field: 'GENESYS_REGION' })
})
