import { test } from 'tap'
import { evaluateCondition } from '../../src/domain/condition.ts'
import { assignGrants } from '../../src/genesys/assign-grants.ts'
import { mapCondition } from '../../src/genesys/map-condition.ts'
import { mapDomain, mapGroup } from '../../src/genesys/map-directory.ts'
import { mapRole } from '../../src/genesys/map-role.ts'
import { mapUser } from '../../src/genesys/map-user.ts'

const broken = { code: 'upstream-broken' }

function role(policy: object): unknown {
  return { id: 'r', permissions: [], permissionPolicies: [policy] }
}

const QUEUE_VIEW = { domain: 'routing', entityName: 'queue', actionSet: ['view'] }

test('keeps conditions as they are, operands by the id they refer to', async (t) => {
  const node = {
    conjunction: 'AND',
    terms: [
      {
        variableName: 'a',
        operator: 'IN',
        operands: [
          { type: 'SCALAR', value: 'x' },
          { type: 'VARIABLE', value: 'b' },
          { type: 'USER', user: { id: 'u1', name: 'U' } },
          { type: 'QUEUE', queue: { id: 'q1' } },
          { type: 'TEAM', value: 't1' },
          { type: 'PLANET' },
        ],
      },
      { variableName: 'c', operator: 'LIKE', operands: null },
    ],
  }
  t.same(mapCondition(node, 'here'), {
    conjunction: 'AND',
    terms: [
      {
        variableName: 'a',
        operator: 'IN',
        operands: [
          { type: 'SCALAR', value: 'x' },
          { type: 'VARIABLE', value: 'b' },
          { type: 'USER', value: 'u1' },
          { type: 'QUEUE', value: 'q1' },
          { type: 'TEAM', value: 't1' },
          { type: 'PLANET', value: null },
        ],
      },
      { variableName: 'c', operator: 'LIKE' },
    ],
  })
})

test('a condition nested too deep is cut off where nobody can decide it', async (t) => {
  const leaf = { variableName: 'a', operator: 'EQ', operands: [{ type: 'SCALAR', value: '1' }] }
  const nested = (depth: number): object => {
    let node: object = leaf
    for (let i = 0; i < depth; i++) node = { conjunction: 'AND', terms: [node] }
    return node
  }
  const verdicts = [1, 32, 33, 100_000].map((depth) => {
    const condition = mapCondition(nested(depth), 'here')
    return condition && evaluateCondition(condition, [{ a: '1' }])
  })
  t.same(verdicts, ['holds', 'holds', 'undecided', 'undecided'])
  const odd = mapCondition({ variableName: nested(100_000), operator: 'EQ' }, 'here')
  t.ok(odd && evaluateCondition(odd, [{ a: '1' }]) === 'undecided')
})

test('types named like parts of every object are types that nobody knows', async (t) => {
  for (const type of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    const node = { variableName: 'a', operator: 'EQ', operands: [{ type, value: 'x' }] }
    t.match(mapCondition(node, 'here'), { operands: [{ type, value: 'x' }] })
    const { gaps } = assignGrants([], [], [{ roleId: 'r', holders: [holder('x', type, 'd')] }])
    t.match(gaps, { grantsOfUnlistedUsers: 0, grantsOfForeignSubjects: 1 })
  }
})

test('no condition is none; an empty one, or an empty term, cannot be decided', async (t) => {
  t.equal(mapCondition(undefined, 'here'), null)
  t.equal(mapCondition(null, 'here'), null)
  for (const node of [{}, { conjunction: 'AND', terms: [null] }, { terms: [] }]) {
    const condition = mapCondition(node, 'here')
    t.ok(condition && evaluateCondition(condition, [{}]) === 'undecided', JSON.stringify(node))
  }
  t.throws(() => mapCondition('text', 'here'), broken)
  t.throws(() => mapCondition({ terms: 'text' }, 'here'), broken)
})

function conditionOf(more: object) {
  return mapRole(role({ ...QUEUE_VIEW, ...more })).policies[0]?.condition
}

