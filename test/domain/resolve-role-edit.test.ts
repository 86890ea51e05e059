import { test } from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { resolveRoleEdit } from '../../src/domain/resolve-role-edit.ts'
import type { RequestedRoleEdit } from '../../src/domain/simulation.ts'
import { matrixOf, permissionOf, policyOf, roleOf, whereEqual } from './support/small-world.ts'

const matrix = matrixOf({
  permissions: [
    permissionOf('routing:queue:view'),
    permissionOf('routing:queue:edit'),
    permissionOf('routing:wrapup:add'),
    permissionOf('analytics:report:view'),
  ],
  roles: [
    roleOf('agent', 'routing:queue:edit+view', policyOf('analytics:*:*', whereEqual('a', 'b'))),
    roleOf('flat', 'group_creation'),
  ],
})

function faultsOf(edit: RequestedRoleEdit): string[] {
  try {
    resolveRoleEdit(matrix, edit)
    return []
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'invalid') throw error
    return (error.faults ?? []).map(({ field, message }) => `${field}: ${message}`)
  }
}

test('an edit comes back with the id of its role', async (t) => {
  const condition = whereEqual('queueId', '5')
  const edit = resolveRoleEdit(matrix, {
    roleId: 'Role agent',
    addPolicies: [
      { domain: 'routing', entity: '*', actions: ['add', '*'] },
      policyOf('analytics:report:view', condition),
    ],
    removePolicies: [policyOf('routing:queue:view+edit'), policyOf('analytics:*:*')],
  })
  t.equal(edit.roleId, 'agent')
  t.same(edit.addPolicies, [
    policyOf('routing:*:add+*'),
    policyOf('analytics:report:view', condition),
  ])
  t.equal(edit.removePolicies.length, 2)
})

test('what the catalogue does not know is a fault that names the nearest known', async (t) => {
  t.same(
    faultsOf({
      roleId: 'agent',
      addPolicies: [
        policyOf('rooting:queue:view'),
        policyOf('routing:queues:view'),
        policyOf('routing:queue:view+edti'),
        policyOf('routing:*:delete'),
        policyOf('*:*:*'),
        { domain: 'routing', entity: 'queue', actions: [] },
        policyOf('analytics:report:*'),
      ],
    }),
    [
      'addPolicies/0/domain: the catalogue has no domain rooting; did you mean routing?',
      'addPolicies/1/entity: the catalogue has no entity queues in routing; did you mean queue?',
      'addPolicies/2/actions/1: the catalogue has no action edti in routing:queue',
      'addPolicies/3/actions/0: the catalogue has no action delete in routing:*',
      'addPolicies/4/domain: the catalogue has no domain *',
      'addPolicies/5/actions: must name at least one action',
    ],
  )
})

test('a policy to remove is one that the role has, whole', async (t) => {
  t.same(
    faultsOf({
      roleId: 'agent',
      removePolicies: [policyOf('routing:queue:view'), policyOf('routing:wrapup:add')],
    }),
    [
      'removePolicies/0: Role agent has no policy routing:queue:view; it has routing:queue:edit+view',
      'removePolicies/1: Role agent has no policy routing:wrapup:add',
    ],
  )
})

test('an edit names a role that there is, and changes something', async (t) => {
  t.same(faultsOf({ roleId: 'agend', addPolicies: [policyOf('routing:queue:view')] }), [
    'roleId: no role has the id or name agend',
  ])
  t.same(faultsOf({ roleId: 'agent', addPolicies: [] }), [
    'addPolicies: or removePolicies must hold a policy',
  ])
})
