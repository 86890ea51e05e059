import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { Failure } from '../../src/domain/failure.ts'
import { lastingPort } from '../support/lasting-port.ts'
import type { Body, Caller } from './support/caller.ts'
import { ADMIN_KEY, CHECK_KEY, environment } from './support/environment.ts'
import { METRICS_KEY, temporaryFolder } from './support/environment.ts'
import { allQuestions, readOutcome } from './support/questions.ts'
import { openService, seen, startPlatform, startUnderTest } from './support/service-under-test.ts'
import { crowdedWorld, outcomesOf, TELLING_QUESTIONS } from './support/two-organizations.ts'
import { until } from './support/until.ts'

const { users, roles, divisions, groups, clients } = SMALL_WORLD
const { home, sales, support } = divisions

const HOLDERS = '/api/v2/authorization/roles/{roleId}/subjectgrants'
const VIEW = 'routing:queue:view'
const NOT_READY = /:not-ready$/

/** Tries nothing twice: these platforms answer at once, or nobody waits for their answer. */
const IMPATIENT = { requestTimeoutMs: 60_000, maxAttempts: 1 }

/** For two requests: longer than a busy machine stands still, as a rule. */
const DRAIN_MS = 5_000

/** Credentials that reached the platform or a service, whoever sent them. */
const credentials = new Set([CHECK_KEY, ADMIN_KEY, METRICS_KEY, DEFAULT_CLIENT.secret])
diagnostics.subscribe('http.server.request.start', (message) => {
  const { headers } = (message as { request: IncomingMessage }).request
  const [, secret] = /^\w+ (.+)$/.exec(headers.authorization ?? '') ?? []
  if (secret !== undefined) credentials.add(secret)
})

async function explain(
  caller: Caller,
  userId: string,
  permission: string,
  divisionId?: string,
): Promise<Body> {
  return (await caller.ask({ userId, permission, divisionId, explain: 'true' })).body
}

async function refusalOf(starting: Promise<unknown>): Promise<Failure> {
  const error: unknown = await starting.then(
    () => new Error('the service started'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Failure)) throw error
  return error
}

