import { test } from 'tap'
import { generateWorld } from '../../simulator/generate-world.ts'
import { startSimulator } from '../../simulator/server.ts'
import { QUEUE_PERMISSIONS } from '../../simulator/simulated-client.ts'
import { smallWorld, SMALL_WORLD } from '../../simulator/small-world.ts'
import { type Caller, callerOf, startCaller } from './caller.ts'
import { vendorSdk } from './vendor-sdk.ts'

const { users, divisions, queues, groups } = SMALL_WORLD
const QUEUES = '/api/v2/routing/queues'
const NOBODY = '00000000-0000-4000-8000-000000000000'

async function names(caller: Caller, query: string): Promise<string[]> {
  const { body } = await caller.get(`${QUEUES}?${query}`)
  return body.entities.map(({ name }: { name: string }) => name)
}

async function memberIds(caller: Caller, id: string, query = ''): Promise<string[]> {
  const { body } = await caller.get(`${QUEUES}/${id}/members?pageSize=100${query}`)
  return body.entities.map((member: { id: string }) => member.id)
}

test('queues are listed by name, in pages', async (t) => {
  const world = generateWorld({ seed: 3, users: 400, queues: 130 })
  const caller = await startCaller(t, { world })
  const seen: string[] = []
  let next: string | undefined = `${QUEUES}?pageSize=100`
  while (next !== undefined) {
    const { body } = await caller.get(next)
    t.match(body, { total: 130, pageSize: 100, pageCount: 2 })
    seen.push(...body.entities.map(({ id }: { id: string }) => id))
    next = body.nextUri
  }
  t.strictSame(
    seen,
    world.queues.list().map(({ id }) => id),
  )
  t.equal((await caller.get(QUEUES)).body.entities.length, 25)
  t.equal((await caller.get(`${QUEUES}?pageSize=101`)).body.code, 'invalid.value')
})

test('queues are found by name, division and id', async (t) => {
  const caller = await startCaller(t)
  t.strictSame(await names(caller, ''), ['Sales', 'Support', 'Support Escalation'])
  t.strictSame(await names(caller, 'sortOrder=desc'), ['Support Escalation', 'Support', 'Sales'])
  t.strictSame(await names(caller, 'name=SUPPORT'), ['Support'], 'without asterisks, the whole')
  t.strictSame(await names(caller, 'name=supp*'), ['Support', 'Support Escalation'])
  t.strictSame(await names(caller, 'name=*ion'), ['Support Escalation'])
  t.strictSame(await names(caller, 'name=*al*'), ['Sales', 'Support Escalation'])
  t.strictSame(await names(caller, 'name=none'), [])
  t.strictSame(await names(caller, `divisionId=${divisions.support}`), ['Support'])
  t.strictSame(await names(caller, `id=${queues.sales},${queues.escalation}`), [
    'Sales',
    'Support Escalation',
  ])
  const { body } = await caller.get(`${QUEUES}/${queues.support}`)
  t.match(body, {
    name: 'Support',
    division: { id: divisions.support, name: 'Support' },
    memberCount: 3,
    skillEvaluationMethod: 'ALL',
    mediaSettings: { call: { serviceLevel: { percentage: 0.8, durationMs: 20_000 } } },
  })
  const missing = await caller.get(`${QUEUES}/${NOBODY}`)
  t.match([missing.status, missing.body.code], [404, 'resource.not.found'])
})

test('a replaced queue has what was sent and defaults for the rest', async (t) => {
  const caller = await startCaller(t)
  const path = `${QUEUES}/${queues.sales}`
  const before = (await caller.get(path)).body
  t.match(before, { description: 'Calls from the shop', callingPartyName: 'Small World' })

  const put = await caller.send('PUT', path, {
    name: 'Sales',
    mediaSettings: { call: { alertingTimeoutSeconds: 12 } },
    someNewSetting: { kept: ['as', 'given'] },
    memberCount: 77,
    id: 'mine',
  })
  t.equal(put.status, 200)
  const { body } = await caller.get(path)
  t.strictSame(body, put.body)
  t.notOk('description' in body || 'callingPartyName' in body, 'what was left out is gone')
  t.match(body, {
    id: queues.sales,
    memberCount: 3,
    division: { id: divisions.sales },
    dateCreated: before.dateCreated,
    someNewSetting: { kept: ['as', 'given'] },
    mediaSettings: {
      call: { alertingTimeoutSeconds: 12, serviceLevel: { percentage: 0.8 } },
      email: { alertingTimeoutSeconds: 300 },
    },
  })

  const whole = await caller.send('PUT', path, before)
  t.match(whole.body, { description: 'Calls from the shop', callingPartyName: 'Small World' })
  t.strictSame(
    { ...whole.body, dateModified: '', modifiedBy: '' },
    { ...before, dateModified: '', modifiedBy: '' },
    'what was read can be written back',
  )
})

