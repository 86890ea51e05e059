import { test } from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import type { Fault } from '../../src/domain/failure.ts'
import { resolveUpdates } from '../../src/domain/resolve-changes.ts'
import type { RequestedUpdate } from '../../src/domain/role-change.ts'
import { divisionOf, grantOf, groupOf, matrixOf, roleOf, userOf } from './support/small-world.ts'

const NOW = Date.parse('2026-01-31T12:00:00Z')

const ANNA = 'b0000000-0000-4000-8000-000000000001'

const matrix = matrixOf({
  subjects: [
    userOf(ANNA, [], { email: 'Anna@Example.org' }),
    userOf('boris', [], { email: 'boris@example.org' }),
    userOf('jürgen', [], { email: 'JÜRGEN@example.org' }),
    userOf('twin-1', [], { email: 'twin@example.org' }),
    userOf('twin-2', [], { email: 'TWIN@example.org' }),
    userOf('left', [], { email: 'again@example.org', state: 'deleted' }),
    userOf('back', [], { email: 'again@example.org' }),
    userOf('resting', [], { state: 'inactive' }),
    userOf('gone', [], { email: 'gone@example.org', state: 'deleted' }),
    userOf('robot', [], { kind: 'client', email: 'robot@example.org' }),
  ],
  groups: [groupOf('sales-team', [])],
  roles: [
    { ...roleOf('role-1'), name: 'Agent' },
    { ...roleOf('role-2'), name: 'Supervisor' },
    { ...roleOf('role-3'), name: 'Twin' },
    { ...roleOf('role-4'), name: 'Twin' },
    { ...roleOf('role-5'), name: 'employee', defaultRoleId: 'employee' },
    { ...roleOf('Agent-2'), name: 'role-1' },
  ],
  divisions: [
    { ...divisionOf('division-1', true), name: 'Home' },
    { ...divisionOf('division-2'), name: 'North' },
  ],
})

function resolve(...updates: readonly RequestedUpdate[]) {
  return resolveUpdates(matrix, updates, NOW)
}

/** The faults of updates, as `field: message`. */
function faultsOf(...updates: readonly RequestedUpdate[]): string[] {
  try {
    resolve(...updates)
    return []
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'invalid') throw error
    const faults: readonly Fault[] = error.faults ?? []
    if (error.field !== faults[0]?.field) throw error
    return faults.map(({ field, message }) => `${field}: ${message}`)
  }
}

const AGENT = grantOf('Agent in Home')

test('users are found by id or email, roles and divisions by id or exact name', async (t) => {
  t.same(
    resolve(
      {
        userId: ANNA,
        grant: [AGENT, grantOf('role-2 in *')],
        revoke: [grantOf('role-1 in North')],
      },
      { userId: 'BORIS@example.ORG', newRoleIds: ['Supervisor', 'role-2'] },
      { userId: 'jürgen@example.org', newRoleIds: [], divisionId: 'North' },
    ),
    [
      {
        userId: ANNA,
        intent: {
          kind: 'delta',
          grant: [grantOf('role-1 in division-1'), grantOf('role-2 in *')],
          revoke: [grantOf('role-1 in division-2')],
        },
      },
      { userId: 'boris', intent: { kind: 'replace', roleIds: ['role-2'], divisionId: null } },
      { userId: 'jürgen', intent: { kind: 'replace', roleIds: [], divisionId: 'division-2' } },
    ],
  )
  const [byOldAddress] = resolve({ userId: 'again@example.org', grant: [AGENT] })
  t.equal(byOldAddress?.userId, 'back', 'a deleted user no longer owns the address')
})

