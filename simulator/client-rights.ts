import type { Operation } from './operation.ts'
import { PlatformError } from './platform-error.ts'
import type { PolicyRecord } from './records.ts'
import { EVERY_DIVISION, type World } from './world.ts'

function allows(policy: PolicyRecord, permission: string): boolean {
  const [domain, entity, action] = permission.split(':')
  return (
    policy.domain === domain &&
    (policy.entityName === '*' || policy.entityName === entity) &&
    (policy.actionSet.includes('*') || policy.actionSet.includes(action ?? '')) &&
    policy.condition === undefined
  )
}

/** Whether the client holds the permission, in all divisions or at least in one. */
function holds(world: World, clientId: string, permission: string, everywhere: boolean): boolean {
  return world.grants
    .ofSubject(clientId)
    .filter(({ divisionId }) => !everywhere || divisionId === EVERY_DIVISION)
    .some(({ roleId }) =>
      (world.roles.get(roleId)?.policies ?? []).some((policy) => allows(policy, permission)),
    )
}

function refusal(code: string, names: readonly string[]): PlatformError {
  const permissions = `[${names.join(', ')}]`
  const quantity = code === 'missing.permissions' ? 'all' : 'at least one'
  return new PlatformError(
    403,
    code,
    `Unable to perform the requested action. You must have ${quantity} of the following permissions: ${permissions}`,
    { params: { permissions } },
  )
}

/** Throws the platform's 403, which names what is missing. */
export function checkRights(
  world: World,
  clientId: string,
  operation: Pick<Operation, 'permissions' | 'allPermissions' | 'everyDivision'>,
): void {
  const { permissions: any = [], allPermissions: all = [] } = operation
  const everywhere = operation.everyDivision === true
  if (any.length > 0 && !any.some((name) => holds(world, clientId, name, everywhere))) {
    const elsewhere = everywhere && any.some((name) => holds(world, clientId, name, false))
    throw refusal(elsewhere ? 'missing.any.division.permissions' : 'missing.any.permissions', any)
  }
  const missing = all.filter((name) => !holds(world, clientId, name, everywhere))
  if (missing.length === 0) return
  throw refusal(all.length === 1 ? 'missing.any.permissions' : 'missing.permissions', all)
}
