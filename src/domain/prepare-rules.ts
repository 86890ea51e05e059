import type { Matrix } from './matrix.ts'
import { resolveRoleRules } from './resolve-role-rules.ts'
import type { ResolvedRule } from './resolve-role-rules.ts'
import { bitIndices, matrixRows } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import type { RoleRule } from './role-rules.ts'

/** Rules made ready for many people. `gives` of a segregation: role → its permissions of any set. */
export type PreparedRules = {
  readonly matrix: Matrix
  readonly rules: readonly (ResolvedRule & {
    readonly gives: ReadonlyMap<number, readonly number[]>
  })[]
  /** For each role the positions of the rules that holding it may break. */
  readonly byRole: readonly (readonly number[])[]
  /** Role ids → role indices. */
  readonly roleIndex: ReadonlyMap<string, number>
}

/** Rules on what `rows` say that roles give; by default as the matrix has it. */
export function prepareRules(
  matrix: Matrix,
  rules: readonly RoleRule[],
  rows: RoleRows = matrixRows(matrix),
): PreparedRules {
  const byRole: number[][] = Array.from({ length: matrix.roleCount }, () => [])
  const prepared = resolveRoleRules(matrix, rules).map((rule, position) => {
    const gives: Map<number, readonly number[]> =
      rule.kind === 'segregates' ? setPermissions(matrix, rule.sets, rows) : new Map()
    const triggers = rule.kind === 'segregates' ? gives.keys() : rule.roles
    for (const role of triggers) byRole[role]?.push(position)
    return { ...rule, gives }
  })
  const ids = Array.from({ length: matrix.roleCount }, (_, role) => matrix.role(role).id)
  const roleIndex = new Map(ids.map((id, role) => [id, role]))
  return { matrix, rules: prepared, byRole, roleIndex }
}

/** What holds under a condition counts as given: nothing says that the condition is never met. */
function setPermissions(
  matrix: Matrix,
  sets: readonly Uint32Array[],
  rows: RoleRows,
): Map<number, number[]> {
  const asked = new Uint32Array(matrix.permissionWords)
  for (const set of sets) {
    for (const [i, word] of set.entries()) asked[i] = (asked[i] as number) | word
  }
  const gives = new Map<number, number[]>()
  for (let role = 0; role < matrix.roleCount; role++) {
    const [given, conditional] = [rows.given(role), rows.conditional(role)]
    const met = asked.map((word, i) => word & ((given[i] as number) | (conditional?.[i] ?? 0)))
    if (met.some((word) => word !== 0)) gives.set(role, bitIndices(met))
  }
  return gives
}
