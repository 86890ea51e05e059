import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { type Caller, startCaller } from './caller.ts'

const { users, roles, divisions, groups, clients } = SMALL_WORLD
const AUTHORIZATION = '/api/v2/authorization'
const SUBJECTS = `${AUTHORIZATION}/subjects`

/** `role division` of each direct grant, as every other reader sees them. */
async function directGrants(caller: Caller, id: string): Promise<string[]> {
  const { body } = await caller.get(`${SUBJECTS}/${id}?includeDuplicates=true`)
  return body.grants
    .filter((grant: { subjectId: string }) => grant.subjectId === id)
    .map((grant: Record<string, { id: string }>) => `${grant['role']?.id} ${grant['division']?.id}`)
}

const EMPLOYEE = `${roles.employee} ${divisions.home}`

test('bulk operations', async (t) => {
  const caller = await startCaller(t)
  const bulk = (name: string, id: string, grants: readonly object[], query = '') =>
    caller.send('POST', `${SUBJECTS}/${id}/${name}${query}`, { grants })
  const agentInHome = { roleId: roles.agent, divisionId: divisions.home }
  const agentInSales = { roleId: roles.agent, divisionId: divisions.sales }
  const supervisorEverywhere = { roleId: roles.supervisor, divisionId: '*' }

  t.test('add what is not there yet', async (t) => {
    const { status, text } = await bulk('bulkadd', users.alice, [
      agentInSales,
      supervisorEverywhere,
    ])
    t.equal(status, 204)
    t.equal(text, '')
    t.strictSame(await directGrants(caller, users.alice), [
      EMPLOYEE,
      `${roles.agent} ${divisions.sales}`,
      `${roles.supervisor} *`,
    ])
  })

  t.test('remove what is there', async (t) => {
    t.equal((await bulk('bulkremove', users.alice, [agentInSales, agentInHome])).status, 204)
    t.strictSame(await directGrants(caller, users.alice), [EMPLOYEE, `${roles.supervisor} *`])
  })

  t.test('replace direct grants and leave inherited ones', async (t) => {
    t.equal((await bulk('bulkreplace', users.carol, [agentInHome])).status, 204)
    t.strictSame(await directGrants(caller, users.carol), [`${roles.agent} ${divisions.home}`])
    const { body } = await caller.get(`${SUBJECTS}/${users.carol}`)
    t.equal(body.grants.length, 2)
  })

  t.test('do nothing when one role, division or subject is unknown', async (t) => {
    const before = await directGrants(caller, users.bob)
    for (const spoilt of [
      { ...agentInHome, roleId: 'none' },
      { ...agentInHome, divisionId: 'none' },
    ]) {
      t.equal((await bulk('bulkadd', users.bob, [agentInHome, spoilt])).status, 404)
    }
    t.equal((await bulk('bulkadd', 'nobody', [agentInHome])).status, 404)
    t.equal((await bulk('bulkadd', users.bob, [{ roleId: roles.agent }])).status, 400)
    t.strictSame(await directGrants(caller, users.bob), before)
  })

  t.test('want to be told what kind of subject they write to', async (t) => {
    const refused = await bulk('bulkadd', groups.nightShift, [agentInHome])
    t.equal(refused.status, 400)
    t.equal(refused.body.code, 'invalid.subject.type')
    const query = '?subjectType=PC_GROUP'
    t.equal((await bulk('bulkadd', groups.nightShift, [agentInHome], query)).status, 204)
    const toClient = '?subjectType=PC_OAUTH_CLIENT'
    t.equal((await bulk('bulkadd', clients.reporting, [agentInHome], toClient)).status, 204)
  })
})

test('a subject holds so many direct grants at most', async (t) => {
  const caller = await startCaller(t, { maxGrantsPerSubject: 2 })
  const path = `${SUBJECTS}/${users.olivia}`
  const everywhere = Object.values(divisions).map((divisionId) => ({
    roleId: roles.agent,
    divisionId,
  }))
  t.ok(everywhere.length > 2)
  const refused = await caller.send('POST', `${path}/bulkadd`, { grants: everywhere })
  t.equal(refused.status, 400)
  t.equal(refused.body.code, 'max.role.assignments.exceeded')
  t.strictSame(await directGrants(caller, users.olivia), [])
  const some = { grants: everywhere.slice(0, 2) }
  t.equal((await caller.send('POST', `${path}/bulkadd`, some)).status, 204)
  t.equal((await caller.send('POST', `${path}/bulkadd`, some)).status, 204, 'held already')
  const single = `${path}/divisions/*/roles/${roles.supervisor}`
  t.equal((await caller.send('POST', single)).status, 400)
  const replaced = { grants: everywhere.slice(1, 3) }
  t.equal((await caller.send('POST', `${path}/bulkreplace`, replaced)).status, 204)
})

