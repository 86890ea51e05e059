import { test } from 'tap'
import { generateWorld } from '../../simulator/generate-world.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { type Caller, startCaller } from './caller.ts'

const { users, roles, divisions, groups, clients, trustees } = SMALL_WORLD
const AUTHORIZATION = '/api/v2/authorization'

async function everyEntity(caller: Caller, path: string, size: number) {
  const entities = []
  let next: string | undefined = `${path}?pageSize=${size}&pageNumber=1`
  while (next !== undefined) {
    const { body } = await caller.get(next)
    entities.push(...body.entities)
    next = body.nextUri
  }
  return entities
}

test('listings come in pages', async (t) => {
  const world = generateWorld({ seed: 3, users: 130, inactiveShare: 0.1 })
  const caller = await startCaller(t, { world })

  t.test('that add up to the total, without repetition', async (t) => {
    const active = world.users('active')
    const all = await everyEntity(caller, '/api/v2/users', 50)
    t.strictSame(
      all.map(({ id }) => id),
      active.map(({ id }) => id),
    )
    const { body } = await caller.get('/api/v2/users?pageSize=50&pageNumber=2')
    t.match(body, { pageSize: 50, pageNumber: 2, total: active.length, pageCount: 3 })
    t.equal(body.previousUri, '/api/v2/users?pageSize=50&pageNumber=1')
    t.equal(body.entities.length, 50)
  })

  t.test('of 25 when no size is given, empty past the end', async (t) => {
    const first = await caller.get('/api/v2/users')
    t.equal(first.body.entities.length, 25)
    const late = await caller.get('/api/v2/users?pageNumber=99')
    t.equal(late.status, 200)
    t.strictSame(late.body.entities, [])
  })

  t.test('up to a largest size of their own', async (t) => {
    const limits = {
      '/api/v2/users': 500,
      '/api/v2/groups': 500,
      [`${AUTHORIZATION}/roles`]: 100,
      [`${AUTHORIZATION}/permissions`]: 100,
      [`${AUTHORIZATION}/divisions`]: 100,
      [`${AUTHORIZATION}/divisions/query`]: 200,
      [`${AUTHORIZATION}/divisions/*/grants`]: 500,
    }
    for (const [path, limit] of Object.entries(limits)) {
      t.equal((await caller.get(`${path}?pageSize=${limit}`)).status, 200, path)
      const refused = await caller.get(`${path}?pageSize=${limit + 1}`)
      t.equal(refused.status, 400, path)
      t.equal(refused.body.code, 'invalid.value')
    }
  })

  t.test('and refuse sizes and numbers that are none', async (t) => {
    for (const query of ['pageSize=0', 'pageSize=-1', 'pageSize=x', 'pageNumber=0']) {
      t.equal((await caller.get(`/api/v2/users?${query}`)).status, 400, query)
    }
  })

  t.test('or by cursor, which ends', async (t) => {
    const seen: string[] = []
    let path: string | undefined = '/api/v2/users/query?pageSize=40&state=any'
    while (path !== undefined) {
      const { body } = await caller.get(path)
      seen.push(...body.entities.map(({ id }: { id: string }) => id))
      path = body.cursor && `/api/v2/users/query?pageSize=40&state=any&cursor=${body.cursor}`
    }
    t.equal(seen.length, 130)
    t.equal(new Set(seen).size, 130)
    t.equal((await caller.get('/api/v2/users/query?cursor=rubbish')).status, 400)
  })
})

test('users are listed by state', async (t) => {
  const caller = await startCaller(t, { inactiveListingLimit: 100 })
  const names = async (query: string): Promise<string[]> =>
    (await caller.get(`/api/v2/users?${query}`)).body.entities.map(
      ({ name }: { name: string }) => name,
    )

  t.notOk((await names('')).includes('Frank Faure'))
  t.strictSame(await names('state=inactive'), ['Frank Faure'])
  t.strictSame(await names('state=deleted'), ['Grace Gallo'])
  t.equal((await names('state=any')).length, 11)
  t.strictSame((await names('state=any&sortOrder=descending'))[0], 'Olivia Ott')
  t.strictSame(await names(`id=${users.bob},${users.alice}`), ['Bob Brandt', 'Alice Adler'])
  t.equal((await caller.get('/api/v2/users?state=asleep')).status, 400)

  const beyond = await caller.get('/api/v2/users?state=inactive&pageSize=50&pageNumber=3')
  t.equal(beyond.status, 400, 'the inactive listing ends early')
  t.equal((await caller.get('/api/v2/users?state=any&pageSize=50&pageNumber=3')).status, 200)

  t.equal((await caller.get(`/api/v2/users/${users.frank}`)).status, 404)
  t.equal((await caller.get(`/api/v2/users/${users.frank}?state=any`)).body.state, 'inactive')
})

test('users carry groups and authorization only when asked', async (t) => {
  const caller = await startCaller(t)
  const ivan = async (query: string) =>
    (await caller.get(`/api/v2/users/${users.ivan}?${query}`)).body

  t.notOk('groups' in (await ivan('')))
  t.notOk('authorization' in (await ivan('expand=groups')))
  for (const query of ['expand=groups,authorization', 'expand=groups&expand=authorization']) {
    const user = await ivan(query)
    t.strictSame(
      user.groups.map(({ id }: { id: string }) => id),
      [groups.bookClub, groups.nightShift],
    )
    t.notOk('rolesEnabled' in user.groups[0], 'which the group itself has to be asked for')
    t.strictSame(
      user.authorization.roles.map(({ name }: { name: string }) => name),
      ['employee', 'Group Creator', 'Agent', 'Supervisor'],
    )
    t.ok(user.authorization.permissions.includes('group_creation'))
  }
})