test('checks over HTTP answer as the organisation itself', async (t) => {
  await using context = await startUnderTest()
  const { caller, simulator } = context

  await t.test('one of each kind', async (t) => {
    const cases: readonly (readonly [string, string, string | undefined, string])[] = [
      [users.alice, VIEW, undefined, 'allowed'],
      [users.alice, VIEW, sales, 'allowed'],
      [users.alice, VIEW, support, 'other_division'],
      [users.bob, 'routing:queue:edit', 'a division to come', 'allowed'],
      [users.carol, 'routing:queue:delete', support, 'allowed'],
      [users.dave, VIEW, undefined, 'not_granted'],
      [users.erin, 'quality:evaluation:view', support, 'conditional'],
      [users.frank, VIEW, sales, 'inactive_user'],
      [users.grace, VIEW, home, 'inactive_user'],
      [users.heidi, 'telephony:plugin:all', undefined, 'allowed'],
      [users.ivan, 'group_creation', undefined, 'allowed'],
      [clients.reporting, VIEW, sales, 'allowed'],
      ['nobody', VIEW, sales, 'unknown_user'],
      [users.alice, 'routing:queue:fly', undefined, 'unknown_permission'],
    ]
    for (const [userId, permission, divisionId, expected] of cases) {
      const question = { userId, permission, divisionId }
      t.equal(await caller.outcome(question), expected, JSON.stringify(question))
    }
  })

  await t.test('every user, permission and division', async (t) => {
    const questions = allQuestions(simulator.world)
    const wrong: string[] = []
    const met = new Set<string>()
    for (let start = 0; start < questions.length; start += 10_000) {
      const asked = questions.slice(start, start + 10_000)
      const { status, body } = await caller.batch(asked)
      t.equal(status, 200)
      for (const [index, question] of asked.entries()) {
        const { allowed, reason } = body.results[index]
        const outcome = allowed ? 'allowed' : reason
        met.add(outcome)
        if (outcome !== readOutcome(simulator.world, question)) {
          wrong.push(`${JSON.stringify(question)}: ${outcome}`)
        }
      }
    }
    t.same(wrong.slice(0, 5), [])
    t.equal(met.size, 6, 'all but unknown users')
  })

  await t.test('with the values that a condition asks for', async (t) => {
    const check = { userId: users.erin, permission: 'quality:evaluation:view' }
    const ask = async (queue: string): Promise<boolean> => {
      const attributes = { 'Conversation.queues': queue, 'Evaluation.released': 'false' }
      const checks = [{ ...check, attributes }]
      const { body } = await caller.check('/api/v1/check-permissions', { body: { checks } })
      return body.results[0].allowed
    }
    t.equal(await ask(SMALL_WORLD.queues.support), true)
    t.equal(await ask(SMALL_WORLD.queues.sales), false)
  })

  await t.test('explained in names that a person knows', async (t) => {
    t.match(await explain(caller, users.carol, 'routing:queue:delete', support), {
      allowed: true,
      explanation: {
        paths: [
          {
            role: { name: 'Supervisor' },
            division: { name: 'Support' },
            via: { type: 'group', name: 'Night Shift' },
            policy: 'routing:queue:*',
          },
        ],
      },
    })
    t.match(await explain(caller, users.alice, VIEW, support), {
      reason: 'other_division',
      explanation: { nearest: { divisions: [{ name: 'Sales' }] } },
    })
    t.match(await explain(caller, users.olivia, 'telephony:plugin:all'), {
      reason: 'not_granted',
      explanation: { nearest: { roles: [{ name: 'Telephony Admin' }] } },
    })
    t.match(await explain(caller, users.alice, 'routing:queue:views'), {
      reason: 'unknown_permission',
      explanation: { nearest: { permission: VIEW } },
    })
    const { explanation } = await explain(caller, users.judy, VIEW, sales)
    const ways = explanation.paths.map((path: { via: { type: string } }) => path.via.type)
    t.same(ways.toSorted(), ['direct', 'group'], 'every path is told')
  })
})

