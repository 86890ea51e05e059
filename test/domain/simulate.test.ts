import { test } from 'tap'
import type { SubjectFact } from '../../src/domain/facts.ts'
import type { Matrix } from '../../src/domain/matrix.ts'
import type { GrantIntent } from '../../src/domain/role-change.ts'
import { DEFAULT_ROLE_RULES } from '../../src/domain/role-rules.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import { simulate } from '../../src/domain/simulate.ts'
import type { Simulation, SimulationRequest } from '../../src/domain/simulation.ts'
import {
  divisionOf,
  grantOf,
  groupOf,
  matrixOf,
  permissionOf,
  policyOf,
  roleOf,
  userOf,
  whereEqual,
} from './support/small-world.ts'

const TIMESTAMP = '2026-01-31T12:00:00.000Z'

const agent = {
  ...roleOf('agent', 'routing:queue:view', 'org:settings:edit'),
  name: 'Agent',
  licences: ['collaborate', 'communicate'],
}

function worldOf(...subjects: readonly SubjectFact[]): Matrix {
  return matrixOf({
    subjects,
    roles: [
      agent,
      roleOf('viewer', 'routing:queue:view'),
      roleOf('careful', policyOf('routing:queue:view', whereEqual('queueId', '5'))),
      { ...roleOf('boss', 'authorization:*:*'), name: 'Supervisor', licences: ['engage3'] },
      roleOf('clerk', 'authorization:grant:add'),
      { ...roleOf('staff'), defaultRoleId: 'employee' },
    ],
    divisions: [divisionOf('home', true), divisionOf('north'), divisionOf('south')],
    groups: [
      groupOf('team', ['viewer in home', 'agent in north']),
      groupOf('band', ['viewer in *']),
      groupOf('idle', ['viewer in *'], false),
    ],
    permissions: [
      permissionOf('authorization:grant:add'),
      permissionOf('authorization:grant:delete'),
      permissionOf('authorization:role:edit'),
      permissionOf('org:settings:edit', false),
      permissionOf('routing:queue:edit'),
      permissionOf('routing:queue:view'),
    ],
  })
}

function delta(grant: readonly string[], revoke: readonly string[] = []): GrantIntent {
  return { kind: 'delta', grant: grant.map(grantOf), revoke: revoke.map(grantOf) }
}

function simulateUsers(
  matrix: Matrix,
  intents: Readonly<Record<string, GrantIntent>>,
  more: Partial<SimulationRequest> = {},
): Simulation {
  const changes = Object.entries(intents).map(([userId, intent]) => ({ userId, intent }))
  const change = { kind: 'users', changes } as const
  return simulate(matrix, {
    change,
    rules: DEFAULT_ROLE_RULES,
    timestamp: TIMESTAMP,
    limit: 100,
    offset: 0,
    ...more,
  })
}

function simulateEdit(
  matrix: Matrix,
  roleId: string,
  add: readonly string[],
  remove: readonly string[],
  more: Partial<SimulationRequest> = {},
): Simulation {
  const edit = {
    roleId,
    addPolicies: add.map((text) => policyOf(text)),
    removePolicies: remove.map((text) => policyOf(text)),
  }
  const change = { kind: 'role', edit } as const
  return simulateUsers(matrix, {}, { change, ...more })
}

test('an entry tells what a user gains and loses, division by division where they differ', async (t) => {
  const matrix = worldOf(userOf('anna', ['viewer in home', 'careful in south']))
  const { entries, revision } = simulateUsers(matrix, {
    anna: delta(['agent in north', 'viewer in south'], ['viewer in home']),
  })
  t.equal(revision, matrix.revision)
  const nothing = { addedPermissions: [], removedPermissions: [] }
  const same = { loosenedPermissions: [], tightenedPermissions: [] }
  t.same(entries, [
    {
      timestamp: TIMESTAMP,
      userId: 'anna',
      userName: 'User anna',
      action: 'role_assignment_change',
      oldPermissions: ['routing:queue:view'],
      newPermissions: ['org:settings:edit', 'routing:queue:view'],
      addedPermissions: ['org:settings:edit'],
      removedPermissions: [],
      divisions: [
        {
          divisionId: '*',
          divisionName: 'all divisions',
          ...nothing,
          addedPermissions: ['org:settings:edit'],
          ...same,
        },
        {
          divisionId: 'home',
          divisionName: 'Division home',
          addedPermissions: ['org:settings:edit'],
          removedPermissions: ['routing:queue:view'],
          ...same,
        },
        {
          divisionId: 'north',
          divisionName: 'Division north',
          addedPermissions: ['org:settings:edit', 'routing:queue:view'],
          removedPermissions: [],
          ...same,
        },
        {
          divisionId: 'south',
          divisionName: 'Division south',
          addedPermissions: ['org:settings:edit'],
          removedPermissions: [],
          loosenedPermissions: ['routing:queue:view'],
          tightenedPermissions: [],
        },
      ],
      conditionalPermissions: [],
    },
  ])
})