test('queues are refused what they cannot have', async (t) => {
  const caller = await startCaller(t)
  const spoilt = [
    {},
    { name: '' },
    { name: ' padded' },
    { name: 'x', skillEvaluationMethod: 'SOME' },
    { name: 'x', autoAnswerOnly: 'yes' },
    { name: 'x', routingRules: {} },
    { name: 'x', acwSettings: { wrapupPrompt: 'PERHAPS' } },
    { name: 'x', mediaSettings: { call: { alertingTimeoutSeconds: 3 } } },
    { name: 'x', mediaSettings: { call: { serviceLevel: { percentage: 80 } } } },
    { name: 'x', mediaSettings: { call: 'loud' } },
  ]
  for (const body of spoilt) {
    const { status } = await caller.send('POST', QUEUES, body)
    t.equal(status, 400, JSON.stringify(body))
  }
  const elsewhere = { name: 'x', division: { id: NOBODY } }
  t.equal((await caller.send('POST', QUEUES, elsewhere)).status, 404)
  t.equal((await names(caller, '')).length, 3)
})

test('a name belongs to one queue', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, consistencyDelayMs: 1000 })
  await caller.login()

  t.test('of two writers at once, one is refused', async (t) => {
    const post = () => caller.send('POST', QUEUES, { name: 'Rush' })
    const replies = await Promise.all([post(), post(), post()])
    t.strictSame(replies.map(({ status }) => status).toSorted(), [200, 409, 409])
    const refused = replies.find(({ status }) => status === 409)
    t.equal(refused?.body.code, 'general.conflict')
    t.strictSame(await names(caller, 'name=Rush'), [], 'reads do not see it yet')
    now += 1000
    t.strictSame(await names(caller, 'name=Rush'), ['Rush'])
  })

  t.test('whatever its case, and when a queue is renamed', async (t) => {
    t.equal((await caller.send('POST', QUEUES, { name: 'sales' })).status, 409)
    const path = `${QUEUES}/${queues.support}`
    t.equal((await caller.send('PUT', path, { name: 'Sales' })).status, 409)
    t.equal((await caller.send('PUT', path, { name: 'SUPPORT' })).status, 200, 'its own')
    t.equal((await caller.send('PUT', path, { name: 'Help' })).status, 200)
    t.equal((await caller.send('POST', QUEUES, { name: 'Support' })).status, 200, 'free again')
  })

  t.test('until the queue is deleted', async (t) => {
    const path = `${QUEUES}/${queues.sales}`
    t.equal((await caller.send('DELETE', path)).status, 204)
    t.equal((await caller.send('DELETE', path)).status, 404)
    t.equal((await caller.get(path)).status, 200, 'reads see it still')
    t.equal((await caller.send('POST', QUEUES, { name: 'Sales' })).status, 200)
    now += 1000
    t.equal((await caller.get(path)).status, 404)
    t.strictSame(await names(caller, 'name=Sales'), ['Sales'])
  })
})