test('every described route of both planes answers', async (t) => {
  await using context = await startUnderTest({ env: { PUBLIC_URL: 'https://pdp.example.com' } })
  const { caller } = context
  const rebuild = await caller.rebuild()
  const updates = [
    { userId: users.olivia, grant: [{ roleId: 'Agent', divisionId: SMALL_WORLD.divisions.sales }] },
  ]
  const asking = { body: { updates } }
  const { body: batch } = await caller.admin('/admin/v1/role-changes', asking)
  await until('the batch has ended', async () => {
    const { body } = await caller.admin(`/admin/v1/role-changes/${batch.id}`)
    return body.state === 'succeeded'
  })
  const period = { kind: 'changes', from: '2020-01-01', to: '2100-01-01' }
  const { body: report } = await caller.admin('/admin/v1/audit/reports', { body: period })
  const allowlist = {
    name: 'Offices',
    entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
  }
  const blue = {
    name: 'blue',
    description: '',
    configSource: { type: 'matrix', sources: ['git'] },
    accessControl: [],
  }
  const { body: offices } = await caller.admin('/admin/v1/ip-allowlists', { body: allowlist })
  const { body: created } = await caller.admin('/admin/v1/environments', { body: blue })
  const ids: Record<string, string> = {
    'ip-allowlists': offices.allowlistId,
    environments: created.id ?? created.environmentId,
    deliveries: '00000000-0000-4000-8000-000000000000',
    rebuilds: rebuild.id,
    'role-changes': batch.id,
    audit: report.id,
  }
  const query: Record<string, string> = {
    '/check-permission': `?userId=${users.alice}&permission=${VIEW}`,
    '/api/v1/check-permission': `?userId=${users.alice}&permission=${VIEW}`,
  }
  const values: Record<string, string> = { userId: users.alice, permission: VIEW }
  const question = {
    subject: { type: 'user', id: users.alice },
    action: { name: 'view' },
    resource: { type: 'routing:queue', id: SMALL_WORLD.divisions.sales },
  }
  const asked = ['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action']
  const bodies: Record<string, unknown> = {
    ...Object.fromEntries(asked.map((path) => [`/access/v1/${path}`, question])),
    '/api/v1/check-permissions': { userId: users.alice, permissions: [VIEW] },
    '/admin/v1/rebuilds': {},
    '/admin/v1/role-changes': { updates, dryRun: true },
    '/admin/v1/role-changes/simulations': { updates },
    '/admin/v1/role-changes/{id}/stop': {},
    '/admin/v1/role-changes/{id}/resume': {},
    '/admin/v1/role-changes/{id}/rollback': {},
    '/admin/v1/audit/reports': period,
    '/admin/v1/ip-allowlists': allowlist,
    '/admin/v1/ip-allowlists/validations': allowlist,
    '/admin/v1/ip-allowlists/organization/undo': {},
    '/admin/v1/environments': { ...blue, name: 'green' },
    '/admin/v1/environments/validations': blue,
    '/admin/v1/deliveries/{id}/retry': {},
  }
  /** What has ended is not stopped, what was never done not undone, what is not there not sent again. */
  const refused = new Map([
    ['/admin/v1/role-changes/{id}/stop', 409],
    ['/admin/v1/role-changes/{id}/resume', 409],
    ['/admin/v1/ip-allowlists/organization/undo', 409],
    ['/admin/v1/deliveries/{id}/retry', 404],
  ])
  const documents = [
    ['/openapi-check.json', (path: string, body?: unknown) => caller.check(path, { body })],
    ['/openapi.json', (path: string, body?: unknown) => caller.admin(path, { body })],
  ] as const
  for (const [document, send] of documents) {
    const { paths } = (await caller.admin(document)).body
    t.ok(Object.keys(paths).length >= 8, `${document} describes the plane`)
    for (const [path, operations] of Object.entries<object>(paths)) {
      const concrete = path.replaceAll(/\{(\w+)\}/g, (_, name) => {
        return encodeURIComponent(values[name] ?? ids[path.split('/')[3] ?? ''] ?? '')
      })
      for (const method of Object.keys(operations)) {
        const body = method === 'post' ? bodies[path] : undefined
        const { status, text } = await send(concrete + (query[path] ?? ''), body)
        const expected = [refused.get(path) ?? [200, 201, 202]].flat()
        t.ok(expected.includes(status), `${method} ${path}: ${status} ${text.slice(0, 90)}`)
      }
    }
  }
  t.equal((await caller.admin('/docs')).status, 200)
  t.equal((await caller.admin('/metrics', { key: METRICS_KEY })).status, 200)
  t.equal((await caller.admin('/admin/v1/matrix', { key: METRICS_KEY })).status, 403)
  t.equal((await caller.ask({ userId: 'a', permission: 'b' }, { key: ADMIN_KEY })).status, 401)
})

test('a rebuild that an admin starts is followed to its end', async (t) => {
  await using context = await startUnderTest({ overrides: { upstream: IMPATIENT } })
  const { caller, simulator } = context
  const { body: before } = await caller.ready()
  t.equal(before.revision, 1)
  const gate = Promise.withResolvers<void>()
  simulator.faults.add({ match: { path: HOLDERS }, kind: 'slow', until: gate.promise, after: 2 })
  const started = await caller.startRebuild()
  t.match(started, { state: 'running', requestedBy: 'root', allowShrink: false })
  const { body: joined, status } = await caller.admin('/admin/v1/rebuilds', { body: {} })
  t.match([status, joined.id], [200, started.id], 'there is one at a time')
  const underWay = await until('progress is seen', async () => {
    const { body } = await caller.admin(`/admin/v1/rebuilds/${started.id}`)
    return body.progress?.done > 0 && body
  })
  t.equal(underWay.state, 'running')
  t.ok(underWay.progress.total > underWay.progress.done)
  t.equal((await caller.ready()).body.revision, 1, 'the old matrix serves meanwhile')
  gate.resolve()
  const ended = await caller.untilEnded(started.id)
  t.match(ended, { state: 'succeeded', revision: 2 })
  t.equal(ended.progress.done, ended.progress.total)
  const answer = await caller.ask({ userId: users.alice, permission: VIEW })
  t.equal(answer.headers.get('x-matrix-revision'), '2')
  const ahead = { headers: { 'x-minimum-revision': '3' } }
  const tooEarly = await caller.ask({ userId: users.alice, permission: VIEW }, ahead)
  t.match([tooEarly.status, tooEarly.body.type], [503, NOT_READY])
})

