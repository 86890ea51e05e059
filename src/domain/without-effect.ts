import type { EffectiveGrants, GrantTranslator } from './effective-grants.ts'
import { ALL_DIVISIONS } from './facts.ts'
import type { Grant } from './facts.ts'
import type { GrantContext } from './plan-grants.ts'
import { wantedGrants } from './plan-grants.ts'
import type { GrantIntent } from './role-change.ts'
import type { WithoutEffect } from './simulation.ts'

/** What of an intent would do nothing for a user who holds these grants. */
export function grantsWithoutEffect(
  userId: string,
  intent: GrantIntent,
  held: EffectiveGrants,
  translator: GrantTranslator,
  context: GrantContext,
): WithoutEffect[] {
  const direct = translator.direct(held)
  const given = translator.throughGroups(held)
  const lines: WithoutEffect[] = []
  const tell = (
    operation: WithoutEffect['operation'],
    { roleId, divisionId }: Grant,
    reason: WithoutEffect['reason'] | undefined,
  ): void => {
    if (reason !== undefined) lines.push({ userId, operation, roleId, divisionId, reason })
  }
  for (const grant of wantedGrants(intent, context)) {
    if (context.employeeRoleIds.has(grant.roleId)) tell('grant', grant, 'employee-role')
    else if (covers(direct, grant)) tell('grant', grant, 'held-already')
    else if (covers(given, grant)) tell('grant', grant, 'given-by-group')
  }
  for (const grant of intent.kind === 'delta' ? intent.revoke : []) {
    if (context.employeeRoleIds.has(grant.roleId)) tell('revoke', grant, 'employee-role')
    else if (direct.some((one) => isGrant(one, grant))) continue
    else tell('revoke', grant, covers(given, grant) ? 'given-by-group' : 'not-held')
  }
  return lines
}

function covers(held: readonly Grant[], { roleId, divisionId }: Grant): boolean {
  return held.some(
    (one) =>
      one.roleId === roleId && (one.divisionId === divisionId || one.divisionId === ALL_DIVISIONS),
  )
}

function isGrant(a: Grant, b: Grant): boolean {
  return a.roleId === b.roleId && a.divisionId === b.divisionId
}