test('members come and go', async (t) => {
  const caller = await startCaller(t)
  const path = `${QUEUES}/${queues.escalation}/members`
  const add = (ids: readonly unknown[], query = '') =>
    caller.send(
      'POST',
      `${path}${query}`,
      ids.map((id) => ({ id })),
    )

  t.test('in bulk, twice as well as once', async (t) => {
    t.equal((await add([users.bob, users.alice])).status, 204)
    t.equal((await add([users.alice, users.dave])).status, 204)
    const all = [users.alice, users.bob, users.dave]
    t.strictSame(await memberIds(caller, queues.escalation), all)
    t.equal((await add([users.dave, users.heidi], '?delete=true')).status, 204)
    t.strictSame(await memberIds(caller, queues.escalation), [users.alice, users.bob])
    const { body } = await caller.get(`${QUEUES}/${queues.escalation}`)
    t.match(body, { memberCount: 2, userMemberCount: 2, joinedMemberCount: 2 })
  })

  t.test('up to a hundred in a call, all of them users', async (t) => {
    const tooMany = Array.from({ length: 101 }, () => users.erin)
    for (const ids of [[], tooMany, [users.erin, NOBODY], [users.erin, users.grace]]) {
      const { status, body } = await add(ids)
      t.match([status, body.code], [400, 'bad.request'])
    }
    t.equal((await add(['erin'])).body.code, 'invalid.id')
    t.equal((await add([users.erin], '?delete=perhaps')).status, 400)
    t.strictSame(await memberIds(caller, queues.escalation), [users.alice, users.bob])
  })

  t.test('with a ring, joined or not', async (t) => {
    const member = `${path}/${users.alice}`
    t.equal((await caller.send('PATCH', member, { ringNumber: 3 })).status, 202)
    t.equal((await caller.send('PATCH', member, { ringNumber: 7 })).status, 400)
    t.equal((await caller.send('PATCH', member, {})).body.code, 'bad.request')
    t.equal((await caller.send('PATCH', `${path}/${users.erin}`, { joined: true })).status, 404)
    const left = await caller.send('PATCH', path, [
      { id: users.alice, joined: false },
      { id: users.erin, joined: false },
    ])
    t.match(left.body.entities, [{ id: users.alice, joined: false, ringNumber: 3 }])
    t.equal(left.body.entities.length, 1, 'who is no member is passed over')
    t.equal((await caller.send('PATCH', path, [{ id: users.alice }])).status, 400)
    t.strictSame(await memberIds(caller, queues.escalation, '&joined=true'), [users.bob])
    t.strictSame(await memberIds(caller, queues.escalation, '&joined=false'), [users.alice])
    t.equal((await caller.send('DELETE', member)).status, 204)
    t.equal((await caller.send('DELETE', member)).status, 404)
  })

  t.test('by group, and then not one by one', async (t) => {
    const memberGroups = [{ id: groups.nightShift, type: 'GROUP' }]
    await caller.send('PUT', `${QUEUES}/${queues.escalation}`, { name: 'Help', memberGroups })
    t.strictSame(await memberIds(caller, queues.escalation, '&memberBy=group'), [
      users.carol,
      users.ivan,
    ])
    t.strictSame(await memberIds(caller, queues.escalation, '&memberBy=user'), [users.bob])
    const refused = await caller.send('DELETE', `${path}/${users.carol}`)
    t.match([refused.status, refused.body.code], [400, 'invalid.type'])
  })

  t.test('and leave with the user', async (t) => {
    caller.simulator.deleteUser(users.bob)
    t.notOk((await memberIds(caller, queues.escalation)).includes(users.bob))
  })
})

test('pages of members link to the next and say no total', async (t) => {
  const world = generateWorld({ seed: 5, users: 200, queues: 3 })
  const [queue] = world.queues.list()
  t.ok(queue)
  const id = queue?.id ?? ''
  for (const user of world.users('active').slice(0, 60)) {
    world.queues.putMember(id, user.id, { ringNumber: 1, joined: true })
  }
  const caller = await startCaller(t, { world })
  const { memberCount } = (await caller.get(`${QUEUES}/${id}`)).body
  const seen = new Set<string>()
  let next: string | undefined = `${QUEUES}/${id}/members`
  while (next !== undefined) {
    const { body } = await caller.get(next)
    t.notOk('total' in body || 'pageCount' in body || 'lastUri' in body)
    for (const member of body.entities) {
      t.match(member, { user: { id: member.id, email: String }, memberBy: 'user' })
      seen.add(member.id)
    }
    next = body.nextUri
  }
  t.equal(seen.size, memberCount)
  t.equal((await caller.get(`${QUEUES}/${id}/members?pageSize=101`)).status, 400)
})