test('a division in which nothing changes has an empty line beside that of all divisions', async (t) => {
  const matrix = worldOf(userOf('anna', ['viewer in north']))
  const { entries } = simulateUsers(matrix, { anna: delta(['viewer in *']) })
  t.match(entries[0]?.divisions, [
    { divisionId: '*', addedPermissions: ['routing:queue:view'] },
    { divisionId: 'north', addedPermissions: [], removedPermissions: [] },
  ])
  t.same(entries[0]?.addedPermissions, [], 'it was held somewhere before')
})

test('what does nothing is told of with its reason', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['viewer in home', 'clerk in *', 'staff in home'], { groupIds: ['band'] }),
    userOf('boris', ['viewer in home', 'staff in home'], { groupIds: ['idle'] }),
  )
  const { withoutEffect, entries, blastRadius } = simulateUsers(matrix, {
    anna: delta(
      ['viewer in home', 'clerk in north', 'viewer in south', 'staff in north'],
      ['viewer in north', 'boss in home', 'staff in home'],
    ),
    boris: { kind: 'replace', roleIds: ['viewer', 'staff'], divisionId: null },
  })
  t.same(
    withoutEffect.map(({ userId, operation, roleId, divisionId, reason }) => {
      return `${userId} ${operation} ${roleId} in ${divisionId}: ${reason}`
    }),
    [
      'anna grant viewer in home: held-already',
      'anna grant clerk in north: held-already',
      'anna grant viewer in south: given-by-group',
      'anna grant staff in north: employee-role',
      'anna revoke viewer in north: given-by-group',
      'anna revoke boss in home: not-held',
      'anna revoke staff in home: employee-role',
      'boris grant viewer in home: held-already',
      'boris grant staff in home: employee-role',
    ],
  )
  t.same(entries, [])
  t.match(blastRadius, { users: 0, permissions: 0, grantsAdded: 2, grantsRemoved: 0 })
})

test('a permission that groups alone give after its role is revoked is kept through them', async (t) => {
  const groupIds = ['team', 'band', 'idle']
  const matrix = worldOf(
    userOf('anna', ['agent in home'], { groupIds }),
    userOf('boris', ['agent in home', 'viewer in home'], { groupIds }),
    userOf('carla', ['agent in south'], { groupIds: ['team'] }),
  )
  const { keptThroughGroups } = simulateUsers(matrix, {
    anna: delta([], ['agent in home']),
    boris: delta([], ['agent in home']),
    carla: delta([], ['agent in south']),
  })
  const team = { id: 'team', name: 'Group team' }
  const settings = { permission: 'org:settings:edit', groups: [team] }
  t.same(keptThroughGroups, [
    { userId: 'anna', ...settings },
    {
      userId: 'anna',
      permission: 'routing:queue:view',
      groups: [{ id: 'band', name: 'Group band' }, team],
    },
    { userId: 'boris', ...settings },
    { userId: 'carla', ...settings },
  ])
})

test('administrators who could no longer change roles are named', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['boss in *']),
    userOf('boris', ['boss in home', 'boss in north']),
    userOf('carla', ['boss in home', 'clerk in north']),
    userOf('dora', ['agent in home']),
  )
  const { lockouts } = simulateUsers(matrix, {
    anna: { kind: 'replace', roleIds: ['agent'], divisionId: null },
    boris: delta([], ['boss in home']),
    carla: delta([], ['boss in home']),
    dora: delta([], ['agent in home']),
  })
  t.same(lockouts, [
    {
      userId: 'anna',
      userName: 'User anna',
      permissions: [
        'authorization:grant:add',
        'authorization:grant:delete',
        'authorization:role:edit',
      ],
    },
    {
      userId: 'carla',
      userName: 'User carla',
      permissions: ['authorization:grant:delete', 'authorization:role:edit'],
    },
  ])
})

test('permissions that no active user holds after are orphaned, whoever else has them', async (t) => {
  const others = [
    userOf('resting', ['boss in *'], { state: 'inactive' }),
    userOf('robot', ['boss in *'], { kind: 'client' }),
  ]
  const matrix = worldOf(userOf('anna', ['boss in *']), ...others)
  const intents = { anna: delta([], ['boss in *']) }
  t.same(simulateUsers(matrix, intents).blastRadius.orphanedPermissions, [
    'authorization:grant:add',
    'authorization:grant:delete',
    'authorization:role:edit',
  ])
  const helped = worldOf(userOf('anna', ['boss in *']), userOf('boris'), ...others)
  const handed = { ...intents, boris: delta(['clerk in north']) }
  t.same(simulateUsers(helped, handed).blastRadius.orphanedPermissions, [
    'authorization:grant:delete',
    'authorization:role:edit',
  ])
})