test('every name that stands for nothing, or for several, is a fault', async (t) => {
  const grant = [grantOf('agent in home'), grantOf('Twin in East'), grantOf('Supervisors in Home')]
  t.same(faultsOf({ userId: 'nobody@example.org', grant }, { userId: 'twin@example.org', grant }), [
    'updates/0/userId: no user has the id or email nobody@example.org',
    'updates/0/grant/0/roleId: no role has the id or name agent; did you mean Agent?',
    'updates/0/grant/0/divisionId: no division has the id or name home; did you mean Home?',
    'updates/0/grant/1/roleId: 2 roles are called Twin: name the one by its id',
    'updates/0/grant/1/divisionId: no division has the id or name East',
    'updates/0/grant/2/roleId: no role has the id or name Supervisors; did you mean Supervisor?',
    'updates/1/userId: 2 users have the email twin@example.org: name the one by its id',
    'updates/1/grant/0/roleId: no role has the id or name agent; did you mean Agent?',
    'updates/1/grant/0/divisionId: no division has the id or name home; did you mean Home?',
    'updates/1/grant/1/roleId: 2 roles are called Twin: name the one by its id',
    'updates/1/grant/1/divisionId: no division has the id or name East',
    'updates/1/grant/2/roleId: no role has the id or name Supervisors; did you mean Supervisor?',
  ])
  t.same(faultsOf({ userId: 'boris', newRoleIds: ['Agent', 'Agend'], divisionId: 'north' }), [
    'updates/0/newRoleIds/1: no role has the id or name Agend; did you mean Agent?',
    'updates/0/divisionId: no division has the id or name north; did you mean North?',
  ])
})

test('only active users are changed', async (t) => {
  const ids = ['resting', 'gone@example.org', 'robot', 'sales-team', 'Group sales-team', ANNA]
  t.same(faultsOf(...ids.map((userId) => ({ userId, grant: [AGENT] }))), [
    'updates/0/userId: resting is inactive: the platform drops roles of inactive users',
    'updates/1/userId: gone@example.org is deleted: the platform drops roles of deleted users',
    'updates/2/userId: robot is an OAuth client: its roles are not changed here',
    'updates/3/userId: sales-team is a group: roles of groups are not changed here',
    'updates/4/userId: Group sales-team is a group: roles of groups are not changed here',
  ])
  t.same(faultsOf({ userId: ANNA.toUpperCase(), grant: [AGENT] }), [
    `updates/0/userId: no user has the id or email ${ANNA.toUpperCase()}`,
  ])
})

test('a user is named once, be it by id or by email', async (t) => {
  const updates = [ANNA, 'boris', 'anna@example.org', 'boris'].map((userId) => ({
    userId,
    grant: [AGENT],
  }))
  t.same(faultsOf(...updates), [
    'updates/2/userId: names the same user as updates/0',
    'updates/3/userId: names the same user as updates/1',
  ])
})

test('an update either grants and revokes, or replaces', async (t) => {
  const neither = 'must have either newRoleIds, or grant, revoke or both'
  t.same(faultsOf({ userId: ANNA }), [`updates/0: ${neither}`])
  t.same(faultsOf({ userId: ANNA, grant: [AGENT], newRoleIds: [] }), [`updates/0: ${neither}`])
  t.same(faultsOf({ userId: ANNA, grant: [], revoke: [] }), [
    'updates/0: grants and revokes nothing',
  ])
  t.same(faultsOf({ userId: ANNA, grant: [AGENT], divisionId: 'Home' }), [
    'updates/0/divisionId: is for newRoleIds only',
  ])
})

test('the same grant twice is one, and not granted and revoked at once', async (t) => {
  const twice = [AGENT, grantOf('role-1 in division-1')]
  const [change] = resolve({ userId: ANNA, grant: twice })
  t.same(change?.intent, { kind: 'delta', grant: [grantOf('role-1 in division-1')], revoke: [] })
  t.same(faultsOf({ userId: ANNA, grant: [AGENT], revoke: twice }), [
    'updates/0/revoke/0: is granted as well',
    'updates/0/revoke/1: is granted as well',
  ])
  t.same(faultsOf({ userId: ANNA, grant: [AGENT], revoke: [grantOf('Agent in *')] }), [])
})

