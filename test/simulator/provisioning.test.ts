import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import { PROVISIONING_PERMISSIONS } from '../../simulator/simulated-client.ts'
import { smallWorld, SMALL_WORLD } from '../../simulator/small-world.ts'
import { type Caller, callerOf, startCaller } from './caller.ts'
import { vendorSdk } from './vendor-sdk.ts'

const { users, divisions, queues } = SMALL_WORLD
const USERS = '/api/v2/users'
const OBJECTS = `/api/v2/authorization/divisions/${divisions.support}/objects`
const NOBODY = '00000000-0000-4000-8000-000000000000'

const NINA = { name: 'Nina Noor', email: 'nina@small.example', divisionId: divisions.sales }

async function searchByEmail(caller: Caller, email: string): Promise<{ id: string }[]> {
  const query = [{ type: 'EXACT', fields: ['email'], value: email }]
  return (await caller.send('POST', `${USERS}/search`, { query })).body.results
}

test('users are made with all that the request says', async (t) => {
  const caller = await startCaller(t)
  const made = await caller.send('POST', USERS, {
    ...NINA,
    department: 'Service',
    title: 'Agent',
    state: 'inactive',
  })
  t.match(made.body, {
    version: 1,
    state: 'inactive',
    department: 'Service',
    title: 'Agent',
    division: { id: divisions.sales, name: 'Sales' },
  })
  const { body } = await caller.get(`${USERS}/${made.body.id}?state=any`)
  t.strictSame(body, made.body)
  const spoilt = [
    { ...NINA, email: undefined },
    { ...NINA, email: 'no address' },
    { ...NINA, divisionId: undefined },
    { ...NINA, state: 'deleted' },
  ]
  for (const each of spoilt) {
    t.equal((await caller.send('POST', USERS, each)).status, 400, JSON.stringify(each))
  }
  t.equal((await caller.send('POST', USERS, { ...NINA, divisionId: NOBODY })).status, 404)
})

test('an email address belongs to one user', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, consistencyDelayMs: 1000 })
  await caller.login()
  const post = (email: string) => caller.send('POST', USERS, { ...NINA, email })

  t.test('of two writers at once, one is refused', async (t) => {
    const replies = await Promise.all([post('nina@x.example'), post('NINA@x.example')])
    t.strictSame(replies.map(({ status }) => status).toSorted(), [200, 409])
    const refused = replies.find(({ status }) => status === 409)
    t.equal(refused?.body.code, 'general.conflict')
    t.strictSame(await searchByEmail(caller, 'nina@x.example'), [], 'and nobody sees it yet')
    now += 1000
    t.equal((await searchByEmail(caller, 'nina@x.example')).length, 1)
  })

  t.test('inactive and deleted users keep theirs', async (t) => {
    t.equal((await post('frank.faure@small.example')).status, 409)
    t.equal((await post('grace.gallo@small.example')).status, 409)
    const path = `${USERS}/${users.grace}`
    const restored = await caller.send('PATCH', path, { version: 1, state: 'active' })
    t.match(restored.body, { state: 'active', version: 2 })
  })

  t.test('until another is written', async (t) => {
    const path = `${USERS}/${users.alice}`
    const taken = { version: 1, email: 'bob.brandt@small.example' }
    t.equal((await caller.send('PATCH', path, taken)).status, 409)
    const own = { version: 1, email: 'Alice.Adler@small.example' }
    t.equal((await caller.send('PATCH', path, own)).status, 200)
    t.equal((await caller.send('PATCH', path, { version: 2, email: 'a@x.example' })).status, 200)
    t.equal((await post('alice.adler@small.example')).status, 200)
  })
})

test('updates change what they name', async (t) => {
  const caller = await startCaller(t)
  const path = `${USERS}/${users.alice}`
  const patch = (body: object) => caller.send('PATCH', path, body)
  const first = await patch({ version: 1, department: 'Sales', title: 'Agent' })
  t.match(first.body, { version: 2, department: 'Sales', title: 'Agent', name: 'Alice Adler' })
  const second = await patch({ version: 2, title: '' })
  t.match(second.body, { version: 3, department: 'Sales' })
  t.notOk('title' in second.body, 'an empty text takes the value away')
  const late = await patch({ version: 2, title: 'Late' })
  t.match([late.status, late.body.code], [409, 'general.conflict'])
  const both = await patch({ version: 3, state: 'inactive', title: 'Gone' })
  t.equal(both.status, 400, 'the state is changed by itself')
  t.match((await patch({ version: 3, state: 'inactive' })).body, { version: 4, state: 'inactive' })
  const moved = await patch({ version: 4, divisionId: divisions.support })
  t.match(moved.body, { version: 5, division: { id: divisions.sales } }, 'no field of the update')
})

