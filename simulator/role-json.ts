import type { ConditionNode, PolicyRecord, RoleRecord } from './records.ts'
import type { World } from './world.ts'

function uri(id: string): string {
  return `/api/v2/authorization/roles/${id}`
}

function policyName(policy: PolicyRecord): string {
  return `${policy.domain} ${policy.entityName}`
}

function operand(node: NonNullable<ConditionNode['operands']>[number]): object {
  const { type, value, user, queue, team } = node
  return {
    type,
    ...(value !== undefined && { value }),
    ...(user && { user: { ...user, selfUri: `/api/v2/users/${user.id}` } }),
    ...(queue && { queue: { ...queue, selfUri: `/api/v2/routing/queues/${queue.id}` } }),
    ...(team && { team: { ...team, selfUri: `/api/v2/teams/${team.id}` } }),
  }
}

function conditionNode(node: ConditionNode): object {
  const { variableName, operator, operands, conjunction, terms } = node
  return {
    ...(variableName !== undefined && { variableName }),
    ...(operator && { operator }),
    ...(operands && { operands: operands.map(operand) }),
    ...(conjunction && { conjunction }),
    ...(terms && { terms: terms.map(conditionNode) }),
  }
}

function rolePolicy(policy: PolicyRecord): object {
  return {
    domain: policy.domain,
    entityName: policy.entityName,
    policyName: policyName(policy),
    policyDescription: '',
    actionSet: policy.actionSet,
    namedResources: [],
    allowConditions: policy.condition !== undefined,
    ...(policy.condition && { resourceConditionNode: conditionNode(policy.condition) }),
  }
}

/** A role as it is listed and read. `userCount` is costly on the platform and left out on demand. */
export function roleEntity(world: World, role: RoleRecord, withUserCount: boolean): object {
  return {
    id: role.id,
    name: role.name,
    description: role.description ?? '',
    ...(role.defaultRoleId !== undefined && { defaultRoleId: role.defaultRoleId }),
    permissions: role.permissions,
    unusedPermissions: [],
    permissionPolicies: role.policies.map(rolePolicy),
    ...(withUserCount && { userCount: usersOfRole(world, role.id).length }),
    roleNeedsUpdate: false,
    base: false,
    default: role.defaultRoleId !== undefined,
    selfUri: uri(role.id),
  }
}

/** Ids of users that hold the role directly, whatever their state. */
export function usersOfRole(world: World, roleId: string): string[] {
  return world.grants.subjectsOfRole(roleId).filter((id) => world.user(id) !== undefined)
}

/** The role inside a grant: its policies come along, the condition as text. */
export function grantedRole(role: RoleRecord): object {
  return {
    id: role.id,
    name: role.name,
    description: role.description ?? '',
    policies: role.policies.map((policy) => ({
      domain: policy.domain,
      entityName: policy.entityName,
      actions: policy.actionSet,
      ...(policy.condition && { condition: JSON.stringify(conditionNode(policy.condition)) }),
    })),
    default: role.defaultRoleId !== undefined,
    selfUri: uri(role.id),
  }
}

/** A policy among a user's effective ones; it names no division. */
export function effectivePolicy(role: RoleRecord, policy: PolicyRecord): object {
  return {
    id: `${role.id}:${policy.domain}:${policy.entityName}`,
    domain: policy.domain,
    entityName: policy.entityName,
    policyName: policyName(policy),
    policyDescription: '',
    actionSetKey: policy.actionSet.join(','),
    actionSet: policy.actionSet,
    allowConditions: policy.condition !== undefined,
    ...(policy.condition && {
      resourceConditionNode: plainCondition(policy.condition),
      resourceCondition: JSON.stringify(plainCondition(policy.condition)),
    }),
    namedResources: [],
  }
}

/** Here operands are plain values: the id stands for the user, queue or team. */
function plainCondition(node: ConditionNode): object {
  const { operands, terms, ...rest } = node
  return {
    ...rest,
    ...(operands && {
      operands: operands.map(({ type, value, user, queue, team }) => ({
        type,
        value: value ?? user?.id ?? queue?.id ?? team?.id ?? '',
      })),
    }),
    ...(terms && { terms: terms.map(plainCondition) }),
  }
}
