import { createHash } from 'node:crypto'
import type { PolicyRecord } from './records.ts'
import { EVERY_DIVISION, type World } from './world.ts'

/** An OAuth client that may log in. */
export interface SimulatedClient {
  readonly id: string
  readonly secret: string
  readonly name: string
  /**
   * What the client may do: it gets a role of its own with these, in all divisions. Left out, the
   * client has what the world grants it, and nothing when the world does not know it.
   */
  readonly permissions?: readonly string[]
}

/** Everything that reading an organisation asks for. */
export const READ_PERMISSIONS: readonly string[] = [
  'directory:user:view',
  'authorization:role:view',
  'authorization:grant:view',
  'authorization:policy:view',
]

/** Everything that changing grants asks for, beside reading. */
export const GRANT_PERMISSIONS: readonly string[] = [
  'authorization:grant:add',
  'authorization:grant:delete',
]

/** Everything that networks and environments ask for. */
export const ARCHITECTURE_PERMISSIONS: readonly string[] = [
  'architecture:ipallowlist:read',
  'architecture:ipallowlist:write',
  'architecture:environment:read',
  'architecture:environment:write',
  'directory:organization:admin',
]

/** Everything that creating and changing users asks for, beside reading. */
export const PROVISIONING_PERMISSIONS: readonly string[] = [
  'directory:user:add',
  'directory:user:edit',
]

/** Everything that queues and their members ask for. */
export const QUEUE_PERMISSIONS: readonly string[] = [
  'routing:queue:view',
  'routing:queue:add',
  'routing:queue:edit',
  'routing:queue:delete',
  'routing:queueMember:manage',
]

/** Everything that conversation aggregates ask for. */
export const ANALYTICS_PERMISSIONS: readonly string[] = ['analytics:conversationAggregate:view']

const OTHER_PERMISSIONS: readonly string[] = [
  'oauth:client:view',
  'authorization:role:add',
  'authorization:role:edit',
  'authorization:role:delete',
  'directory:user:delete',
  'directory:group:edit',
]

/** The client that a simulator has when none are given: it may do everything. */
export const DEFAULT_CLIENT: SimulatedClient = {
  id: 'c11e0000-0000-4000-8000-000000000001',
  secret: 'demo-secret',
  name: 'Permission check',
  permissions: [
    ...READ_PERMISSIONS,
    ...GRANT_PERMISSIONS,
    ...ARCHITECTURE_PERMISSIONS,
    ...PROVISIONING_PERMISSIONS,
    ...QUEUE_PERMISSIONS,
    ...ANALYTICS_PERMISSIONS,
    ...OTHER_PERMISSIONS,
  ],
}

function policyOf(permission: string): PolicyRecord {
  const [domain = '', entityName = '', action = ''] = permission.split(':')
  return { domain, entityName, actionSet: [action] }
}

/** The same client has the same role in every world. */
function roleIdOf(client: SimulatedClient): string {
  const hex = createHash('sha256').update(client.id).digest('hex')
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ]
  return [...parts, hex.slice(20, 32)].join('-')
}

/** Makes the client a subject of the world: from then on it is listed among the role holders. */
export function settleClient(world: World, client: SimulatedClient): void {
  const { id, name } = client
  if (!world.clients.has(id)) world.clients.set(id, { id, name })
  if (client.permissions === undefined) return
  const roleId = roleIdOf(client)
  world.roles.set(roleId, {
    id: roleId,
    name: `OAuth client ${name}`,
    permissions: [],
    policies: client.permissions.map(policyOf),
  })
  world.grants.add(id, roleId, EVERY_DIVISION)
}