test('licences of the roles in question come with who gets and who loses the role', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['agent in home']),
    userOf('boris', ['agent in home']),
    userOf('carla', [], { groupIds: ['team'] }),
    userOf('dora'),
  )
  const { licences, blastRadius } = simulateUsers(matrix, {
    anna: delta(['boss in home'], ['agent in home']),
    boris: delta(['agent in north'], ['agent in home']),
    carla: delta(['agent in home']),
    dora: delta(['boss in home', 'boss in north']),
  })
  t.same(licences, [
    { roleId: 'agent', roleName: 'Agent', licences: agent.licences, gained: 0, lost: 1 },
    { roleId: 'boss', roleName: 'Supervisor', licences: ['engage3'], gained: 2, lost: 0 },
  ])
  t.match(blastRadius, { grantsAdded: 5, grantsRemoved: 2, users: 3 })
  const edited = simulateEdit(matrix, 'boss', ['routing:*:*'], [])
  t.match(edited.licences, [{ roleId: 'boss', gained: 0, lost: 0 }])
})

test('conflicts come with a simulation, those that block it first', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['boss in home', 'agent in home']),
    userOf('boris', ['agent in home']),
    userOf('carla', ['boss in home', 'agent in home']),
  )
  const { conflicts } = simulateUsers(matrix, {
    anna: delta(['viewer in home']),
    boris: delta(['boss in south']),
    carla: delta([], ['agent in home']),
  })
  t.same(
    conflicts.map(({ userId, status, rule }) => `${userId} ${status} ${rule}`),
    ['boris new supervisor-excludes-agent', 'anna existing supervisor-excludes-agent'],
  )
})

const DUTIES: readonly RoleRule[] = [
  {
    name: 'duties',
    kind: 'segregates',
    permissions: [['routing:queue:view'], ['authorization:grant:add', 'routing:queue:edit']],
    scope: 'overall',
  },
]

test('an edited role may break a segregation of duties, make it worse, or leave it', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['viewer in home']),
    userOf('boris', ['viewer in home', 'clerk in home']),
  )
  const statuses = (add: readonly string[], remove: readonly string[] = []): string[] => {
    const { conflicts } = simulateEdit(matrix, 'viewer', add, remove, { rules: DUTIES })
    return conflicts.map(({ userId, status }) => `${userId} ${status}`).sort()
  }
  t.same(statuses(['routing:queue:edit']), ['anna new', 'boris worse'])
  t.same(statuses(['org:settings:edit']), ['boris existing'])
  t.same(statuses([], ['routing:queue:view']), [])
})

test('an edited role touches every active holder, through groups too, and OAuth clients by number', async (t) => {
  const matrix = worldOf(
    userOf('anna', ['viewer in home']),
    userOf('boris', [], { groupIds: ['team'] }),
    userOf('carla', [], { groupIds: ['idle'] }),
    userOf('dora', ['viewer in *'], { state: 'inactive' }),
    userOf('emil', ['viewer in north'], { groupIds: ['team'] }),
    userOf('robot', ['viewer in home'], { kind: 'client' }),
  )
  const { entries, blastRadius, keptThroughGroups } = simulateEdit(
    matrix,
    'viewer',
    ['routing:queue:edit'],
    ['routing:queue:view'],
  )
  t.same(entries.map(({ userId }) => userId).sort(), ['anna', 'boris', 'emil'])
  t.match(blastRadius, { users: 3, clients: 1, permissions: 2, grantsAdded: 0 })
  t.same(keptThroughGroups, [
    {
      userId: 'emil',
      permission: 'routing:queue:view',
      groups: [{ id: 'team', name: 'Group team' }],
    },
  ])
})

test('pages follow each other; counts and lists are whole on each', async (t) => {
  const users = Array.from({ length: 5 }, (_, i) => userOf(`user-${i}`, ['viewer in home']))
  const matrix = worldOf(...users)
  const page = (offset: number): Simulation =>
    simulateEdit(matrix, 'viewer', ['routing:queue:edit'], [], { limit: 2, offset })
  const seen = [0, 2, 4].map((offset) => page(offset))
  t.same(
    seen.map(({ nextOffset }) => nextOffset),
    [2, 4, undefined],
  )
  t.same(
    seen.map(({ entries }) => entries.length),
    [2, 2, 1],
  )
  const ids = seen.flatMap(({ entries }) => entries.map(({ userId }) => userId))
  t.equal(new Set(ids).size, 5)
  t.ok(seen.every(({ blastRadius }) => blastRadius.users === 5))
  t.same(page(5).entries, [])
})

test('lists end at ten thousand lines, and say so', async (t) => {
  const users = Array.from({ length: 10_001 }, (_, i) => userOf(`u${i}`, ['boss in *']))
  const matrix = worldOf(...users)
  const all = simulateEdit(matrix, 'boss', [], ['authorization:*:*'], { limit: 1 })
  t.equal(all.lockouts.length, 10_000)
  t.equal(all.blastRadius.users, 10_001)
  t.ok(all.truncated)
  const none = simulateEdit(matrix, 'boss', ['routing:*:*'], [], { limit: 1 })
  t.same([none.lockouts.length, none.truncated], [0, false])
})

test('a simulation refuses what the matrix does not have', async (t) => {
  const matrix = worldOf(userOf('anna'))
  t.throws(() => simulateUsers(matrix, { nobody: delta(['agent in home']) }), { code: 'invalid' })
  t.throws(() => simulateEdit(matrix, 'no such role', [], []), { code: 'invalid' })
})
