import type { UserRecord } from '../../simulator/records.ts'
import type { World } from '../../simulator/world.ts'

/** What a check without attributes must answer, straight from the simulator's records. */
export function naiveOutcome(
  world: World,
  user: UserRecord,
  code: string,
  division: string | undefined,
): string {
  const listed = world.catalogue.find(({ domain, entity, action }) => {
    return code === `${domain}:${entity}:${action}`
  })
  const flat = [...world.roles.values()].some((role) => role.permissions.includes(code))
  if (listed === undefined && !flat) return 'unknown_permission'
  if (user.state !== 'active') return 'inactive_user'
  const found = world.effectiveGrants(user.id).map((grant) => {
    const role = world.roles.get(grant.roleId)
    const given = role === undefined ? 'not_granted' : roleGives(role, code)
    const reached =
      listed?.divisionAware !== true ||
      division === undefined ||
      grant.divisionId === '*' ||
      grant.divisionId === division
    return given === 'not_granted' || reached ? given : 'other_division'
  })
  const answers = new Set(found)
  const order = ['allowed', 'conditional', 'other_division']
  return order.find((answer) => answers.has(answer)) ?? 'not_granted'
}

type Role = NonNullable<ReturnType<World['roles']['get']>>

function roleGives(role: Role, code: string): string {
  if (role.permissions.includes(code)) return 'allowed'
  const [domain, entity, action = ''] = code.split(':')
  const policies = role.policies.filter((policy) => {
    const { entityName, actionSet } = policy
    return (
      policy.domain === domain &&
      (entityName === '*' || entityName === entity) &&
      (actionSet.includes('*') || actionSet.includes(action))
    )
  })
  if (policies.length === 0) return 'not_granted'
  return policies.some((policy) => policy.condition === undefined) ? 'allowed' : 'conditional'
}
