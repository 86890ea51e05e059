import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { test } from 'tap'
import { isGenuine, startReceiver, WEBHOOK_SECRET } from '../support/webhook-receiver.ts'
import type { Received } from '../support/webhook-receiver.ts'
import type { Sent } from './support/caller.ts'
import { ADMIN_KEY, environment, METRICS_KEY, temporaryFolder } from './support/environment.ts'
import { startServiceProcess } from './support/processes.ts'
import { openService, startPlatform, startUnderTest } from './support/service-under-test.ts'
import { until } from './support/until.ts'

const ALLOWLISTS = '/admin/v1/ip-allowlists'
const ENVIRONMENTS = '/admin/v1/environments'
const DELIVERIES = '/admin/v1/deliveries'
const UPSTREAM = '/api/v2/architecture/environments'
const MORTAL = [process.execPath, 'test/end-to-end/support/mortal-service.ts']

const OFFICE = {
  name: 'Office',
  entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
}
const environmentNamed = (name: string) => ({
  name,
  configSource: { type: 'matrix', sources: ['current'] },
  accessControl: [{ role: 'Superviser', permission: 'full' }],
})

/** Callers whose rates are counted apart: one may ask twenty times a second. */
const KEYS = Array.from({ length: 10 }, (_, index) => `architect-${index}-0123456789`)

const bodies = (received: readonly Received[]) => received.map(({ body }) => body)

