import type { PolicyFact, RoleFact } from './facts.ts'
import type { PolicyParts } from './known-policies.ts'
import type { RoleEdit } from './simulation.ts'

/** The same domain, entity and actions in whatever order; conditions aside. */
export function samePolicyParts(a: PolicyParts, b: PolicyParts): boolean {
  const [left, right] = [new Set(a.actions), new Set(b.actions)]
  return (
    a.domain === b.domain &&
    a.entity === b.entity &&
    left.size === right.size &&
    [...left].every((action) => right.has(action))
  )
}

/** The role once edited: what is removed goes first, whatever its condition; then the new comes. */
export function editRole(role: RoleFact, edit: RoleEdit): RoleFact {
  const stays = (policy: PolicyFact): boolean => {
    return !edit.removePolicies.some((removed) => samePolicyParts(removed, policy))
  }
  return { ...role, policies: [...role.policies.filter(stays), ...edit.addPolicies] }
}