test('the employee role can be neither granted nor revoked, and does no harm in a replacement', async (t) => {
  const pair = [grantOf('role-5 in Home')]
  t.same(faultsOf({ userId: ANNA, grant: pair }, { userId: 'boris', revoke: pair }), [
    'updates/0/grant/0/roleId: the employee role cannot be granted: everyone has it',
    'updates/1/revoke/0/roleId: the employee role cannot be revoked: everyone has it',
  ])
  const [change] = resolve({ userId: ANNA, newRoleIds: ['employee', 'Agent'] })
  t.same(change?.intent, { kind: 'replace', roleIds: ['role-5', 'role-1'], divisionId: null })
})

test('a grant ends at an instant in the future', async (t) => {
  const until = (text: string): readonly RequestedUpdate[] => [
    { userId: ANNA, grant: [{ ...AGENT, until: text }] },
  ]
  const accepted = [
    ['2026-02-28T23:59:59Z', '2026-02-28T23:59:59.000Z'],
    ['2026-02-01T00:00:00.25+02:00', '2026-01-31T22:00:00.250Z'],
    ['2028-02-29T12:00-05:30', '2028-02-29T17:30:00.000Z'],
    ['2031-01-31T12:00:00Z', '2031-01-31T12:00:00.000Z'],
  ] as const
  for (const [text, instant] of accepted) {
    const [change] = resolve(...until(text))
    const intent = change?.intent
    t.equal(intent?.kind === 'delta' ? intent.grant[0]?.until : undefined, instant)
  }
  const shape = 'must be a time such as 2030-01-31T17:00:00Z, with Z or an offset'
  for (const text of [
    '2027-01-01',
    'tomorrow',
    '2027-01-01T00:00:00',
    '2027-02-30T00:00:00Z',
    '',
  ]) {
    t.same(faultsOf(...until(text)), [`updates/0/grant/0/until: ${shape}`], text)
  }
  for (const text of ['2027-01-01T24:00:00Z', '2027-13-01T00:00:00Z', '2027-01-01 00:00:00Z']) {
    t.same(faultsOf(...until(text)), [`updates/0/grant/0/until: ${shape}`], text)
  }
  t.same(faultsOf(...until('2026-01-31T12:00:00Z')), [
    'updates/0/grant/0/until: must lie in the future',
  ])
  t.same(faultsOf(...until('2031-01-31T12:00:00.001Z')), [
    'updates/0/grant/0/until: must lie within 5 years',
  ])
  const [same] = [{ ...AGENT, until: '2027-01-01T00:00:00Z' }]
  t.same(faultsOf({ userId: ANNA, grant: [AGENT, same] }), [
    'updates/0/grant/1/until: the same grant is asked for with another end',
  ])
  t.same(faultsOf({ userId: ANNA, grant: [same, { ...same, until: '2027-01-01T00:00Z' }] }), [])
})

test('a batch has at least one update and at most a thousand', async (t) => {
  t.same(faultsOf(), ['updates: must hold 1 to 1000 updates, not 0'])
  const many = Array.from({ length: 1_001 }, () => ({ userId: ANNA, grant: [AGENT] }))
  t.same(faultsOf(...many), ['updates: must hold 1 to 1000 updates, not 1001'])
})

test('the failure counts all faults and tells of a hundred', async (t) => {
  const many = Array.from({ length: 150 }, () => ({ userId: 'nobody', grant: [AGENT] }))
  t.throws(() => resolve(...many), {
    code: 'invalid',
    field: 'updates/0/userId',
    message: 'updates/0/userId: no user has the id or email nobody (and 149 more faults)',
  })
  t.equal(faultsOf(...many).length, 100)
  t.throws(() => resolve({ userId: 'nobody' }, { userId: ANNA, grant: [AGENT] }), {
    message: /\(and 1 more fault\)$/,
  })
})

test('a replacement everywhere needs to know the home division', async (t) => {
  const homeless = matrixOf({
    subjects: [userOf('anna')],
    roles: [roleOf('agent')],
    divisions: [divisionOf('north')],
  })
  t.throws(() => resolveUpdates(homeless, [{ userId: 'anna', newRoleIds: ['agent'] }], NOW), {
    code: 'invalid',
    field: 'updates/0/newRoleIds',
  })
  t.equal(resolveUpdates(homeless, [{ userId: 'anna', newRoleIds: [] }], NOW).length, 1)
})
