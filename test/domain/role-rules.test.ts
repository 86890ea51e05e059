import { test } from 'tap'
import { userConflicts } from '../../src/domain/check-role-rules.ts'
import type { SubjectFact } from '../../src/domain/facts.ts'
import { currentConflicts } from '../../src/domain/list-conflicts.ts'
import type { Matrix } from '../../src/domain/matrix.ts'
import { unmatchedRules } from '../../src/domain/resolve-role-rules.ts'
import { DEFAULT_ROLE_RULES } from '../../src/domain/role-rules.ts'
import type { RoleRule, RuleConflict } from '../../src/domain/role-rules.ts'
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

const roles = [
  { ...roleOf('r-admin', 'authorization:*:*'), name: 'Admin' },
  { ...roleOf('r-agent', 'routing:queue:view'), name: 'Agent' },
  { ...roleOf('r-agent-2'), name: ' agent_' },
  { ...roleOf('r-external'), name: 'External User' },
  { ...roleOf('r-payer', 'money:payment:send'), name: 'Payer' },
  { ...roleOf('r-approver', policyOf('money:payment:approve', whereEqual('a', 'b'))), name: 'Ap' },
  { ...roleOf('r-org', 'org:settings:edit'), name: 'Organiser' },
  { ...roleOf('r-supervisor'), name: 'Supervisor' },
]

function worldOf(...subjects: readonly SubjectFact[]): Matrix {
  return matrixOf({
    roles,
    subjects,
    divisions: [divisionOf('north'), divisionOf('south')],
    groups: [groupOf('agents', ['r-agent in north']), groupOf('idle', ['r-agent in north'], false)],
    permissions: [
      permissionOf('authorization:grant:add'),
      permissionOf('routing:queue:view'),
      permissionOf('money:payment:send'),
      permissionOf('money:payment:approve'),
      permissionOf('money:payment:view'),
      permissionOf('org:settings:edit', false),
    ],
  })
}

const ANNA = worldOf(userOf('anna'))

/** Conflicts of Anna as `status rule in division: roles`. */
function conflictsOf(
  rules: readonly RoleRule[],
  before: readonly string[],
  after: readonly string[],
  matrix = ANNA,
): string[] {
  const found = userConflicts(matrix, rules, 'anna', before.map(grantOf), after.map(grantOf))
  return found.map(conflictText)
}

function conflictText({ status, rule, divisionId, roleIds }: RuleConflict): string {
  return `${status} ${rule} in ${divisionId ?? 'any'}: ${roleIds.join(' ')}`
}

test('the default rules keep supervisors from being agents and admins from being external', async (t) => {
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [], ['r-supervisor in north', 'r-agent in south']), [
    'new supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [], ['r-external in *', 'r-admin in north']), [
    'new admin-excludes-external-user in any: r-admin r-external',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [], ['r-admin in *', 'r-agent in *']), [])
})

test('a conflict names rule, user and roles, and says it in a sentence', async (t) => {
  const after = ['r-supervisor in north', 'r-agent in south', 'r-agent-2 in south'].map(grantOf)
  t.same(userConflicts(ANNA, DEFAULT_ROLE_RULES, 'anna', [], after), [
    {
      rule: 'supervisor-excludes-agent',
      userId: 'anna',
      roleIds: ['r-supervisor', 'r-agent', 'r-agent-2'],
      roleNames: ['Supervisor', 'Agent', ' agent_'],
      permissions: [],
      divisionId: null,
      status: 'new',
      message: 'the roles Supervisor, Agent and  agent_ exclude each other',
    },
  ])
})