test('a subject shows direct and inherited grants', async (t) => {
  const caller = await startCaller(t)
  const grants = async (id: string, query = '') => {
    const { body } = await caller.get(`${AUTHORIZATION}/subjects/${id}${query}`)
    return body.grants.map((grant: Record<string, { id: string }>) => [
      grant['subjectId'],
      grant['role']?.id,
      grant['division']?.id,
    ])
  }

  t.strictSame((await grants(users.carol))[1], [
    groups.nightShift,
    roles.supervisor,
    divisions.support,
  ])
  t.equal((await grants(users.dave)).length, 1, 'a group without roles hands nothing on')
  t.equal((await grants(users.judy)).length, 2)
  const judy = await grants(users.judy, '?includeDuplicates=true')
  t.strictSame(judy.slice(1), [
    [users.judy, roles.agent, divisions.sales],
    [groups.salesLeads, roles.agent, divisions.sales],
  ])
  t.strictSame((await grants(users.bob))[1], [users.bob, roles.supervisor, '*'])
  t.equal((await caller.get(`${AUTHORIZATION}/subjects/nobody`)).status, 404)
})

test('a role lists its direct subjects, of every kind', async (t) => {
  const caller = await startCaller(t)
  const { body } = await caller.get(`${AUTHORIZATION}/roles/${roles.supervisor}/subjectgrants`)
  const found = body.entities.map(
    ({ id, type, divisions }: { id: string; type: string; divisions: { id: string }[] }) => [
      id,
      type,
      divisions.map((division) => division.id).join(' '),
    ],
  )
  t.strictSame(found, [
    [users.bob, 'PC_USER', '*'],
    [groups.nightShift, 'PC_GROUP', divisions.support],
    [groups.bookClub, 'PC_GROUP', '*'],
    [clients.reporting, 'PC_OAUTH_CLIENT', '*'],
  ])
  const agents = await caller.get(`${AUTHORIZATION}/roles/${roles.agent}/subjectgrants`)
  t.match(agents.body.entities.at(-1), { id: trustees.partner, type: 'PC_TRUSTEE_USER' })
  t.equal(
    agents.body.entities.find(({ id }: { id: string }) => id === users.ivan).divisions.length,
    2,
  )
  const holders = await caller.get(`${AUTHORIZATION}/roles/${roles.supervisor}/users`)
  t.strictSame(
    holders.body.entities.map(({ id }: { id: string }) => id),
    [users.bob],
  )
})

test('roles, catalogue, divisions and groups are as the world has them', async (t) => {
  const caller = await startCaller(t)
  const { world } = caller.simulator

  const evaluator = await caller.get(`${AUTHORIZATION}/roles/${roles.evaluator}`)
  const [policy] = evaluator.body.permissionPolicies
  t.match(policy, { allowConditions: true, resourceConditionNode: { conjunction: 'OR' } })
  t.equal(evaluator.body.userCount, 1)
  const slim = await caller.get(`${AUTHORIZATION}/roles?userCount=false&name=tele*`)
  t.notOk('userCount' in slim.body.entities[0])
  t.equal(slim.body.total, 1)

  const domains = await everyEntity(caller, `${AUTHORIZATION}/permissions`, 7)
  const permissions = domains.flatMap(({ permissionMap }) => Object.values(permissionMap).flat())
  t.equal(permissions.length, world.catalogue.length)

  t.equal((await caller.get(`${AUTHORIZATION}/divisions/home`)).body.id, divisions.home)
  const everywhere = await caller.get(`${AUTHORIZATION}/divisions/*/grants`)
  t.ok(
    everywhere.body.entities.every(
      (grant: { division: object }) => 'homeDivision' in grant.division,
    ),
  )
  const group = await caller.get(`/api/v2/groups/${groups.bookClub}`)
  t.match(group.body, { rolesEnabled: false, memberCount: 2 })
  const members = await caller.get(`/api/v2/groups/${groups.nightShift}/members`)
  t.strictSame(
    members.body.entities.map(({ id }: { id: string }) => id),
    [users.carol, users.ivan],
  )
  const counts = await caller.get(
    `${AUTHORIZATION}/subjects/rolecounts?id=${users.ivan},${users.olivia}`,
  )
  t.strictSame(counts.body, { [users.ivan]: 4, [users.olivia]: 0 })
  t.equal((await caller.get(`/api/v2/users/${users.olivia}/roles`)).status, 404, 'no role at all')
  const found = await caller.send('POST', '/api/v2/users/search', {
    query: [{ type: 'STARTS_WITH', fields: ['name'], value: 'al' }],
  })
  t.match(found.body, { total: 1, results: [{ id: users.alice }] })
})

const denial = (id: string) => ({
  id,
  name: id,
  targetResource: 'recording:recording:view',
  subject: { type: 'ALL' as const },
  effect: 'DENY' as const,
  active: true,
  applyToClients: false,
})

test('access policies are paged by cursor', async (t) => {
  const caller = await startCaller(t)
  t.strictSame((await caller.get(`${AUTHORIZATION}/policies`)).body.entities, [])
  caller.simulator.setPolicies([denial('one'), denial('two')])
  const first = await caller.get(`${AUTHORIZATION}/policies?pageSize=1`)
  t.match(first.body.entities, [{ id: 'one' }])
  const second = await caller.get(first.body.nextUri)
  t.match(second.body.entities, [{ id: 'two' }])
  t.notOk('nextUri' in second.body)
})