test('networks, environments and their events over HTTP', async (t) => {
  const callback = await startReceiver(t)
  const monitoring = await startReceiver(t)
  await using context = await startUnderTest({
    env: {
      GENESYS_SIM_CALLBACK_URL: callback.url,
      MONITORING_WEBHOOK_URL: monitoring.url,
      WEBHOOK_SECRET,
      MAX_ENVIRONMENTS: '1',
      ADMIN_API_KEYS: [
        ...KEYS.map((key, index) => `architect-${index}=${key}`),
        `prometheus:metrics=${METRICS_KEY}`,
      ].join(),
    },
  })
  const { simulator, lines } = context
  let asked = 0
  const caller = {
    admin: (path: string, sent: Sent = {}) => {
      return context.caller.admin(path, { key: KEYS[asked++ % KEYS.length] ?? '', ...sent })
    },
  }
  const post = (path: string, body: unknown) => caller.admin(path, { body })
  const offers = await until('the offers are known', async () => {
    const { body } = await caller.admin('/admin/v1/matrix')
    return body.offers.environments !== null && body.offers
  })
  t.same(offers, { ipAllowlists: true, environments: true })

  const tried = await post(ALLOWLISTS, { ...OFFICE, dryRun: true })
  t.match(tried, { status: 200, body: { dryRun: true, outcome: 'created', warnings: [] } })
  const created = await post(ALLOWLISTS, OFFICE)
  t.equal(created.status, 201, created.text)
  const { allowlistId } = created.body
  t.match(created.body, { outcome: 'created', latencyMs: Number, attempts: 1, warnings: [] })
  t.match(created.body.allowlist, { ...OFFICE, description: '' })
  t.equal(created.headers.get('location'), `${ALLOWLISTS}/${allowlistId}`)
  t.match(await post(ALLOWLISTS, OFFICE), {
    status: 200,
    body: { allowlistId, outcome: 'existing' },
  })
  t.match(await post(ALLOWLISTS, { ...OFFICE, description: 'x' }), { status: 409 })
  t.match(await caller.admin(`${ALLOWLISTS}/${allowlistId}`), { status: 200, body: OFFICE })
  t.match(await caller.admin(ALLOWLISTS), { body: { items: [{ id: allowlistId }] } })
  t.equal((await caller.admin(`${ALLOWLISTS}/unknown`)).status, 404)

  const entries = [
    { ipAddress: '8.8.8.1/24', direction: 'inbound', scope: 'GLOBAL' },
    { ipAddress: '::ffff:8.8.8.8/128', direction: 'INBOUND', scope: 'GLOBAL' },
    { ipAddress: '10.0.0.0/8', direction: 'INBOUND', scope: 'GLOBAL' },
  ]
  const refused = await post(ALLOWLISTS, { name: 'Bad', entries })
  t.equal(refused.status, 400)
  t.match(refused.body.errors, [
    { field: 'entries/0/ipAddress', suggestion: '8.8.8.0/24' },
    { field: 'entries/0/direction', suggestion: 'INBOUND' },
    { field: 'entries/1/ipAddress' },
  ])
  const validated = await post(`${ALLOWLISTS}/validations`, { name: 'Bad', entries })
  t.match(validated, { status: 200, body: { valid: false, errors: refused.body.errors } })
  t.match(validated.body.warnings, [{ field: 'entries/2/ipAddress', message: /10\.0\.0\.0/ }])
  t.match(await post(ALLOWLISTS, { ...OFFICE, callerAddress: '8.8.8.8' }), { status: 400 })
  t.match(await post(ALLOWLISTS, { entries: 5 }), { status: 400 })

  const own = { target: 'organization', entries: [{ ipAddress: '203.0.113.0/24' }] }
  t.match(await post(ALLOWLISTS, { ...own, dryRun: true }), {
    status: 200,
    body: { target: 'organization', dryRun: true, before: [], added: ['203.0.113.0/24'] },
  })
  t.same(simulator.world.ipAddressAllowlist, [])
  const replaced = await post(ALLOWLISTS, { ...own, callerAddress: '203.0.113.5' })
  t.match(replaced, { status: 200, body: { after: ['203.0.113.0/24'], visible: true } })
  t.match(await caller.admin(`${ALLOWLISTS}/organization`), {
    body: {
      target: 'organization',
      networks: ['203.0.113.0/24'],
      undoable: { changeId: replaced.body.changeId, networks: [] },
    },
  })
  t.match(await post(ALLOWLISTS, { ...own, callerAddress: '8.8.8.8' }), {
    status: 409,
    body: { field: 'callerAddress' },
  })
  t.match(await post(`${ALLOWLISTS}/organization/undo`, {}), { status: 200, body: { after: [] } })
  t.equal((await post(`${ALLOWLISTS}/organization/undo`, {})).status, 409)

  const dev = await post(ENVIRONMENTS, environmentNamed('dev'))
  t.equal(dev.status, 201, dev.text)
  t.match(dev.body, {
    outcome: 'created',
    count: 1,
    maxEnvironments: 1,
    environment: environmentNamed('dev'),
    warnings: [{ field: 'accessControl/0/role', suggestion: 'Supervisor' }],
  })
  const { environmentId } = dev.body
  const beyond = await post(ENVIRONMENTS, environmentNamed('test'))
  const both = /^1 environments exist, and MAX_ENVIRONMENTS allows 1$/
  t.match(beyond, { status: 409, body: { detail: both } })
  const dry = { ...environmentNamed('test'), dryRun: true }
  t.match(await post(ENVIRONMENTS, dry), { status: 409, body: { detail: both } })
  t.match(await post(`${ENVIRONMENTS}/validations`, environmentNamed('Dev 1')), {
    body: { valid: false, errors: [{ field: 'name', suggestion: 'dev-1' }] },
  })
  t.match(await caller.admin(`${ENVIRONMENTS}/${environmentId}`), { body: { name: 'dev' } })
  t.match(await caller.admin(ENVIRONMENTS), { body: { items: [{ id: environmentId }] } })

  await until('the events are there', () => callback.taken.length + monitoring.taken.length === 4)
  const { latencyMs } = dev.body
  t.match(bodies(monitoring.taken), [
    {
      event: 'environment.created',
      environment_id: environmentId,
      environment_name: 'dev',
      latency_ms: latencyMs,
      timestamp: /Z$/,
    },
  ])
  const lists = bodies(callback.taken).filter(({ event }) => event === 'ALLOWLIST_CREATED')
  t.match(lists, [{ allowlistId, name: 'Office', entryCount: 1, latencyMs: Number }])
  const changes = bodies(callback.taken).filter(({ event }) => event !== 'ALLOWLIST_CREATED')
  t.match(changes, [{ undo: false }, { undo: true }], 'in their order')
  t.ok([...callback.taken, ...monitoring.taken].every(isGenuine))

  const deliveries = await until('all is recorded as delivered', async () => {
    const { body } = await caller.admin(`${DELIVERIES}?state=delivered`)
    return body.items.length === 4 && body.items
  })
  t.match(deliveries[0], {
    target: 'monitoring',
    attempts: 1,
    body: { event: 'environment.created' },
  })
  t.equal((await post(`${DELIVERIES}/${deliveries[0].id}/retry`, {})).status, 409)
  t.equal((await post(`${DELIVERIES}/unknown/retry`, {})).status, 404)
  t.match(await caller.admin(`${DELIVERIES}?limit=3`), { body: { nextCursor: String } })

  const metrics = await caller.admin('/metrics', { key: METRICS_KEY })
  t.match(metrics.text, /deliveries_total\{target="callback",result="delivered"\} 3/)
  const took = /operation_duration_seconds_count\{operation="environment",result="succeeded"\} 1/
  t.match(metrics.text, took)
  const { body: verified } = await caller.admin('/admin/v1/audit/verification')
  t.equal(verified.intact, true)
  const told = await caller.admin('/admin/v1/audit/entries?action=environment_create')
  t.match(told.body.items, [
    { outcome: 'refused', details: { status: 'FAILURE', reason: both } },
    { outcome: 'started' },
    { outcome: 'succeeded', actor: /^architect-/, details: { environment_id: environmentId } },
    { outcome: 'started' },
  ])
  t.notMatch(JSON.stringify(lines), /hunter2|whsec_/)
})

