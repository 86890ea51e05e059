import { samePolicyParts } from './edit-role.ts'
import { FaultList } from './fault-list.ts'
import { KnownPolicies } from './known-policies.ts'
import type { PolicyParts } from './known-policies.ts'
import type { Matrix } from './matrix.ts'
import { lookUpRoles } from './name-lookup.ts'
import { policyName } from './permission.ts'
import { findRole, readRole } from './role-records.ts'
import type { RequestedRoleEdit, RoleEdit } from './simulation.ts'

/**
 * A role edit as a caller writes it → with the role's id. Policies are checked against the catalogue;
 * those to remove must be the role's own, whole. Throws one `invalid` with all faults
 * (`addPolicies/0/entity`).
 */
export function resolveRoleEdit(matrix: Matrix, edit: RequestedRoleEdit): RoleEdit {
  const faults = new FaultList()
  const { addPolicies = [], removePolicies = [] } = edit
  if (addPolicies.length + removePolicies.length === 0) {
    faults.add('addPolicies', 'or removePolicies must hold a policy')
  }
  const catalogue = new KnownPolicies(matrix)
  for (const [i, policy] of addPolicies.entries()) {
    catalogue.check(policy, `addPolicies/${i}`, faults)
  }
  const found = lookUpRoles(matrix).find(edit.roleId)
  if ('fault' in found) faults.add('roleId', found.fault)
  else checkRemovals(matrix, found.id, removePolicies, faults)
  faults.throwIfAny()
  return {
    roleId: 'id' in found ? found.id : '',
    addPolicies: addPolicies.map((policy) => ({ ...policy, condition: policy.condition ?? null })),
    removePolicies,
  }
}

function checkRemovals(
  matrix: Matrix,
  roleId: string,
  removals: readonly PolicyParts[],
  faults: FaultList,
): void {
  const { name, policies } = readRole(matrix, findRole(matrix, roleId))
  for (const [i, removal] of removals.entries()) {
    if (policies.some((policy) => samePolicyParts(policy, removal))) continue
    faults.add(`removePolicies/${i}`, () => {
      const near = policies.filter(({ domain, entity }) => {
        return domain === removal.domain && entity === removal.entity
      })
      const hint = near.length === 0 ? '' : `; it has ${near.map(policyName).join(', ')}`
      return `${name} has no policy ${policyName(removal)}${hint}`
    })
  }
}
