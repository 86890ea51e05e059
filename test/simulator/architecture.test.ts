import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { smallWorld } from '../../simulator/small-world.ts'
import { callerOf, startCaller } from './caller.ts'

const ALLOWLISTS = '/api/v2/architecture/ipallowlists'
const ENVIRONMENTS = '/api/v2/architecture/environments'
const SETTINGS = '/api/v2/organizations/authentication/settings'

const ENTRY = { ipAddress: '8.8.8.0/24', cidr: 24, direction: 'INBOUND', scope: 'GLOBAL' }
const ENVIRONMENT = {
  configSource: { type: 'matrix', sources: ['current'] },
  accessControl: [{ role: 'Agent', permission: 'full' }],
}

test('what is created is listed with all that it was created with', async (t) => {
  const caller = await startCaller(t)
  const allowlist = { name: 'Office', description: 'HQ', entries: [ENTRY] }
  const created = await caller.send('POST', ALLOWLISTS, allowlist)
  t.equal(created.status, 201)
  t.same(Object.keys(created.body).sort(), ['createdDate', 'id', 'name'])
  const { body } = await caller.get(`${ALLOWLISTS}?pageSize=100`)
  t.same(body, {
    entities: [{ ...allowlist, ...created.body }],
    pageCount: 1,
    pageSize: 100,
  })
  const environment = await caller.send('POST', ENVIRONMENTS, { name: 'dev', ...ENVIRONMENT })
  t.equal(environment.status, 201)
  t.match((await caller.get(ENVIRONMENTS)).body.entities, [{ name: 'dev', ...ENVIRONMENT }])
})

test('listings are paged', async (t) => {
  const caller = await startCaller(t)
  for (const name of ['one', 'two', 'three']) {
    await caller.send('POST', ENVIRONMENTS, { name, ...ENVIRONMENT })
  }
  const names = async (query: string): Promise<readonly unknown[]> => {
    const { body } = await caller.get(`${ENVIRONMENTS}?${query}`)
    return [body.pageCount, ...body.entities.map(({ name }: { name: string }) => name)]
  }
  t.same(await names('pageSize=2'), [2, 'one', 'two'])
  t.same(await names('pageSize=2&pageNumber=2'), [2, 'three'])
  t.same(await names('pageSize=2&pageNumber=3'), [2])
  t.equal((await caller.get(`${ENVIRONMENTS}?pageSize=101`)).status, 400)
})

test('a body that is not in order is refused with its details', async (t) => {
  const caller = await startCaller(t)
  const bodies = [
    [{ ...ENTRY, ipAddress: '8.8.8.1/24' }, 'entries[0].ipAddress'],
    [{ ...ENTRY, ipAddress: '8.8.8.0' }, 'entries[0].ipAddress'],
    [{ ...ENTRY, ipAddress: '::ffff:8.8.8.0/120' }, 'entries[0].ipAddress'],
    [{ ...ENTRY, cidr: 25 }, 'entries[0].cidr'],
  ] as const
  for (const [entry, fieldName] of bodies) {
    const { status, body } = await caller.send('POST', ALLOWLISTS, { name: 'x', entries: [entry] })
    t.equal(status, 400)
    t.match(body, { code: 'invalid.value', details: [{ fieldName }] })
  }
  for (const entries of [[], Array.from({ length: 101 }, () => ENTRY), [{}], undefined]) {
    t.equal((await caller.send('POST', ALLOWLISTS, { name: 'x', entries })).status, 400)
  }
  const noSource = { ...ENVIRONMENT, configSource: { type: 'matrix', sources: [] } }
  const refused = await caller.send('POST', ENVIRONMENTS, { name: 'dev', ...noSource })
  t.match(refused.body, { status: 400, details: [{ fieldName: 'configSource.sources' }] })
  t.same((await caller.get(ALLOWLISTS)).body.entities, [])
})

test('a name is taken at once, also while listings do not show it yet', async (t) => {
  let now = 0
  const caller = await startCaller(t, { consistencyDelayMs: 1_000, now: () => now })
  const create = () => caller.send('POST', ENVIRONMENTS, { name: 'dev', ...ENVIRONMENT })
  t.equal((await create()).status, 201)
  t.equal((await create()).status, 409)
  t.same((await caller.get(ENVIRONMENTS)).body.entities, [])
  now = 1_000
  const { body } = await caller.get(ENVIRONMENTS)
  t.match(body.entities, [{ name: 'dev' }])
  caller.simulator.world.architecture.environments.delete(body.entities[0].id)
  t.equal((await create()).status, 201)
})

test('each right is asked for, unless the organisation has none of it', async (t) => {
  const simulator = await startSimulator({
    world: smallWorld(),
    clients: [{ ...DEFAULT_CLIENT, permissions: ['architecture:environment:read'] }],
  })
  t.teardown(() => simulator.close())
  const caller = callerOf(simulator)
  t.equal((await caller.get(ENVIRONMENTS)).status, 200)
  const refused = await caller.send('POST', ENVIRONMENTS, { name: 'dev', ...ENVIRONMENT })
  t.equal(refused.status, 403)
  t.match(refused.body.message, 'architecture:environment:write')
  t.match((await caller.get(ALLOWLISTS)).body.message, 'architecture:ipallowlist:read')
  const control = (offered: unknown) => caller.send('PUT', '/simulator/architecture', { offered })
  t.equal((await control(false)).status, 204)
  for (const path of [ALLOWLISTS, ENVIRONMENTS]) {
    t.equal((await caller.get(path)).status, 404)
    t.equal((await caller.send('POST', path, {})).status, 404)
  }
  t.equal((await control('yes')).status, 400)
  await control(true)
  t.equal((await caller.get(ENVIRONMENTS)).status, 200)
})

test('an answer can be lost after the work was done', async (t) => {
  const caller = await startCaller(t)
  await caller.login()
  const match = { method: 'POST', path: ENVIRONMENTS }
  caller.simulator.faults.add({ kind: 'lost-answer', match, times: 1 })
  const create = () => caller.send('POST', ENVIRONMENTS, { name: 'dev', ...ENVIRONMENT })
  await t.rejects(create())
  t.match((await caller.get(ENVIRONMENTS)).body.entities, [{ name: 'dev' }])
  t.equal((await create()).status, 409)
})

test('the organisation’s own list is refused as a whole for one wrong network', async (t) => {
  const caller = await startCaller(t)
  caller.simulator.world.callerAddress = '8.8.8.8'
  const change = (ipAddressAllowlist: readonly string[]) =>
    caller.send('PATCH', SETTINGS, { ipAddressAllowlist })
  const networks = Array.from({ length: 149 }, (_, index) => `9.9.${index}.0/24`)
  t.equal((await change([...networks, '8.8.8.0/24'])).status, 200)
  for (const [list, code] of [
    [[...networks, '8.8.8.0/24', '7.7.7.7'], 'invalid.value'],
    [['8.8.8.0/24', '10.0.0.0/16'], 'invalid.ip.address'],
    [['8.8.8.0/24', '2001:db8::/32'], 'invalid.ip.address'],
    [['8.8.8.0/24', '7.7.7.0/33'], 'invalid.ip.address'],
    [['9.9.9.0/24'], 'invalid.issuing.ip.address'],
  ] as const) {
    const { status, body } = await change(list)
    t.equal(status, 400)
    t.equal(body.code, code)
  }
  t.equal((await caller.get(SETTINGS)).body.ipAddressAllowlist.length, 150)
  t.equal((await change([])).status, 200)
})