test('users and queues are moved to a division as its objects', async (t) => {
  const caller = await startCaller(t)
  const move = (type: string, ids: unknown) => caller.send('POST', `${OBJECTS}/${type}`, ids)
  t.equal((await move('USER', [users.alice, users.bob])).status, 204)
  const { body } = await caller.get(`${USERS}/${users.alice}`)
  t.match(body, { version: 2, division: { id: divisions.support } })
  t.equal((await move('QUEUE', [queues.sales])).status, 204)
  const queue = await caller.get(`/api/v2/routing/queues/${queues.sales}`)
  t.match(queue.body, { division: { id: divisions.support } })

  t.equal((await move('USER', [users.carol, NOBODY])).status, 404)
  t.equal((await move('USER', 'all')).status, 400)
  t.equal((await move('SCRIPT', [])).status, 400)
  const nowhere = `/api/v2/authorization/divisions/${NOBODY}/objects/USER`
  t.equal((await caller.send('POST', nowhere, [users.dave])).status, 404)
  t.match((await caller.get(`${USERS}/${users.dave}`)).body, { version: 1 })
})

test('a search finds what was written later than a read does', async (t) => {
  let now = 0
  const options = { now: () => now, consistencyDelayMs: 1000, searchDelayMs: 4000 }
  const caller = await startCaller(t, options)
  const { id } = (await caller.send('POST', USERS, NINA)).body
  const path = `${USERS}/${id}`
  t.equal((await caller.get(path)).status, 404)
  now += 1000
  t.equal((await caller.get(path)).status, 200)
  t.strictSame(await searchByEmail(caller, NINA.email), [])
  await caller.send('DELETE', `${USERS}/${users.bob}`)
  now += 1000
  t.equal((await caller.get(`${USERS}/${users.bob}`)).status, 404)
  t.match(await searchByEmail(caller, 'bob.brandt@small.example'), [{ state: 'active' }])
  now += 2999
  t.strictSame(await searchByEmail(caller, NINA.email), [])
  now += 1
  t.match(await searchByEmail(caller, NINA.email), [{ id }])
  now += 1000
  t.match(await searchByEmail(caller, 'bob.brandt@small.example'), [{ state: 'deleted' }])
})

test('each write of users asks for its right', async (t) => {
  const clients = [
    { id: 'none', secret: 's', name: 'None', permissions: [] },
    { id: 'all', secret: 's', name: 'All', permissions: PROVISIONING_PERMISSIONS },
  ]
  const simulator = await startSimulator({ world: smallWorld(), clients })
  t.teardown(() => simulator.close())
  const [none, all] = clients.map((client) => callerOf(simulator, client))
  const asks: readonly (readonly [string, string, string, unknown])[] = [
    ['POST', USERS, 'directory:user:add', NINA],
    ['PATCH', `${USERS}/${users.dave}`, 'directory:user:edit', { version: 1, title: 'Lead' }],
    ['POST', `${OBJECTS}/USER`, 'directory:user:edit', [users.erin]],
  ]
  for (const [method, path, permission, body] of asks) {
    const refused = await none?.send(method, path, body)
    t.match([refused?.status, refused?.body.code], [403, 'missing.any.permissions'])
    t.equal(refused?.body.messageParams.permissions, `[${permission}]`)
    t.equal(Math.floor(((await all?.send(method, path, body))?.status ?? 0) / 100), 2, path)
  }
})

test('faults strike writes of users as they strike all else', async (t) => {
  const caller = await startCaller(t)
  const { faults } = caller.simulator
  faults.add({ match: { path: USERS, method: 'POST' }, kind: 'lost-answer', times: 1 })
  await t.rejects(caller.send('POST', USERS, NINA))
  t.equal((await caller.send('POST', USERS, NINA)).status, 409, 'the work was done')
  const moving = '/api/v2/authorization/divisions/{divisionId}/objects/{objectType}'
  faults.add({ match: { path: moving }, kind: 'status', status: 429, times: 1 })
  t.equal((await caller.send('POST', `${OBJECTS}/USER`, [users.bob])).status, 429)
  faults.add({ match: { path: `${USERS}/search` }, kind: 'truncate-page', times: 1 })
  t.strictSame(await searchByEmail(caller, NINA.email), [])
  faults.add({ match: { path: `${USERS}/search` }, kind: 'drop-field', field: 'email', times: 1 })
  const [bare] = await searchByEmail(caller, NINA.email)
  t.ok(bare && !('email' in bare))
  faults.add({ match: { path: `${USERS}/search` }, kind: 'reset', times: 1 })
  await t.rejects(searchByEmail(caller, NINA.email))
})

test('the vendor’s SDK makes, changes, moves and finds users', async (t) => {
  const { simulator } = await startCaller(t)
  const { users: api, authorization } = await vendorSdk(simulator)
  const made = await api.postUsers({ ...NINA, title: 'Agent' })
  const id = made.id ?? ''
  const changed = await api.patchUser(id, { version: made.version ?? 0, title: 'Lead' })
  t.match(changed, { title: 'Lead', version: 2 })
  await authorization.postAuthorizationDivisionObject(divisions.support, 'USER', [id])
  t.match(await api.getUser(id), { version: 3, division: { id: divisions.support } })
  const found = await api.postUsersSearch({
    query: [{ type: 'EXACT', fields: ['email'], value: NINA.email }],
  })
  t.match(found, { total: 1, results: [{ id }] })
  await t.rejects(api.postUsers(NINA), { status: 409, code: 'general.conflict' })
})