test('while it drains readiness has fallen, and checks are still answered', async (t) => {
  await using folder = await temporaryFolder()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const env = environment(simulator.url, folder.path)
  const running = await openService(env, { drainMs: DRAIN_MS })
  await running.service.start()
  const { caller } = running
  await caller.untilReady()
  const { checkUrl } = running.service
  const drained = running[Symbol.asyncDispose]()
  t.match(await caller.ready(), {
    status: 503,
    body: { type: NOT_READY, detail: /shutting down/ },
  })
  t.equal(await caller.outcome({ userId: users.alice, permission: VIEW }), 'allowed')
  await drained
  await t.rejects(fetch(`${checkUrl}/health/live`), TypeError)
})

test('an organisation that shrinks is refused until an admin says that it is meant', async (t) => {
  await using context = await startUnderTest()
  const { caller, simulator } = context
  for (const id of [users.alice, users.bob, users.carol, users.ivan, users.judy]) {
    simulator.deleteUser(id)
  }
  const refused = await caller.rebuild()
  t.match(refused, { state: 'refused', error: /grants fell by .* at most 30 %.*allowShrink/ })
  t.equal(await caller.outcome({ userId: users.alice, permission: VIEW }), 'allowed')
  t.equal(await caller.metric('rebuilds_total{result="refused"}'), 1)
  t.match((await caller.admin('/admin/v1/matrix')).body.lastRebuild, { state: 'refused' })
  t.match(await caller.rebuild({ allowShrink: true }), { state: 'succeeded', revision: 2 })
  t.equal(await caller.outcome({ userId: users.alice, permission: VIEW }), 'inactive_user')
})

test('what changed elsewhere is counted as drift', async (t) => {
  await using context = await startUnderTest()
  const { caller, simulator, lines } = context
  simulator.grant(users.olivia, roles.agent, sales)
  simulator.revoke(users.alice, roles.agent, sales)
  simulator.updateUser(users.frank, { state: 'active' })
  simulator.updateGroup(groups.bookClub, { rolesEnabled: true })
  t.match(await caller.rebuild(), { state: 'succeeded' })
  const kinds = ['grant_added', 'grant_removed', 'subject_state_changed', 'group_changed']
  for (const kind of kinds) t.equal(await caller.metric(`drift_total{kind="${kind}"}`), 1, kind)
  const drift = await until('the drift is logged', () =>
    lines.find((line) => line.msg === 'the organisation changed'),
  )
  t.match(drift, { from: 1, to: 2, drift: { grant_added: 1 } })
  t.equal(await caller.outcome({ userId: users.dave, permission: VIEW }), 'allowed')
})

test('a user of the last minute works before the next rebuild and after it', async (t) => {
  await using context = await startUnderTest({ overrides: { upstream: IMPATIENT } })
  const { caller, simulator } = context
  const grants = [{ roleId: roles.agent, divisionId: sales }]
  const late = simulator.addUser({ name: 'Lara Late', grants })
  const question = { userId: late.id, permission: VIEW }
  t.equal(await caller.outcome(question), 'unknown_user')
  const allowed = async (): Promise<boolean> => (await caller.outcome(question)) === 'allowed'
  await until('the new user is known', allowed)
  t.equal((await caller.ready()).body.revision, 2)
  t.equal(await caller.metric('rebuilds_total{result="succeeded"}'), 1, 'no rebuild was needed')
  t.equal(await caller.metric('unknown_user_reads_total{result="found"}'), 1)

  t.match(await caller.rebuild(), { state: 'succeeded', revision: 3 })
  t.ok(await allowed(), 'the rebuild has read the user itself')

  simulator.updateUser(late.id, { state: 'inactive' })
  t.match(await caller.rebuild(), { state: 'succeeded' })
  t.equal(await caller.outcome(question), 'inactive_user')
  simulator.updateUser(late.id, { state: 'active' })
  t.match(await caller.rebuild(), { state: 'succeeded' })
  t.ok(await allowed())
  simulator.deleteUser(late.id)
  t.match(await caller.rebuild(), { state: 'succeeded' })
  t.equal(await caller.outcome(question), 'inactive_user')
})