test('named resources make a policy conditional, beside its own condition', async (t) => {
  const condition = {
    variableName: 'a',
    operator: 'EQ',
    operands: [{ type: 'SCALAR', value: '1' }],
  }
  for (const namedResources of [undefined, null, [], ['*']]) {
    t.equal(conditionOf({ namedResources }), null)
  }
  const narrowed = conditionOf({ namedResources: ['one'], resourceConditionNode: condition })
  t.match(narrowed, { conjunction: 'AND', terms: [condition, {}] })
  for (const attributes of [{ a: '1' }, { a: '1', namedResource: 'one' }]) {
    t.equal(narrowed && evaluateCondition(narrowed, [attributes]), 'undecided')
  }
  const only = conditionOf({ namedResources: ['one', 'two'] })
  t.equal(only && evaluateCondition(only, [{ namedResource: 'one' }]), 'undecided')
})

test('a role that does not say what it gives is broken', async (t) => {
  t.throws(() => mapRole({ id: 'r', permissions: [] }), broken)
  t.throws(() => mapRole({ permissionPolicies: [] }), broken)
  t.throws(() => mapRole(role({ ...QUEUE_VIEW, actionSet: undefined })), broken)
  t.throws(() => mapRole(role({ ...QUEUE_VIEW, domain: '' })), broken)
  t.throws(() => mapRole({ id: 'r', permissions: 'all', permissionPolicies: [] }), broken)
  const licences = { baseLicense: 'base', addonLicenses: ['a', 'b'] }
  t.same(mapRole({ id: 'r', permissionPolicies: [], ...licences }).licences, ['base', 'a', 'b'])
})

test('a user’s own state counts; groups that were left out are unknown', async (t) => {
  const user = { id: 'u', name: 'U', groups: [{ id: 'g' }] }
  t.match(mapUser({ ...user, state: 'inactive' }, 'active'), { state: 'inactive', groupIds: ['g'] })
  t.match(mapUser(user, 'deleted'), { state: 'deleted', email: '' })
  t.equal(mapUser({ id: 'u', state: 'active' }).groupIds, null)
  t.throws(() => mapUser({ ...user, state: 'asleep' }), broken)
  t.throws(() => mapUser(user), broken)
  t.throws(() => mapUser({ ...user, groups: [{}] }, 'active'), broken)
})

test('what a group or permission leaves unsaid is not guessed to be more', async (t) => {
  t.throws(() => mapGroup({ id: 'g' }), broken)
  const permissionMap = { queue: [{ action: 'view' }, { action: 'edit', divisionAware: false }] }
  const { permissions } = mapDomain({ domain: 'routing', permissionMap })
  t.same(
    permissions.map(({ entity, action, divisionAware }) => [entity, action, divisionAware]),
    [
      ['queue', 'view', true],
      ['queue', 'edit', false],
    ],
  )
  t.throws(() => mapDomain({ domain: 'routing', permissionMap: { queue: [{}] } }), broken)
})

function holder(id: string, type: string, ...divisionIds: string[]) {
  return { id, name: id, type, divisionIds }
}

test('grants that nobody can be given are counted by kind', async (t) => {
  const user = { id: 'u', name: 'U', email: '', state: 'active', groupIds: [] } as const
  const group = { id: 'g', name: 'G', rolesEnabled: true }
  const holders = [
    holder('u', 'PC_USER', 'd', '*'),
    holder('lost', 'PC_USER', 'd', 'e'),
    holder('g', 'PC_GROUP', 'd'),
    holder('lost', 'PC_GROUP', 'd'),
    holder('c', 'PC_OAUTH_CLIENT', '*'),
    holder('t', 'PC_TRUSTEE_USER', 'd'),
    holder('x', 'PC_ROBOT', 'd', 'e'),
  ]
  const assigned = assignGrants(
    [user],
    [group],
    [
      { roleId: 'r', holders },
      { roleId: 's', holders: [holder('c', 'PC_OAUTH_CLIENT', 'd')] },
    ],
  )
  t.match(assigned.gaps, { grantsOfUnlistedUsers: 3, grantsOfForeignSubjects: 3 })
  t.equal(assigned.groups[0]?.grants.length, 1)
  const [listed, client] = assigned.subjects
  t.same(listed?.grants, [
    { roleId: 'r', divisionId: 'd' },
    { roleId: 'r', divisionId: '*' },
  ])
  t.match(client, { id: 'c', kind: 'client', state: 'active' })
  t.equal(client?.grants.length, 2)
})