test('a role that is deleted before a write shows takes the grants along', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, consistencyDelayMs: 1000 })
  const path = `${SUBJECTS}/${users.olivia}/divisions/*/roles/${roles.unused}`
  t.equal((await caller.send('POST', path)).status, 204)
  caller.simulator.deleteRole(roles.unused)
  now += 1000
  t.strictSame(await directGrants(caller, users.olivia), [])
  t.equal((await caller.send('POST', path)).status, 404)
})

test('single grants and grants of a role to many', async (t) => {
  const caller = await startCaller(t)
  const path = `${SUBJECTS}/${users.olivia}/divisions/*/roles/${roles.agent}`
  t.equal((await caller.send('POST', path)).status, 204)
  t.equal((await caller.send('POST', path)).status, 204, 'twice is once')
  t.strictSame(await directGrants(caller, users.olivia), [`${roles.agent} *`])
  t.equal((await caller.send('DELETE', path)).status, 204)
  t.equal((await caller.send('DELETE', path)).status, 204, 'gone is gone')
  t.strictSame(await directGrants(caller, users.olivia), [])
  t.equal((await caller.send('DELETE', `${path}x`)).status, 404)

  const granted = await caller.send('POST', `${AUTHORIZATION}/roles/${roles.unused}`, {
    subjectIds: [users.alice, users.bob],
    divisionIds: [divisions.sales, divisions.support],
  })
  t.equal(granted.status, 204)
  const { body } = await caller.get(`${AUTHORIZATION}/roles/${roles.unused}/subjectgrants`)
  t.equal(body.total, 2)
  t.equal(body.entities[0].divisions.length, 2)
})

test('roles are made, replaced as a whole and deleted with their grants', async (t) => {
  const caller = await startCaller(t)
  const policy = { domain: 'no', entityName: 'such', actionSet: ['thing'] }
  const made = await caller.send('POST', `${AUTHORIZATION}/roles`, {
    name: 'Temporary',
    permissions: ['developer'],
    permissionPolicies: [policy],
  })
  t.match(made.body, { name: 'Temporary', permissionPolicies: [policy] }, 'unknown ones are taken')
  const path = `${AUTHORIZATION}/roles/${made.body.id}`
  const again = await caller.send('POST', `${AUTHORIZATION}/roles`, { name: 'Temporary' })
  t.equal(again.status, 409)
  const replaced = await caller.send('PUT', path, { name: 'Renamed' })
  t.strictSame(replaced.body.permissions, [])
  t.equal((await caller.get(path)).body.name, 'Renamed')
  caller.simulator.grant(users.olivia, made.body.id, '*')
  t.equal((await caller.send('DELETE', path)).status, 204)
  t.equal((await caller.get(path)).status, 404)
  t.strictSame(await directGrants(caller, users.olivia), [])

  const evaluator = `${AUTHORIZATION}/roles/${roles.evaluator}`
  const { body } = await caller.get(evaluator)
  t.equal((await caller.send('PUT', evaluator, body)).status, 200)
  const { permissionPolicies } = (await caller.get(evaluator)).body
  t.strictSame(permissionPolicies, body.permissionPolicies, 'conditions survive the round trip')
})

test('users are guarded by their version', async (t) => {
  const caller = await startCaller(t)
  const path = `/api/v2/users/${users.alice}`
  const first = await caller.send('PATCH', path, { version: 1, title: 'Lead' })
  t.match(first.body, { version: 2, title: 'Lead' })
  t.equal((await caller.send('PATCH', path, { version: 1, title: 'Other' })).status, 409)
  t.equal((await caller.send('PATCH', path, { title: 'Other' })).status, 400)

  const left = await caller.send('PATCH', path, { version: 2, state: 'inactive' })
  t.equal(left.body.state, 'inactive')
  t.strictSame(await directGrants(caller, users.alice), [], 'leaving drops direct grants')
  t.equal((await caller.send('PATCH', path, { version: 3, state: 'active' })).status, 200)
  t.strictSame(await directGrants(caller, users.alice), [], 'coming back does not restore them')

  t.equal((await caller.send('DELETE', `/api/v2/users/${users.bob}`)).status, 200)
  t.match((await caller.get(`/api/v2/users/${users.bob}?state=any`)).body, { state: 'deleted' })
  const added = await caller.send('POST', '/api/v2/users', {
    name: 'New',
    email: 'new@small.example',
    divisionId: divisions.sales,
  })
  t.equal((await caller.get(`/api/v2/users/${added.body.id}`)).status, 200)
})

test('group members come and go', async (t) => {
  const caller = await startCaller(t)
  const path = `/api/v2/groups/${groups.nightShift}/members`
  const inherits = async () =>
    (await caller.get(`${SUBJECTS}/${users.olivia}`)).body.grants.length === 1
  t.equal((await caller.send('POST', path, { memberIds: [users.olivia] })).status, 202)
  t.ok(await inherits())
  t.equal((await caller.send('DELETE', `${path}?ids=${users.olivia}`)).status, 202)
  t.notOk(await inherits())
})