test('a queue and its members show after the delay', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, consistencyDelayMs: 1000 })
  const { id } = (await caller.send('POST', QUEUES, { name: 'Late' })).body
  const path = `${QUEUES}/${id}`
  now += 500
  const added = await caller.send('POST', `${path}/members`, [{ id: users.erin }])
  t.equal(added.status, 204, 'writers see their own queue')
  t.equal((await caller.get(path)).status, 404)
  now += 500
  t.match((await caller.get(path)).body, { name: 'Late', memberCount: 0 })
  const second = { name: 'Late', description: 'Later' }
  t.equal((await caller.send('PUT', path, second)).status, 200)
  now += 500
  t.match((await caller.get(path)).body, { memberCount: 1 })
  t.notOk('description' in (await caller.get(path)).body)
  now += 500
  t.match((await caller.get(path)).body, { description: 'Later' })
})

test('each operation on queues asks for its right', async (t) => {
  const asks: readonly (readonly [string, string, readonly string[]])[] = [
    ['GET', QUEUES, ['routing:queue:view']],
    ['POST', QUEUES, ['routing:queue:add']],
    ['PUT', `${QUEUES}/${queues.sales}`, ['routing:queue:edit']],
    ['POST', `${QUEUES}/${queues.sales}/members`, ['routing:queueMember:manage']],
    ['DELETE', `${QUEUES}/${queues.sales}`, ['routing:queue:delete']],
  ]
  const clients = [
    { id: 'none', secret: 's', name: 'None', permissions: [] },
    { id: 'all', secret: 's', name: 'All', permissions: QUEUE_PERMISSIONS },
  ]
  const simulator = await startSimulator({ world: smallWorld(), clients })
  t.teardown(() => simulator.close())
  const [none, all] = clients.map((client) => callerOf(simulator, client))
  for (const [method, path, permissions] of asks) {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {}
    const refused = await none?.send(method, path, body)
    t.equal(refused?.status, 403)
    t.equal(refused?.body.code, 'missing.any.permissions')
    for (const name of permissions) t.ok(refused?.body.message.includes(name), name)
    t.not((await all?.send(method, path, body))?.status, 403)
  }
})

test('faults strike queues as they strike all else', async (t) => {
  const caller = await startCaller(t)
  const { faults } = caller.simulator
  faults.add({ match: { path: QUEUES }, kind: 'truncate-page', times: 1 })
  const short = (await caller.get(QUEUES)).body
  t.match(short, { total: 3, entities: { length: 1 } })
  const template = `${QUEUES}/{queueId}/members`
  const path = `${QUEUES}/${queues.sales}/members`
  faults.add({ match: { path: template, method: 'GET' }, kind: 'malformed-body', times: 1 })
  t.equal((await caller.get(path)).body, undefined)
  faults.add({ match: { path: template }, kind: 'status', status: 429, times: 1 })
  t.equal((await caller.get(path)).status, 429)
  faults.add({ match: { path: QUEUES, method: 'POST' }, kind: 'lost-answer', times: 1 })
  await t.rejects(caller.send('POST', QUEUES, { name: 'Made all the same' }))
  t.strictSame(await names(caller, 'name=made*'), ['Made all the same'])
})

test('the vendor’s SDK reads and writes queues', async (t) => {
  const { simulator } = await startCaller(t)
  const { routing } = await vendorSdk(simulator)
  const made = await routing.postRoutingQueues({
    name: 'By SDK',
    division: { id: divisions.support },
    acwSettings: { wrapupPrompt: 'OPTIONAL' },
  })
  const id = made.id ?? ''
  t.match(made, { division: { name: 'Support' }, acwSettings: { wrapupPrompt: 'OPTIONAL' } })
  await routing.postRoutingQueueMembers(id, [{ id: users.alice }, { id: users.bob }])
  await routing.patchRoutingQueueMember(id, users.bob, { joined: false })
  await routing.postRoutingQueueMembers(id, [{ id: users.alice }], { _delete: true })
  const members = await routing.getRoutingQueueMembers(id, { pageSize: 100 })
  t.match(members.entities, [{ id: users.bob, joined: false }])
  const changed = await routing.putRoutingQueue(id, { ...made, name: 'By SDK 2' })
  t.match(changed, { name: 'By SDK 2', acwSettings: { wrapupPrompt: 'OPTIONAL' } })
  const found = await routing.getRoutingQueues({ name: 'by*', pageSize: 100 })
  t.match(found, { total: 1, entities: [{ id }] })
  await routing.deleteRoutingQueue(id, { forceDelete: true })
  await t.rejects(routing.getRoutingQueue(id))
})
