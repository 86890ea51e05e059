import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { smallWorld } from '../../simulator/small-world.ts'
import { Secret } from '../../src/domain/secret.ts'
import { openUpstream } from '../../src/genesys/upstream.ts'
import { ALLOWLISTS, ENVIRONMENTS, environment, failureOf } from './architecture-under-test.ts'
import { OFFICE, openArchitectureUnderTest, SETTINGS, signal } from './architecture-under-test.ts'

test('an organisation offers what it answers for', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  t.same(await architecture.offers(signal), { ipAllowlists: true, environments: true })
  simulator.faults.add({ match: { path: ALLOWLISTS }, kind: 'status', status: 403 })
  t.same(await architecture.offers(signal), { ipAllowlists: null, environments: true })
  simulator.faults.add({ match: { path: ENVIRONMENTS }, kind: 'status', status: 429, times: 3 })
  t.equal((await failureOf(architecture.offers(signal))).code, 'upstream-busy')
  simulator.faults.clear()
  simulator.world.architecture.offered = false
  t.same(await architecture.offers(signal), { ipAllowlists: false, environments: false })
  for (const work of [
    architecture.listIpAllowlists(signal),
    architecture.createIpAllowlist(OFFICE, signal),
  ]) {
    const message = 'this organisation does not offer IP allowlists'
    t.match(await failureOf(work), { code: 'not-offered', message, upstream: { status: 404 } })
  }
  const draft = environment('dev')
  const work = architecture.createEnvironment({ draft, maxEnvironments: 5 }, signal)
  t.equal((await failureOf(work)).code, 'not-offered')
})

test('a 404 that is not the platform’s own says nothing of what is offered', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const fault = { kind: 'html-error', status: 404 } as const
  for (const path of [ALLOWLISTS, SETTINGS]) simulator.faults.add({ ...fault, match: { path } })
  for (const work of [
    architecture.listIpAllowlists(signal),
    architecture.readOrganizationAllowlist(signal),
    architecture.offers(signal),
  ]) {
    t.match(await failureOf(work), { code: 'upstream-broken', upstream: { status: 404 } })
  }
})

test('a refusal says what is to be mended', async (t) => {
  const client = { ...DEFAULT_CLIENT, permissions: ['architecture:ipallowlist:read'] }
  await using context = await openArchitectureUnderTest({ clients: [client] })
  const { architecture, simulator } = context
  const refused = await failureOf(architecture.createIpAllowlist(OFFICE, signal))
  t.match(refused, { code: 'upstream-refused', upstream: { status: 403 } })
  t.match(refused.message, `OAuth client ${client.id} needs a role with the permission`)
  t.match(refused.message, 'architecture:ipallowlist:write')
  t.match(
    (await failureOf(architecture.listEnvironments(signal))).message,
    'needs a role with the permission architecture:environment:read',
  )
  const match = { path: ALLOWLISTS }
  simulator.faults.add({ match, kind: 'status', status: 401, times: 2 })
  const unknown = await failureOf(architecture.listIpAllowlists(signal))
  t.match(unknown, { code: 'upstream-refused', upstream: { status: 401 } })
  t.match(unknown.message, `refuses the credentials of the OAuth client ${client.id}`)
  const code = 'ip.not.authorized'
  simulator.faults.add({ match, kind: 'status', status: 401, code, times: 2 })
  const outside = await failureOf(architecture.listIpAllowlists(signal))
  t.match(outside.message, 'does not let our address in')
})

test('wrong credentials are said to be wrong', async (t) => {
  await using context = await openArchitectureUnderTest({}, { clientSecret: 'wrong' })
  const failure = await failureOf(context.architecture.createIpAllowlist(OFFICE, signal))
  t.match(failure.message, 'does not accept GENESYS_CLIENT_ID / GENESYS_CLIENT_SECRET')
  t.equal(context.simulator.requests.of(`POST ${ALLOWLISTS}`), 0)
})

test('what the platform finds wrong with a body is told in its own words', async (t) => {
  await using context = await openArchitectureUnderTest()
  const entries = OFFICE.entries.map((entry) => ({ ...entry, ipAddress: '8.8.8.1/24' }))
  const work = context.architecture.createIpAllowlist({ ...OFFICE, entries }, signal)
  const failure = await failureOf(work)
  t.match(failure, { code: 'upstream-refused', upstream: { status: 400, code: 'invalid.value' } })
  const words = '8.8.8.1/24 has host bits set. (entries[0].ipAddress: invalid.value)'
  t.match(failure.message, words)
})

test('a listing that cannot be relied on is broken', async (t) => {
  for (const fault of [
    { kind: 'drop-field', field: 'pageCount' },
    { kind: 'drop-field', field: 'entities' },
    { kind: 'drop-field', field: 'id' },
    { kind: 'drop-field', field: 'entries' },
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    await architecture.createIpAllowlist(OFFICE, signal)
    simulator.faults.add({ ...fault, match: { method: 'GET', path: ALLOWLISTS } })
    const failure = await failureOf(architecture.listIpAllowlists(signal))
    t.equal(failure.code, 'upstream-broken', fault.field)
  }
})

test('entries are read with their prefix, wherever the platform writes it', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { ipAllowlists } = context.simulator.world.architecture
  const rest = { direction: 'BOTH', scope: 'GLOBAL' }
  const record = ipAllowlists.reserve('Old', {
    entries: [
      { ipAddress: '8.8.8.0', cidr: 24, ...rest },
      { ipAddress: '8.8.4.4', ...rest },
      { ipAddress: 'unknown', ...rest },
    ],
  })
  if (record) ipAllowlists.show(record)
  const [allowlist] = await context.architecture.listIpAllowlists(signal)
  t.same(
    allowlist?.entries,
    ['8.8.8.0/24', '8.8.4.4/32', 'unknown'].map((ipAddress) => ({ ipAddress, ...rest })),
  )
})

test('all of it works through the thread', async (t) => {
  const simulator = await startSimulator({ world: smallWorld(), requestsPerMinute: 0 })
  await using upstream = openUpstream({
    clientId: DEFAULT_CLIENT.id,
    clientSecret: new Secret(DEFAULT_CLIENT.secret),
    region: 'us-east-1',
    baseUrl: simulator.url,
    requestsPerMinute: 1_000_000,
    onEvent() {},
  })
  t.teardown(() => simulator.close())
  const { architecture } = upstream
  t.same(await architecture.offers(signal), { ipAllowlists: true, environments: true })
  const { item } = await architecture.createIpAllowlist(OFFICE, signal)
  t.same(await architecture.listIpAllowlists(signal), [item])
  const request = { draft: environment('dev'), maxEnvironments: 1 }
  t.match(await architecture.createEnvironment(request, signal), { countBefore: 0 })
  t.match(await architecture.listEnvironments(signal), [{ name: 'dev' }])
  const full = architecture.createEnvironment({ ...request, draft: environment('test') }, signal)
  t.match(await failureOf(full), { code: 'conflict', message: /^1 environments exist/ })
  const networks = ['203.0.113.0/24']
  const replaced = await architecture.replaceOrganizationAllowlist(
    { expected: [], networks },
    signal,
  )
  t.match(replaced, { before: [], after: networks, visible: true, attempts: 1 })
  t.same(await architecture.readOrganizationAllowlist(signal), networks)
})