test('what a caller began goes on when the caller hangs up', async (t) => {
  await using context = await startUnderTest()
  const { caller, simulator, service } = context
  const match = { method: 'POST', path: UPSTREAM }
  const fault = simulator.faults.add({ kind: 'slow', delayMs: 300, match, times: 1 })
  const hangUp = new AbortController()
  const asking = fetch(service.adminUrl + ENVIRONMENTS, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(environmentNamed('dev')),
    signal: hangUp.signal,
  })
  const gone = t.rejects(asking, { name: 'AbortError' })
  await until('it was sent', () => fault.applied === 1)
  hangUp.abort()
  await gone
  const query = '/admin/v1/audit/entries?action=environment_create&outcome=succeeded'
  const entry = await until('its end is told', async () => {
    return (await caller.admin(query)).body.items[0]
  })
  t.equal(entry.details.environment_name, 'dev')
})

test('an organisation without the architecture API gets a 501 that says so', async (t) => {
  await using context = await startUnderTest({
    prepare: ({ world }) => void (world.architecture.offered = false),
  })
  const { caller } = context
  for (const path of [ALLOWLISTS, ENVIRONMENTS]) {
    t.match(await caller.admin(path), {
      status: 501,
      body: { type: /not-offered$/, detail: /does not offer/ },
    })
  }
  const body = environmentNamed('dev')
  t.equal((await caller.admin(ENVIRONMENTS, { body })).status, 501)
  const offers = await until('the offers are known', async () => {
    const { body } = await caller.admin('/admin/v1/matrix')
    return body.offers.environments !== null && body.offers
  })
  t.same(offers, { ipAllowlists: false, environments: false })
})

test('killed between the platform’s answer and the record, nothing is lost or told twice', async (t) => {
  await using folder = await temporaryFolder()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const monitoring = await startReceiver(t)
  const killFile = join(folder.path, 'kill-at')
  const env = {
    ...environment(simulator.url, folder.path),
    MONITORING_WEBHOOK_URL: monitoring.url,
    WEBHOOK_SECRET,
    KILL_FILE: killFile,
  }
  const body = environmentNamed('dev')
  {
    await using mortal = await startServiceProcess(env, MORTAL)
    await mortal.caller.untilReady()
    await writeFile(killFile, 'answered')
    await t.rejects(mortal.caller.admin(ENVIRONMENTS, { body }), TypeError)
    t.match(await mortal.exited, { signal: 'SIGKILL' })
  }
  t.equal(monitoring.received.length, 0)
  await using next = await openService(env)
  await next.service.start()
  await until('its event arrives', () => monitoring.taken.length > 0)
  const [created] = simulator.world.architecture.environments.listed
  t.match(bodies(monitoring.taken), [{ environment_id: created?.id, environment_name: 'dev' }])
  t.match(await next.caller.admin(ENVIRONMENTS, { body }), {
    status: 409,
    body: { detail: new RegExp(created?.id ?? '') },
  })
  const query = '/admin/v1/audit/entries?action=environment_create&outcome=succeeded'
  const { items } = (await next.caller.admin(query)).body
  t.match(items, [{ actor: 'root', details: { environment_id: created?.id, recovered: true } }])
  t.equal(simulator.requests.of(`POST ${UPSTREAM}`), 1)
  t.equal(monitoring.received.length, 1)
})