test('a user read while a rebuild runs outlives a rebuild that began without it', async (t) => {
  await using context = await startUnderTest({ overrides: { upstream: IMPATIENT } })
  const { caller, simulator } = context
  simulator.requests.reset()
  const gate = Promise.withResolvers<void>()
  const path = `/api/v2/authorization/roles/${roles.unused}/subjectgrants`
  const held = simulator.faults.add({ match: { path }, kind: 'slow', until: gate.promise })
  const { id } = await caller.startRebuild()
  await until('the users are read', () => simulator.requests.of('GET /api/v2/users') >= 3)
  await until('the holders are being read', () => held.applied > 0)
  const grants = [{ roleId: roles.agent, divisionId: sales }]
  const late = simulator.addUser({ name: 'Lara Late', grants })
  const question = { userId: late.id, permission: VIEW }
  await until('the user is known', async () => (await caller.outcome(question)) === 'allowed')
  t.equal((await caller.admin(`/admin/v1/rebuilds/${id}`)).body.state, 'running')
  gate.resolve()
  t.match(await caller.untilEnded(id), { state: 'succeeded', revision: 3 })
  t.equal(await caller.outcome(question), 'allowed')
})

test('keys that change on disk take effect on connections that stay open', async (t) => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'keys')
  const [first, second] = ['first-key-0123456789abcdef', 'second-key-0123456789abcde']
  credentials.add(first)
  credentials.add(second)
  await writeFile(file, `app=${first}\n`)
  const env = { CHECK_API_KEYS: '', CHECK_API_KEYS_FILE: file }
  await using context = await startUnderTest({ env })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number>()
  const answered = async (key: string): Promise<number | undefined> => {
    const url = `${context.service.checkUrl}/check-permission?userId=a&permission=b`
    const sent = request(url, { agent, headers: { authorization: `Bearer ${key}` } }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    ports.add(response.socket.localPort ?? 0)
    response.resume()
    await once(response, 'end')
    return response.statusCode
  }
  // 503: the event loop was late.
  const status = (key: string): Promise<number> =>
    until('the service has time', async () => {
      const code = await answered(key)
      return code !== 503 && code
    })
  t.same([await status(first), await status(second)], [200, 401])
  await writeFile(file, `app=${first}\napp=${second}\n`)
  await until('the second key is taken', async () => (await status(second)) === 200)
  t.equal(await status(first), 200, 'a name may have two secrets while one is changed')
  await writeFile(file, `app=${second}\n`)
  await until('the first key is refused', async () => (await status(first)) === 401)
  t.equal(await status(second), 200)
  await writeFile(file, 'nonsense')
  await until('the slip is logged', () => {
    return context.lines.some((line) => /keys stay as they were/.test(line.msg))
  })
  t.equal(await status(second), 200, 'a slip locks nobody out')
  t.equal(ports.size, 1, 'all on one connection')
})

