import type { PermissionFact, PolicyFact, RoleFact } from './facts.ts'
import { PERMISSION, PERMISSION_FLAG, POLICY, ROLE } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'
import { policyName } from './permission.ts'

/** Policy `index` as it was read from its role. */
function readPolicy(matrix: Matrix, index: number): PolicyFact {
  const at = index * POLICY.words
  const word = (field: number): number => matrix.policies[at + field] ?? 0
  const start = word(POLICY.actionStart)
  const condition = word(POLICY.condition)
  return {
    domain: matrix.text(word(POLICY.domain)),
    entity: matrix.text(word(POLICY.entity)),
    actions: texts(matrix, matrix.actions.subarray(start, start + word(POLICY.actionCount))),
    condition: condition === 0 ? null : matrix.condition(condition - 1),
  }
}

/** A policy by the name that people write, or the flat permission's own name for policy -1. */
export function pathPolicyName(matrix: Matrix, policy: number, permission: number): string {
  if (policy < 0) return matrix.permissionCode(permission)
  return policyName(readPolicy(matrix, policy))
}

/** The index of the role with this id, or -1. */
export function findRole(matrix: Matrix, id: string): number {
  for (let index = 0; index < matrix.roleCount; index++) {
    if (matrix.role(index).id === id) return index
  }
  return -1
}

/** Role `index` as it was read, policies in the matrix's order. */
export function readRole(matrix: Matrix, index: number): RoleFact {
  const at = index * ROLE.words
  const word = (field: number): number => matrix.roles[at + field] ?? 0
  const flat = matrix.flat.subarray(
    word(ROLE.flatStart),
    word(ROLE.flatStart) + word(ROLE.flatCount),
  )
  const first = word(ROLE.policyStart)
  return {
    ...matrix.role(index),
    defaultRoleId: matrix.text(word(ROLE.defaultRoleId)),
    licences: JSON.parse(matrix.text(word(ROLE.licences))) as string[],
    permissions: Array.from(flat, (permission) => matrix.permissionCode(permission)),
    policies: Array.from({ length: word(ROLE.policyCount) }, (_, i) =>
      readPolicy(matrix, first + i),
    ),
  }
}

/** A permission that can be asked for; `flat` ones stand outside the catalogue. */
export type KnownPermission = PermissionFact & { readonly code: string; readonly flat: boolean }

export function readPermission(matrix: Matrix, index: number): KnownPermission {
  const at = index * PERMISSION.words
  const word = (field: number): number => matrix.permissions[at + field] ?? 0
  const flags = word(PERMISSION.flags)
  return {
    code: matrix.text(word(PERMISSION.code)),
    flat: (flags & PERMISSION_FLAG.flat) !== 0,
    domain: matrix.text(word(PERMISSION.domain)),
    entity: matrix.text(word(PERMISSION.entity)),
    action: matrix.text(word(PERMISSION.action)),
    label: matrix.text(word(PERMISSION.label)),
    divisionAware: (flags & PERMISSION_FLAG.divisionAware) !== 0,
    allowsConditions: (flags & PERMISSION_FLAG.allowsConditions) !== 0,
  }
}

function texts(matrix: Matrix, indices: Uint32Array): string[] {
  return Array.from(indices, (index) => matrix.text(index))
}
