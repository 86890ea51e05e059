import { test } from 'tap'
import { generateWorld } from '../../simulator/generate-world.ts'
import type { World } from '../../simulator/world.ts'

/** All of a world as text: two worlds are the same when their texts are. */
function print(world: World): string {
  const users = world.users('any')
  const subjects = [...users, ...world.groups.values(), ...world.clients.values()]
  return JSON.stringify([
    world.organization,
    users,
    [...world.roles.values()],
    [...world.divisions.values()],
    [...world.groups.values()],
    subjects.map(({ id }) => world.grants.ofSubject(id)),
    world.accessPolicies,
    world.queues.list(),
    world.queues.list().map(({ id }) => [...world.queues.members(id)]),
  ])
}

test('the same plan gives the same world, another seed another', async (t) => {
  const plan = { seed: 7, users: 300, accessPolicies: 2 }
  t.equal(print(generateWorld(plan)), print(generateWorld(plan)))
  t.not(print(generateWorld(plan)), print(generateWorld({ ...plan, seed: 8 })))
})

test('sizes follow the number of users unless they are given', async (t) => {
  t.match(generateWorld({ seed: 1, users: 10 }).counts(), {
    users: 10,
    roles: 12,
    divisions: 3,
    groups: 4,
    permissions: 250,
    queues: 3,
  })
  const big = generateWorld({ seed: 1, users: 20_000 })
  t.match(big.counts(), { roles: 300, divisions: 50, permissions: 2000, accessPolicies: 0 })
  const own = { queues: 1, roles: 5, divisions: 2, groups: 0, permissions: 40, accessPolicies: 3 }
  t.match(generateWorld({ seed: 1, users: 50, ...own }).counts(), own)
})

test('a generated world looks like a contact centre', async (t) => {
  const world = generateWorld({ seed: 1, users: 5000 })
  const users = world.users('any')
  const counts = world.counts()
  const active = world.users('active')

  t.ok(counts.inactiveUsers > 150 && counts.inactiveUsers < 350, 'some 5 % are inactive')
  t.ok(counts.deletedUsers > 0)
  t.equal(world.users('deleted').flatMap(({ id }) => world.grants.ofSubject(id)).length, 0)
  t.ok(world.users('inactive').some(({ id }) => world.grants.ofSubject(id).length > 1))
  t.equal(new Set(users.map(({ id }) => id)).size, users.length)
  t.equal(new Set(users.map(({ email }) => email)).size, users.length)
  t.ok(
    users.every(({ id }) =>
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id),
    ),
  )
  t.ok(users.every(({ email }) => /^[a-z.-]+\d*@[a-z.-]+$/.test(email)))

  const direct = active.reduce((sum, { id }) => sum + world.grants.ofSubject(id).length, 0)
  t.ok(Math.abs(direct / active.length - 3) < 0.3, 'about three direct grants')
  const memberships = active.reduce((sum, { groups }) => sum + groups.length, 0)
  t.ok(Math.abs(memberships / active.length - 1.5) < 0.3, 'about one and a half groups')

  const [employee, ...others] = world.roles.values()
  t.equal(employee?.name, 'employee')
  t.ok(active.every(({ id }) => world.grants.ofSubject(id)[0]?.roleId === employee?.id))
  t.equal(new Set([...world.roles.values()].map(({ name }) => name)).size, world.roles.size)
  const sizes = others.map(({ policies }) => policies.length).toSorted((a, b) => a - b)
  t.ok((sizes.at(-1) ?? 0) > 4 * (sizes[sizes.length >> 1] ?? 0), 'few roles are huge')

  const policies = others.flatMap((role) => role.policies)
  const conditions = JSON.stringify(policies.flatMap(({ condition }) => condition ?? []))
  const words = 'EQ IN GE AND OR SCALAR VARIABLE USER QUEUE TEAM'.split(' ')
  for (const word of words) t.ok(conditions.includes(`"${word}"`), word)
  t.ok(policies.some(({ entityName }) => entityName === '*'))
  t.ok(policies.some(({ actionSet }) => actionSet[0] === '*'))
  t.ok(
    others.some(({ permissions }) => permissions.length > 0),
    'flat permissions',
  )
  t.ok(
    [...world.groups.values()].some(
      ({ id, rolesEnabled }) => !rolesEnabled && world.grants.ofSubject(id).length > 0,
    ),
  )
  t.ok(world.grants.ofDivision('*').length > 0)
  const queues = world.queues.list()
  t.equal(queues.length, 125)
  t.equal(new Set(queues.map(({ name }) => name.toLowerCase())).size, queues.length)
  t.ok(new Set(queues.map(({ divisionId }) => divisionId)).size > 20, 'in many divisions')
  const members = queues.map(({ id }) => [...world.queues.members(id).keys()])
  t.ok(members.some((ids) => ids.length === 0) && members.some((ids) => ids.length > 15))
  t.ok(members.flat().every((id) => world.user(id)?.state === 'active'))
  t.equal(world.clients.size, 4)
  const codes = world.catalogue.map(({ domain, entity, action }) => `${domain}:${entity}:${action}`)
  t.equal(new Set(codes).size, codes.length)
  for (const code of [
    'routing:queue:view',
    'analytics:conversationDetail:view',
    'recording:recording:viewSensitiveData',
    'directory:user:edit',
    'architect:flow:publish',
  ]) {
    t.ok(codes.includes(code), code)
  }
})