test('what cannot work ends the start with one clear line', async (t) => {
  await using folder = await temporaryFolder()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const env = environment(simulator.url, folder.path)

  await t.test('a wrong secret', async (t) => {
    credentials.add('a-wrong-secret')
    await using running = await openService({ ...env, GENESYS_CLIENT_SECRET: 'a-wrong-secret' })
    const { message, code } = await refusalOf(running.service.start())
    t.equal(code, 'upstream-refused')
    t.match(message, /^the platform does not accept GENESYS_CLIENT_ID \/ GENESYS_CLIENT_SECRET/)
    t.notMatch(message, /\n|a-wrong-secret/)
  })

  await t.test('another organisation', async (t) => {
    const organization = 'ffffffff-0000-4000-8000-000000000999'
    await using running = await openService({ ...env, GENESYS_ORGANIZATION_ID: organization })
    const { message } = await refusalOf(running.service.start())
    t.match(message, /^GENESYS_ORGANIZATION_ID is .*000999, but the client belongs to .*Small/)
    t.equal((await running.caller.ready()).status, 503)
  })

  await t.test('a port that is taken', async (t) => {
    await using first = await openService(env)
    await first.service.start()
    for (const [name, url] of [
      ['PORT', first.service.checkUrl],
      ['ADMIN_PORT', first.service.adminUrl],
    ] as const) {
      const { port } = new URL(url)
      await using second = await openService({ ...env, [name]: port })
      const { message } = await refusalOf(second.service.start())
      const host = name === 'PORT' ? 'HOST' : 'ADMIN_HOST'
      t.equal(message, `cannot listen on 127.0.0.1:${port} (EADDRINUSE): see ${host} and ${name}`)
    }
  })
})

test('permissions that the client lacks are named', async (t) => {
  await t.test('where the rest works without them', async (t) => {
    const permissions = ['directory:user:view', 'authorization:role:view']
    const options = { clients: [{ ...DEFAULT_CLIENT, permissions }] }
    await using context = await startUnderTest({ simulator: options })
    const { caller } = context
    t.equal(await caller.outcome({ userId: users.alice, permission: VIEW }), 'allowed')
    const { warnings, platform, matrix } = (await caller.admin('/admin/v1/matrix')).body
    const missing = platform.missingPermissions.map((each: Named) => each.permission)
    t.same(missing, [
      'authorization:grant:view',
      'authorization:policy:view',
      'architecture:ipallowlist:read',
      'architecture:environment:read',
      'authorization:grant:add',
      'authorization:grant:delete',
      'architecture:ipallowlist:write',
      'architecture:environment:write',
      'directory:organization:admin',
    ])
    for (const permission of missing) {
      t.ok(
        warnings.some((warning: string) => warning.includes(permission)),
        permission,
      )
    }
    t.equal(matrix.activeAccessPolicies, null)
  })

  await t.test('where no matrix can be built without them', async (t) => {
    const permissions = ['directory:user:view']
    const options = { clients: [{ ...DEFAULT_CLIENT, permissions }] }
    await using context = await startUnderTest({ simulator: options, ready: false })
    const { caller, lines } = context
    const described = await until('the first rebuild has ended', async () => {
      const { body } = await caller.admin('/admin/v1/matrix')
      return body.lastRebuild && body
    })
    t.match(described, { servable: false, lastRebuild: { state: 'failed', error: /403/ } })
    t.match(described.platform.missingPermissions[0], {
      permission: 'authorization:role:view',
      essential: true,
    })
    t.match((await caller.ready()).body.type, NOT_READY)
    const error = lines.find((line) => line['permission'] === 'authorization:role:view')
    t.match(error, { level: 50, msg: /reading roles and who holds them will not work/ })
  })
})

type Named = { readonly permission: string }

/** Every route that a matrix is needed for says that there is none to answer from. */
async function refusesAll(t: Test, caller: Caller): Promise<void> {
  const paths = [
    '/health/ready',
    `/check-permission?userId=${users.alice}&permission=${VIEW}`,
    `/api/v1/users/${users.alice}/permissions`,
    `/api/v1/permissions/${VIEW}/users`,
    '/api/v1/permissions',
  ]
  for (const path of paths) {
    const { status, body, text } = await caller.check(path)
    t.match([status, body.type], [503, NOT_READY], path)
    t.notMatch(text, 'allowed')
  }
  const { status, body } = await caller.batch([{ userId: users.alice, permission: VIEW }])
  t.match([status, body.type], [503, NOT_READY])
  t.equal((await caller.check('/health/live')).status, 200)
  const { body: described } = await caller.admin('/admin/v1/matrix')
  t.equal(described.servable, false)
  t.type(described.reason, 'string')
}

