import { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import type { RoleFact } from '../../src/domain/facts.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { permissionChange } from '../../src/domain/permission-change.ts'
import { ANNA, SALES, smallFacts, user } from '../support/small-facts.ts'

const GROUP = 'f0000000-0000-4000-8000-000000000001'

function role(id: string, permissions: readonly string[], conditional = false): RoleFact {
  const condition = {
    conjunction: 'AND',
    terms: [{ variable: 'x', operator: 'EQ', operands: [{ type: 'SCALAR', value: '1' }] }],
  } as never
  const policy = { domain: 'routing', entity: 'queue', actions: ['view'], condition }
  const policies = conditional ? [policy] : []
  return { id, name: id, defaultRoleId: '', licences: [], permissions, policies }
}

function held(...roleIds: string[]) {
  return roleIds.map((roleId) => ({ roleId, divisionId: SALES }))
}

const matrix = new Matrix(
  buildMatrix(
    smallFacts({
      subjects: [user(ANNA, { grants: [], groupIds: [GROUP] })],
      groups: [{ id: GROUP, name: 'Group', rolesEnabled: true, grants: held('shared') }],
      roles: [
        role('shared', ['common']),
        role('first', ['common', 'one', 'two']),
        role('second', ['two', 'three']),
        role('narrow', [], true),
      ],
    }),
  ),
)

test('a change of grants gains and loses what no other role gives', (t) => {
  t.same(permissionChange(matrix, ANNA, held('first'), held('second')), {
    added: ['three'],
    removed: ['one'],
  })
  t.same(permissionChange(matrix, ANNA, [], held('narrow', 'first')), {
    added: ['one', 'routing:queue:view', 'two'],
    removed: [],
  })
  t.end()
})

test('what a group gives is neither gained nor lost; without the group it is', (t) => {
  t.same(permissionChange(matrix, ANNA, held('shared'), []), { added: [], removed: [] })
  t.same(permissionChange(matrix, 'nobody', held('shared'), []), {
    added: [],
    removed: ['common'],
  })
  t.end()
})

test('a role that the matrix does not know gives nothing', (t) => {
  t.same(permissionChange(matrix, ANNA, held('gone'), held('other', 'gone')), {
    added: [],
    removed: [],
  })
  t.end()
})
