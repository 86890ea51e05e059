import type { Operation } from './operation.ts'
import type { Simulator } from './server.ts'
import { EVERY_DIVISION } from './world.ts'

/** One request to make of an operation, and the status that is due. */
export interface ContractCall {
  readonly operation: Operation
  readonly caller: 'full' | 'powerless' | 'nobody'
  readonly status: number
  readonly url: string
  readonly body?: unknown
}

/** Ids that exist, to fill paths and bodies with, and an address that is taken. */
type Ids = Readonly<Record<string, string>>

/** Things to read, and things that may be spoilt, for they were made for it. */
export function prepareIds(simulator: Simulator): Ids {
  const { world } = simulator
  const division = world.homeDivision().id
  const role = simulator.addRole({ name: 'Contract check' })
  const group = simulator.addGroup({ name: 'Contract check' })
  const user = simulator.addUser({
    name: 'Contract Check',
    groups: [...[...world.groups.keys()].slice(0, 3), group.id],
    grants: [...world.roles.keys()].map((roleId) => ({ roleId, divisionId: division })),
  })
  const others = [group.id, ...world.clients.keys(), ...world.trustees.keys()]
  for (const subject of others) simulator.grant(subject, role.id, EVERY_DIVISION)
  return {
    userId: user.id,
    email: user.email,
    subjectId: user.id,
    groupId: group.id,
    roleId: role.id,
    divisionId: division,
    clientId: [...world.clients.keys()].at(-1) ?? '',
    namespaceName: 'platform.api',
    objectType: 'USER',
  }
}

const STATUS_OF: Readonly<Record<string, number>> = {
  'POST /api/v2/groups/{groupId}/members': 202,
  'DELETE /api/v2/groups/{groupId}/members': 202,
}

/** Writes without an answer's body are acknowledged with 204. */
function dueStatus(operation: Operation): number {
  const named = STATUS_OF[`${operation.method} ${operation.path}`]
  if (named !== undefined) return named
  const silent =
    /\/bulk|\/divisions\/.*\/(?:roles|objects)\//.test(operation.path) ||
    (operation.path.endsWith('/roles/{roleId}') && /POST|DELETE/.test(operation.method))
  return silent ? 204 : 200
}

const POLICY = {
  domain: 'quality',
  entityName: 'evaluation',
  actionSet: ['view'],
  resourceConditionNode: {
    conjunction: 'AND',
    terms: [{ variableName: 'x', operator: 'EQ', operands: [{ type: 'SCALAR', value: '1' }] }],
  },
}

function bodyOf(operation: Operation, ids: Ids): unknown {
  const { roleId, divisionId, subjectId } = ids
  const grants = { grants: [{ roleId, divisionId }] }
  const bodies: Readonly<Record<string, unknown>> = {
    'POST /api/v2/users': {
      name: 'New',
      email: 'new@contract.example',
      department: 'Service',
      title: 'Agent',
      state: 'inactive',
      divisionId,
    },
    'PATCH /api/v2/users/{userId}': { version: 1, title: 'Checked' },
    'POST /api/v2/authorization/divisions/{divisionId}/objects/{objectType}': [ids['userId']],
    'POST /api/v2/users/search': { query: [{ type: 'MATCH_ALL' }], expand: ['groups'] },
    'POST /api/v2/authorization/roles': { name: 'New role', permissionPolicies: [POLICY] },
    'PUT /api/v2/authorization/roles/{roleId}': { name: 'Checked', permissionPolicies: [POLICY] },
    'POST /api/v2/authorization/roles/{roleId}': { subjectIds: [subjectId], divisionIds: ['*'] },
    'POST /api/v2/authorization/subjects/{subjectId}/bulkadd': grants,
    'POST /api/v2/authorization/subjects/{subjectId}/bulkremove': grants,
    'POST /api/v2/authorization/subjects/{subjectId}/bulkreplace': grants,
    'POST /api/v2/groups/{groupId}/members': { memberIds: [ids['userId']] },
    'PATCH /api/v2/organizations/authentication/settings': {
      ipAddressAllowlist: ['203.0.113.0/24'],
    },
  }
  return bodies[`${operation.method} ${operation.path}`]
}