test('without platform and snapshot nothing is denied: it is not ready until it is', async (t) => {
  await using folder = await temporaryFolder()
  const port = await lastingPort()
  const env = environment(`http://127.0.0.1:${port}`, folder.path)
  await using running = await openService(env, { upstream: IMPATIENT })
  await running.service.start()
  await refusesAll(t, running.caller)
  const back = await startPlatform({ port })
  t.teardown(() => back.close())
  await running.caller.untilReady()
  t.equal(await running.caller.outcome({ userId: users.alice, permission: VIEW }), 'allowed')
})

test('a snapshot serves with its true age while the platform is down', async (t) => {
  await using folder = await temporaryFolder()
  const port = await lastingPort()
  const first = await startPlatform({ port })
  const env = environment(first.url, folder.path)
  const run = async (overrides: object, work: (caller: Caller) => Promise<void>) => {
    await using running = await openService(env, { upstream: IMPATIENT, ...overrides })
    await running.service.start()
    await work(running.caller)
  }
  const question = { userId: users.alice, permission: VIEW }
  await run({}, async (caller) => void (await caller.untilReady()))
  await first.close()

  await run({ now: () => Date.now() + 600_000 }, async (caller) => {
    const { status, headers, body } = await caller.ask(question)
    t.match([status, body.allowed], [200, true])
    t.equal(headers.get('x-matrix-revision'), '1')
    t.ok(Number(headers.get('x-matrix-age')) >= 600)
    t.ok((await caller.ready()).body.ageSeconds >= 600)
    t.ok((await caller.metric('matrix_age_seconds')) >= 600)
  })
  const tooOld = Date.now() + 3_601_000
  await run({ now: () => tooOld }, (caller) => refusesAll(t, caller))

  const second = await startPlatform({ port })
  t.teardown(() => second.close())
  await run({}, async (caller) => {
    await until('the organisation is read again', async () => {
      return (await caller.ready()).body.revision === 2
    })
  })
})

test('a platform that talks nonsense at start takes nothing away from a snapshot', async (t) => {
  await using folder = await temporaryFolder()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const env = environment(simulator.url, folder.path)
  const question = { userId: users.alice, permission: VIEW }
  {
    await using first = await openService(env, { upstream: IMPATIENT })
    await first.service.start()
    await first.caller.untilReady()
  }
  const faults = [
    { path: '/oauth/token', kind: 'malformed-body' },
    { path: '/oauth/token', kind: 'status', status: 403 },
    { path: '/oauth/token', kind: 'html-error', status: 502 },
    { path: '/api/v2/tokens/me', kind: 'malformed-body' },
    { path: /\/(tokens|organizations)\/me/, kind: 'status', status: 403 },
    { path: /\/(tokens|organizations)\/me/, kind: 'status', status: 302 },
    { path: '/api/v2/authorization/subjects/me', kind: 'malformed-body' },
  ] as const
  for (const { path, ...fault } of faults) {
    simulator.faults.clear()
    simulator.faults.add({ match: { path }, ...fault })
    await using running = await openService(env, { upstream: IMPATIENT })
    await running.service.start()
    t.equal((await running.caller.ask(question)).body.allowed, true, `${path} ${fault.kind}`)
    const { revision } = (await running.caller.ready()).body
    simulator.faults.clear()
    await until('it recovers', async () => {
      await running.caller.admin('/admin/v1/rebuilds', { body: {} })
      return (await running.caller.ready()).body.revision > revision
    })
  }
})