test('what was broken before is existing, and worse once another role joins', async (t) => {
  const both = ['r-supervisor in north', 'r-agent in south']
  t.same(conflictsOf(DEFAULT_ROLE_RULES, both, both), [
    'existing supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, both, [...both, 'r-agent in north']), [
    'existing supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, both, [...both, 'r-agent-2 in north']), [
    'worse supervisor-excludes-agent in any: r-supervisor r-agent r-agent-2',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [...both, 'r-agent-2 in north'], both), [
    'existing supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, both, ['r-agent in south']), [])
})

test('roles of groups count when the group carries roles', async (t) => {
  const rules = DEFAULT_ROLE_RULES
  const member = worldOf(userOf('anna', [], { groupIds: ['agents'] }))
  t.same(conflictsOf(rules, [], ['r-supervisor in south'], member), [
    'new supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  const idle = worldOf(userOf('anna', [], { groupIds: ['idle'] }))
  t.same(conflictsOf(rules, [], ['r-supervisor in south'], idle), [])
})

const PER_DIVISION: readonly RoleRule[] = [
  { name: 'x', kind: 'excludes', role: 'SUPERVISOR', excludes: ['r-agent'], scope: 'division' },
]

test('per division roles conflict where they meet, and those in all divisions meet every one', async (t) => {
  t.same(conflictsOf(PER_DIVISION, [], ['r-supervisor in north', 'r-agent in south']), [])
  t.same(
    conflictsOf(
      PER_DIVISION,
      [],
      ['r-supervisor in north', 'r-agent in north', 'r-agent in south'],
    ),
    ['new x in north: r-supervisor r-agent'],
  )
  t.same(conflictsOf(PER_DIVISION, [], ['r-supervisor in north', 'r-agent in *']), [
    'new x in north: r-supervisor r-agent',
  ])
  t.same(conflictsOf(PER_DIVISION, [], ['r-supervisor in *', 'r-agent in *', 'r-agent in north']), [
    'new x in *: r-supervisor r-agent',
  ])
  const [conflict] = userConflicts(
    ANNA,
    PER_DIVISION,
    'anna',
    [],
    ['r-supervisor in north', 'r-agent in north'].map(grantOf),
  )
  t.equal(conflict?.message, 'the roles Supervisor and Agent exclude each other in Division north')
})

test('a conflict in one division is not new where it was before', async (t) => {
  const north = ['r-supervisor in north', 'r-agent in north']
  t.same(conflictsOf(PER_DIVISION, ['r-supervisor in *', 'r-agent in *'], north), [
    'existing x in north: r-supervisor r-agent',
  ])
  t.same(conflictsOf(PER_DIVISION, north, [...north, 'r-agent in *']), [
    'existing x in north: r-supervisor r-agent',
  ])
  t.same(conflictsOf(PER_DIVISION, north, ['r-supervisor in *', 'r-agent in *']), [
    'new x in *: r-supervisor r-agent',
  ])
})

test('a division that the matrix does not know is one like any other', async (t) => {
  t.same(conflictsOf(PER_DIVISION, [], ['r-supervisor in new', 'r-agent in new']), [
    'new x in new: r-supervisor r-agent',
  ])
  t.same(conflictsOf(PER_DIVISION, [], ['r-supervisor in new', 'r-agent in newer']), [])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [], ['r-supervisor in new', 'r-agent in newer']), [
    'new supervisor-excludes-agent in any: r-supervisor r-agent',
  ])
  t.same(conflictsOf(DEFAULT_ROLE_RULES, [], ['no such role in north', 'r-agent in north']), [])
})

function needs(scope: 'division' | 'overall'): RoleRule[] {
  return [{ name: 'n', kind: 'requires', role: 'payer', requires: ['agent', 'organiser'], scope }]
}

test('a role may need another one, in its division or overall', async (t) => {
  t.same(conflictsOf(needs('overall'), [], ['r-payer in north']), ['new n in any: r-payer'])
  t.same(conflictsOf(needs('overall'), [], ['r-payer in north', 'r-org in south']), [])
  const divided = ['r-payer in north', 'r-org in south']
  t.same(conflictsOf(needs('division'), [], divided), ['new n in north: r-payer'])
  t.same(conflictsOf(needs('division'), [], ['r-payer in north', 'r-org in *']), [])
  // A role held everywhere needs the other everywhere.
  t.same(conflictsOf(needs('division'), [], ['r-payer in *', 'r-org in north']), [
    'new n in *: r-payer',
  ])
  t.same(
    conflictsOf(needs('division'), ['r-payer in *', 'r-org in north'], ['r-payer in *']),
    ['existing n in *: r-payer', 'new n in north: r-payer'],
    'what was well in the north is no more',
  )
  const [conflict] = userConflicts(ANNA, needs('overall'), 'anna', [], [grantOf('r-payer in *')])
  t.equal(conflict?.message, 'the role Payer requires agent or organiser')
})

const DUTIES: readonly RoleRule[] = [
  {
    name: 'duties',
    kind: 'segregates',
    permissions: [['money:payment:send'], ['money:payment:approve', 'org:settings:edit']],
    scope: 'division',
  },
]

test('duties are kept apart by what roles give in effect, conditions included', async (t) => {
  const found = userConflicts(
    ANNA,
    DUTIES,
    'anna',
    [],
    ['r-payer in north', 'r-approver in north'].map(grantOf),
  )
  t.match(found, [
    {
      rule: 'duties',
      roleIds: ['r-approver', 'r-payer'],
      permissions: ['money:payment:approve', 'money:payment:send'],
      divisionId: 'north',
      status: 'new',
      message:
        'money:payment:approve and money:payment:send must not meet in one person in Division north',
    },
  ])
  t.same(conflictsOf(DUTIES, [], ['r-payer in north', 'r-approver in south']), [])
})

test('a permission that no division narrows meets those of every division', async (t) => {
  t.same(conflictsOf(DUTIES, [], ['r-payer in north', 'r-org in south']), [
    'new duties in north: r-org r-payer',
  ])
})

test('duties are worse by another permission, not by another role that gives the same', async (t) => {
  const before = ['r-payer in north', 'r-approver in north']
  t.same(conflictsOf(DUTIES, before, [...before, 'r-payer in *']), [
    'existing duties in north: r-approver r-payer',
  ])
  t.same(conflictsOf(DUTIES, before, [...before, 'r-org in south']), [
    'worse duties in north: r-approver r-org r-payer',
  ])
})

test('a set of duties may name a whole domain', async (t) => {
  const rules: RoleRule[] = [
    {
      name: 'domains',
      kind: 'segregates',
      permissions: [['money:*:*'], ['authorization:*:*', 'routing:queue:*']],
      scope: 'overall',
    },
  ]
  t.same(conflictsOf(rules, [], ['r-payer in north', 'r-approver in north']), [])
  t.same(conflictsOf(rules, [], ['r-payer in north', 'r-admin in south']), [
    'new domains in any: r-admin r-payer',
  ])
})

test('rules that name what the organisation lacks are told of, and inert without it', async (t) => {
  const rules: RoleRule[] = [
    ...DEFAULT_ROLE_RULES,
    { name: 'typo', kind: 'excludes', role: 'agent', excludes: ['Admn'], scope: 'overall' },
    {
      name: 'half',
      kind: 'excludes',
      role: 'agent',
      excludes: ['Admn', 'admin'],
      scope: 'overall',
    },
    { name: 'none', kind: 'requires', role: 'payer', requires: ['nobody'], scope: 'overall' },
    { name: 'who', kind: 'requires', role: 'nobody', requires: ['payer'], scope: 'overall' },
    {
      name: 'sets',
      kind: 'segregates',
      permissions: [['money:payment:send'], ['money:payment:sign', 'monney:*:*']],
      scope: 'overall',
    },
  ]
  t.same(unmatchedRules(ANNA, rules), [
    { rule: 'typo', unknown: ['Admn'], inert: true },
    { rule: 'half', unknown: ['Admn'], inert: false },
    { rule: 'none', unknown: ['nobody'], inert: false },
    { rule: 'who', unknown: ['nobody'], inert: true },
    { rule: 'sets', unknown: ['money:payment:sign', 'monney:*:*'], inert: true },
  ])
  t.same(conflictsOf(rules, [], ['r-agent in north', 'r-payer in north']), [
    'new none in any: r-payer',
  ])
})

test('the conflicts of all active users are listed up to a limit', async (t) => {
  const grants = ['r-supervisor in north', 'r-agent in south']
  const matrix = worldOf(
    userOf('anna', grants),
    userOf('boris', grants),
    userOf('carla', ['r-supervisor in north'], { groupIds: ['agents'] }),
    userOf('dora', ['r-agent in north']),
    userOf('emil', grants, { state: 'inactive' }),
    userOf('robot', grants, { kind: 'client' }),
  )
  const { conflicts, truncated } = currentConflicts(matrix, DEFAULT_ROLE_RULES, { limit: 3 })
  t.same(conflicts.map(({ userId }) => userId).sort(), ['anna', 'boris', 'carla'])
  t.ok(conflicts.every(({ status }) => status === 'existing'))
  t.notOk(truncated)
  const cut = currentConflicts(matrix, DEFAULT_ROLE_RULES, { limit: 2 })
  t.equal(cut.conflicts.length, 2)
  t.ok(cut.truncated)
})
