import type { Grant } from './facts.ts'
import type { Matrix } from './matrix.ts'
import { bitIndices, matrixRows } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import { forEachGrant } from './subject-assignments.ts'

/** Permission codes in order, without regard to divisions, what holds under a condition included. */
export type PermissionChange = {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/**
 * What a user gains and loses when the direct grants become other ones, what groups give counted in
 * both. Roles that the matrix does not know give nothing.
 */
export function permissionChange(
  matrix: Matrix,
  userId: string,
  before: readonly Grant[],
  after: readonly Grant[],
): PermissionChange {
  const rows = matrixRows(matrix)
  const shared = rolesThroughGroups(matrix, userId)
  const was = permissionsOf(matrix, rows, [...shared, ...rolesOf(matrix, before)])
  const is = permissionsOf(matrix, rows, [...shared, ...rolesOf(matrix, after)])
  const codes = (bits: Uint32Array): string[] => {
    return bitIndices(bits).map((index) => matrix.permissionCode(index))
  }
  return {
    added: codes(is.map((word, i) => word & ~(was[i] as number))),
    removed: codes(was.map((word, i) => word & ~(is[i] as number))),
  }
}

function rolesOf(matrix: Matrix, grants: readonly Grant[]): number[] {
  const ids = new Set(grants.map((grant) => grant.roleId))
  const roles: number[] = []
  for (let role = 0; role < matrix.roleCount && roles.length < ids.size; role++) {
    if (ids.has(matrix.role(role).id)) roles.push(role)
  }
  return roles
}

function rolesThroughGroups(matrix: Matrix, userId: string): number[] {
  const roles = new Set<number>()
  const subject = matrix.findSubject(userId)
  if (subject >= 0) {
    forEachGrant(matrix, subject, (grant, group) => {
      if (group >= 0) roles.add(grant >>> matrix.divisionBits)
    })
  }
  return [...roles]
}

function permissionsOf(matrix: Matrix, rows: RoleRows, roles: readonly number[]): Uint32Array {
  const bits = new Uint32Array(matrix.permissionWords)
  for (const role of roles) {
    const given = rows.given(role)
    const conditional = rows.conditional(role)
    for (let i = 0; i < bits.length; i++) {
      bits[i] = (bits[i] as number) | (given[i] as number) | (conditional?.[i] ?? 0)
    }
  }
  return bits
}