test('a snapshot of another organisation is never served once the platform is known', async (t) => {
  await using folder = await temporaryFolder()
  const port = await lastingPort()
  const first = await startPlatform({ port })
  const env = environment(first.url, folder.path)
  {
    await using running = await openService(env)
    await running.service.start()
    await running.caller.untilReady()
  }
  await first.close()
  const other = { ...env, GENESYS_ORGANIZATION_ID: 'ffffffff-0000-4000-8000-000000000999' }
  {
    await using running = await openService(other, { upstream: IMPATIENT })
    await running.service.start()
    await refusesAll(t, running.caller)
  }
  const platform = await startPlatform({ port })
  t.teardown(() => platform.close())
  Object.assign(platform.world.organization, { id: other.GENESYS_ORGANIZATION_ID })
  platform.faults.add({ match: { path: HOLDERS }, kind: 'hang' })
  {
    await using running = await openService(env, { upstream: IMPATIENT })
    await t.rejects(running.service.start(), {
      message: /the database belongs to the organisation/,
    })
  }
  const elsewhere = { ...env, DATABASE_URL: `sqlite:${join(folder.path, 'other.sqlite')}` }
  await using running = await openService(elsewhere, { upstream: IMPATIENT })
  await running.service.start()
  await refusesAll(t, running.caller)
})

test('services that share DATA_DIR and process id, as containers do, leave it sound', async (t) => {
  await using folder = await temporaryFolder()
  const world = crowdedWorld()
  const expected = outcomesOf(world)
  const platform = await startPlatform({ world })
  const env = environment(platform.url, folder.path)
  {
    await using first = await openService(env)
    await using second = await openService(env)
    for (const { service } of [first, second]) await service.start()
    for (const { caller } of [first, second]) await caller.untilReady()
    for (let round = 0; round < 4; round++) {
      await Promise.all([first, second].map(({ caller }) => caller.rebuild()))
    }
    for (const { caller } of [first, second]) {
      t.equal(await caller.metric('snapshot_writes_total{result="failed"}'), 0)
    }
  }
  await platform.close()
  await using third = await openService(env, { upstream: IMPATIENT })
  await third.service.start()
  const { body } = await third.caller.batch(TELLING_QUESTIONS)
  type Result = { allowed: boolean; reason: string }
  const outcomes = body.results.map((each: Result) => (each.allowed ? 'allowed' : each.reason))
  t.same(outcomes, expected)
  t.ok(body.revision >= 5, `revision ${body.revision}`)
  t.notOk(third.lines.some((line) => line.msg === 'a snapshot is not used'))
})

test('a matrix past MAX_SNAPSHOT_AGE_SECONDS is not served', async (t) => {
  let ahead = 0
  const now = (): number => Date.now() + ahead
  const env = { MAX_SNAPSHOT_AGE_SECONDS: '600' }
  await using context = await startUnderTest({ env, overrides: { now } })
  const { caller } = context
  const question = { userId: users.alice, permission: VIEW }
  ahead = 300_000
  t.equal(await caller.outcome(question), 'allowed')
  ahead = 601_000
  await refusesAll(t, caller)
  ahead = 0
  t.equal(await caller.outcome(question), 'allowed')
})

test('access policies that are not evaluated are told to the admin', async (t) => {
  const policy = {
    id: 'f0000000-0000-4000-8000-000000000007',
    name: 'Nobody at night',
    targetResource: 'routing:queue:view',
    subject: { type: 'ALL' },
    effect: 'DENY',
    active: true,
    applyToClients: false,
  } as const
  await using context = await startUnderTest({
    prepare: (simulator) => simulator.setPolicies([policy, { ...policy, active: false }]),
  })
  const { body } = await context.caller.admin('/admin/v1/matrix')
  t.equal(body.matrix.activeAccessPolicies, 1)
  t.match(body.warnings, [/1 active attribute-based access policies.*not evaluated/])
  t.equal(await context.caller.metric('matrix_access_policies'), 1)
})

test('no credential stands in any log line, answer or metric of all the above', (t) => {
  t.ok(credentials.size > 15, `${credentials.size} credentials were used`)
  t.ok(seen.lines.length > 50, `${seen.lines.length} lines were logged`)
  t.ok(seen.texts.length > 150, `${seen.texts.length} answers were read`)
  const shown = [...seen.texts, ...seen.lines.map((line) => JSON.stringify(line))]
  for (const secret of credentials) {
    if (secret.length < 8) continue
    const leak = shown.find((text) => text.includes(secret))
    t.equal(leak, undefined, `${secret.slice(0, 4)}…`)
  }
  t.end()
})
