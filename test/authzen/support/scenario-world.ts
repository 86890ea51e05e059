import { BASE_CATALOGUE } from '../../../simulator/catalogue.ts'
import type { ConditionNode, PolicyRecord } from '../../../simulator/records.ts'
import { World } from '../../../simulator/world.ts'

const organizationId = 'ffffffff-0000-4000-8000-000000000433'

/** `record` is the scenario's own; a gateway may speak of routes, and have actions of its own. */
export const RESOURCE_TYPES = [
  ...['record=records:record', 'feature=permission'],
  ...['route/GET=records:record:read', 'route/HEAD=records:record:read'],
  'route/POST=records:record:export',
  ...['doc=records:record', 'doc/show=records:record:read', 'doc/write=records:record:delete'],
  'doc/gone=records:record:gone',
].join()

function equals(variableName: string, value: string): ConditionNode {
  return { variableName, operator: 'EQ', operands: [{ type: 'SCALAR', value }] }
}

const records = (action: string, condition?: ConditionNode): PolicyRecord => ({
  domain: 'records',
  entityName: 'record',
  actionSet: [action],
  ...(condition ? { condition } : {}),
})

/** For admins, as whom a subject is given, or on what is archived: who holds it is one. */
const ADMIN: ConditionNode = {
  conjunction: 'OR',
  terms: [equals('role', 'admin'), equals('status', 'archived')],
}

/** Held through a nested condition: active records, or for auditors any whose level is not above theirs. */
const NESTED: ConditionNode = {
  conjunction: 'OR',
  terms: [
    { ...equals('status', ''), operator: 'IN', operands: [{ type: 'SCALAR', value: 'active' }] },
    {
      conjunction: 'AND',
      terms: [
        equals('role', 'auditor'),
        {
          variableName: 'level',
          operator: 'LE',
          operands: [{ type: 'VARIABLE', value: 'clearance' }],
        },
      ],
    },
  ],
}

const ROLES: Readonly<Record<string, { policies: PolicyRecord[]; permissions?: string[] }>> = {
  reader: { policies: [records('read')], permissions: ['beta_features'] },
  writer: { policies: [records('write')] },
  'soft deleter': { policies: [records('delete', equals('soft', 'true'))] },
  'admin writer': { policies: [records('write', ADMIN)] },
  exporter: { policies: [records('export', NESTED)] },
}

const id = (position: number): string =>
  `bbbbbbbb-0000-4000-8000-${String(position).padStart(12, '0')}`

const roleOf = (name: string): string => id(Object.keys(ROLES).indexOf(name))

/**
 * The fixture that the certification scenario of the OpenID Foundation asks for, as an organisation:
 * resources are divisions, and what depends on properties is held under a condition. One rule cannot
 * be said in roles: that alice, who may write without further ado, may not where `status` is
 * `archived`. Roles only give: no property takes away what is had without it, and a condition that
 * lacks its property gives nothing. So record-2, which the scenario archives, is where she has no
 * role. Besides alice
 * and bob there are carol, who reads in a group, dora, who is inactive, erik, who exports under a
 * nested condition, and the client `robot`.
 */
export function scenarioWorld(): World {
  const world = new World({ id: organizationId, name: 'Scenario', domain: 'scenario.example' })
  world.catalogue = [
    ...BASE_CATALOGUE,
    ...['read', 'write', 'delete', 'export'].map((action) => ({
      ...{ domain: 'records', entity: 'record', action, label: `${action} records` },
      divisionAware: true,
      allowsConditions: true,
    })),
  ]
  for (const [position, [name, role]] of Object.entries(ROLES).entries()) {
    world.roles.set(id(position), { id: id(position), name, permissions: [], ...role })
  }
  world.divisions.set('home', { id: 'home', name: 'Home', home: true })
  for (const name of ['record-1', 'record-2']) {
    world.divisions.set(name, { id: name, name, home: false })
  }
  world.groups.set('readers', { id: 'readers', name: 'Readers', rolesEnabled: true, version: 1 })
  for (const [name, state] of PEOPLE) {
    const groups = name === 'carol' ? ['readers'] : []
    const user = { id: name, name, email: `${name}@scenario.example`, state, groups, version: 1 }
    world.putUser({ ...user, divisionId: 'home' })
  }
  world.clients.set('robot', { id: 'robot', name: 'Robot' })
  for (const [subject, role, division] of GRANTS) world.grants.add(subject, roleOf(role), division)
  return world
}

const PEOPLE = [
  ['alice', 'active'],
  ['bob', 'active'],
  ['carol', 'active'],
  ['dora', 'inactive'],
  ['erik', 'active'],
] as const

const GRANTS: readonly (readonly [string, string, string])[] = [
  ['alice', 'reader', 'record-1'],
  ['alice', 'writer', 'record-1'],
  ['alice', 'soft deleter', 'record-1'],
  ['bob', 'reader', 'record-1'],
  ['bob', 'admin writer', '*'],
  ['readers', 'reader', '*'],
  ['dora', 'reader', '*'],
  ['erik', 'exporter', '*'],
  ['robot', 'reader', 'record-2'],
]
