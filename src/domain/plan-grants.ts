import type { Grant } from './facts.ts'
import { Failure } from './failure.ts'
import { grantsWithout } from './grant-sets.ts'
import { ROLE } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'
import type { GrantDelta, GrantIntent } from './role-change.ts'

/** What of an organisation decides how an intent is carried out. */
export type GrantContext = {
  /** Null while no division is known to be the home division. */
  readonly homeDivisionId: string | null
  /** Roles that the platform gives to everyone and lets nobody take away. */
  readonly employeeRoleIds: ReadonlySet<string>
}

/** The platform's name of the default role that everyone has. */
const EMPLOYEE = 'employee'

export function grantContext(matrix: Matrix): GrantContext {
  const divisions = Array.from({ length: matrix.divisionCount }, (_, i) => matrix.division(i))
  const employeeRoleIds = new Set<string>()
  for (let role = 0; role < matrix.roleCount; role++) {
    const defaultRoleId = matrix.text(matrix.roles[role * ROLE.words + ROLE.defaultRoleId] ?? 0)
    if (defaultRoleId === EMPLOYEE) employeeRoleIds.add(matrix.role(role).id)
  }
  return { homeDivisionId: divisions.find(({ home }) => home)?.id ?? null, employeeRoleIds }
}

/**
 * What to write so that the intent holds for a user who has these direct grants: planned again on
 * the result it is empty. Grants of the employee role are never touched. Throws `conflict` for a
 * replacement in all divisions while the home division is not known.
 */
export function planGrants(
  intent: GrantIntent,
  direct: readonly Grant[],
  context: GrantContext,
): GrantDelta {
  const free = (grants: readonly Grant[]): Grant[] => {
    return grants.filter((grant) => !context.employeeRoleIds.has(grant.roleId))
  }
  const wanted = free(wantedGrants(intent, context))
  return {
    add: grantsWithout(wanted, direct),
    remove: grantsWithout(free(revocable(intent, direct)), wanted),
  }
}

/** The grants that the user is to hold, whatever else there is. */
export function wantedGrants(intent: GrantIntent, context: GrantContext): readonly Grant[] {
  if (intent.kind === 'delta') return intent.grant
  const divisionId = intent.divisionId ?? context.homeDivisionId
  if (divisionId === null && intent.roleIds.length > 0) {
    throw new Failure('conflict', "the organisation's home division is not known")
  }
  return intent.roleIds.map((roleId) => ({ roleId, divisionId: divisionId ?? '' }))
}

/** Those of the direct grants that the intent takes away unless it wants them too. */
function revocable(intent: GrantIntent, direct: readonly Grant[]): Grant[] {
  if (intent.kind === 'delta') return grantsWithout(direct, grantsWithout(direct, intent.revoke))
  if (intent.divisionId === null) return [...direct]
  return direct.filter((grant) => grant.divisionId === intent.divisionId)
}