test('writes are acknowledged at once and seen after the delay', async (t) => {
  let now = 0
  const caller = await startCaller(t, { now: () => now, consistencyDelayMs: 300_000 })
  const before = await directGrants(caller, users.alice)
  const path = `${SUBJECTS}/${users.alice}/divisions/*/roles/${roles.supervisor}`
  t.equal((await caller.send('POST', path)).status, 204)
  const holders = async () =>
    (await caller.get(`${AUTHORIZATION}/roles/${roles.supervisor}/subjectgrants`)).body.total
  const everywhere = async () =>
    (await caller.get(`${AUTHORIZATION}/divisions/*/grants`)).body.total
  const [held, inAll] = [await holders(), await everywhere()]

  now += 299_999
  t.strictSame(await directGrants(caller, users.alice), before)
  now += 1
  t.strictSame(await directGrants(caller, users.alice), [...before, `${roles.supervisor} *`])
  t.equal(await holders(), held + 1)
  t.equal(await everywhere(), inAll + 1)

  const user = `/api/v2/users/${users.alice}`
  t.equal((await caller.send('PATCH', user, { version: 1, title: 'A' })).body.version, 2)
  t.equal((await caller.send('PATCH', user, { version: 2, title: 'B' })).body.version, 3)
  t.equal((await caller.get(user)).body.version, 1, 'writers see their writes, readers do not')
  caller.simulator.grant(users.olivia, roles.agent, '*')
  t.equal((await directGrants(caller, users.olivia)).length, 1, 'changes from outside show at once')
  now += 300_000
  t.match((await caller.get(user)).body, { version: 3, title: 'B' })
})

test('the world changes from outside the API', async (t) => {
  const caller = await startCaller(t)
  const { simulator } = caller
  const eve = simulator.addUser({
    name: 'Eve Ewald',
    groups: [groups.nightShift],
    grants: [{ roleId: roles.agent, divisionId: divisions.sales }],
  })
  t.match(eve, { state: 'active', email: 'eve.ewald@small.example' })
  t.equal((await caller.get(`${SUBJECTS}/${eve.id}`)).body.grants.length, 2)
  simulator.updateGroup(groups.nightShift, { rolesEnabled: false })
  t.equal((await caller.get(`${SUBJECTS}/${eve.id}`)).body.grants.length, 1)
  simulator.updateUser(eve.id, { state: 'inactive', groups: [] })
  t.equal((await directGrants(caller, eve.id)).length, 1, 'exactly as asked: grants stay')
  simulator.revoke(eve.id, roles.agent, divisions.sales)
  t.strictSame(await directGrants(caller, eve.id), [])
  simulator.deleteUser(eve.id)
  t.equal((await caller.get('/api/v2/users?state=deleted')).body.total, 2)

  const role = simulator.addRole({ name: 'Extra', permissions: ['developer'] })
  simulator.updateRole(role.id, { permissions: [] })
  t.strictSame((await caller.get(`${AUTHORIZATION}/roles/${role.id}`)).body.permissions, [])
  simulator.deleteRole(role.id)
  const division = simulator.addDivision({ name: 'North' })
  const group = simulator.addGroup({ name: 'Movers' })
  simulator.grant(group.id, roles.agent, division.id)
  simulator.updateUser(users.olivia, { groups: [group.id] })
  t.equal((await caller.get(`${SUBJECTS}/${users.olivia}`)).body.grants.length, 1)
  simulator.deleteGroup(group.id)
  t.equal((await caller.get(`${SUBJECTS}/${users.olivia}`)).body.grants.length, 0)
  t.throws(() => simulator.updateUser('nobody', {}))
  t.throws(() => simulator.grant(users.alice, 'none', '*'))
})

test('the world changes over HTTP without a token', async (t) => {
  const { simulator } = await startCaller(t)
  const post = (path: string, body: object, method = 'POST') =>
    fetch(`${simulator.url}/simulator/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const added = await post('users', {
    name: 'Eve Ewald',
    grants: [{ roleId: roles.agent, divisionId: '*' }],
  })
  t.equal(added.status, 201)
  const { id } = (await added.json()) as { id: string }
  const grant = { subjectId: id, roleId: roles.supervisor, divisionId: '*' }
  t.equal((await post('grants', grant)).status, 204)
  t.equal(simulator.world.grants.ofSubject(id).length, 2)
  t.equal((await post('grants', grant, 'DELETE')).status, 204)
  t.equal((await post(`users/${id}`, { state: 'inactive' }, 'PATCH')).status, 200)
  t.equal((await post('grants', { ...grant, roleId: 'none' })).status, 404)
  const counts = await fetch(`${simulator.url}/simulator/world`)
  t.match(await counts.json(), { counts: { users: 12, inactiveUsers: 2, grants: 27 } })
  t.equal((await fetch(`${simulator.url}/simulator/users/${id}`, { method: 'DELETE' })).status, 204)
  t.equal((await fetch(`${simulator.url}/simulator/health`)).status, 200)
})