/** Beyond the plain call of each operation: its larger answers. */
const MORE_QUERIES: Readonly<Record<string, readonly string[]>> = {
  'GET /api/v2/users': [
    'expand=groups,authorization&pageSize=500&state=any',
    'expand=groups&expand=authorization&pageSize=2&pageNumber=2&sortOrder=descending',
  ],
  'GET /api/v2/users/query': ['expand=groups&pageSize=3&state=any'],
  'GET /api/v2/users/{userId}': ['expand=groups,authorization&state=any'],
  'GET /api/v2/authorization/roles': ['pageSize=100&userCount=false', 'name=agent*'],
  'GET /api/v2/authorization/subjects/{subjectId}': ['includeDuplicates=true'],
  'GET /api/v2/authorization/divisions/{divisionId}/grants': ['pageSize=500'],
  'GET /api/v2/authorization/permissions': ['pageSize=100', 'queryType=permission&query=view'],
  'GET /api/v2/authorization/divisions/query': ['pageSize=1'],
  'GET /api/v2/authorization/policies': ['pageSize=1'],
  'GET /api/v2/groups': ['pageSize=500'],
}

/** Parameters without which a plain call would be refused. */
function neededQuery(operation: Operation, ids: Ids): string {
  const q64 = Buffer.from('{"query":[{"type":"MATCH_ALL"}]}').toString('base64url')
  const needed: Readonly<Record<string, string>> = {
    'GET /api/v2/users/search': `q64=${q64}`,
    'GET /api/v2/authorization/subjects/rolecounts': `id=${ids['subjectId']}`,
    'DELETE /api/v2/groups/{groupId}/members': `ids=${ids['userId']}`,
  }
  return needed[`${operation.method} ${operation.path}`] ?? ''
}

function urlOf(operation: Operation, ids: Ids, query: string): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? name)
  return query === '' ? path : `${path}?${query}`
}

function refusals(operation: Operation, ids: Ids): ContractCall[] {
  const query = neededQuery(operation, ids)
  const body = bodyOf(operation, ids)
  const base = { operation, body, url: urlOf(operation, ids, query) }
  const calls: ContractCall[] = [{ ...base, caller: 'nobody', status: 401 }]
  if (operation.permissions ?? operation.allPermissions) {
    calls.push({ ...base, caller: 'powerless', status: 403 })
  }
  if (operation.path.includes('{')) {
    const url = urlOf(operation, { ...ids, ...unknownIds(ids) }, query)
    calls.push({ ...base, caller: 'full', status: 404, url })
  }
  if (`${operation.method} ${operation.path}` === 'POST /api/v2/users') {
    const taken = { ...(body as object), email: ids['email'] }
    calls.push({ ...base, caller: 'full', status: 409, body: taken })
  }
  if (operation.query?.includes('pageSize') === true) {
    const url = urlOf(operation, ids, 'pageSize=100000')
    calls.push({ ...base, caller: 'full', status: 400, url })
  }
  return calls
}

/** A type is a word of a closed list: unknown ones are no case of 404. */
function unknownIds({ objectType, ...ids }: Ids): Ids {
  const unknown = '00000000-0000-4000-8000-000000000000'
  const entries = Object.keys(ids).map((name) => [name, unknown])
  return { ...Object.fromEntries(entries), ...(objectType !== undefined && { objectType }) }
}

/** Reads first, then writes, deletions last: what is read and written is still there. */
function rank({ method, path }: Operation): number {
  if (path.endsWith('/tokens/me') && method === 'DELETE') return 4
  if (method === 'GET') return 0
  if (method !== 'DELETE') return 1
  return /roles\/\{roleId\}$|users\/\{userId\}$/.test(path) && !path.includes('subjects') ? 3 : 2
}

function inOrder(operations: readonly Operation[]): Operation[] {
  return operations.toSorted((left, right) => rank(left) - rank(right))
}

/** Every operation: what it refuses, then what it does. */
export function contractCalls(operations: readonly Operation[], ids: Ids): ContractCall[] {
  const ordered = inOrder(operations)
  const successes = ordered.flatMap((operation): ContractCall[] => {
    const more = MORE_QUERIES[`${operation.method} ${operation.path}`] ?? []
    return [neededQuery(operation, ids), ...more].map((query) => ({
      operation,
      caller: 'full',
      status: dueStatus(operation),
      url: urlOf(operation, ids, query),
      body: bodyOf(operation, ids),
    }))
  })
  return [...ordered.flatMap((operation) => refusals(operation, ids)), ...successes]
}
