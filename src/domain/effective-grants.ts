import { ALL_DIVISIONS } from './facts.ts'
import type { Grant } from './facts.ts'
import type { Matrix } from './matrix.ts'
import { forEachGrant } from './subject-assignments.ts'
import type { HeldGrants } from './rule-breaches.ts'

/** Grants in force for a subject; `groups[i]` is the group that gives grant i, -1 for a direct one. */
export type EffectiveGrants = HeldGrants & { readonly groups: readonly number[] }

/** What a subject holds in the matrix, directly and through groups. */
export function effectiveGrants(matrix: Matrix, subject: number): EffectiveGrants {
  const { divisionBits, divisionMask } = matrix
  const roles: number[] = []
  const divisions: number[] = []
  const groups: number[] = []
  forEachGrant(matrix, subject, (grant, group) => {
    roles.push(grant >>> divisionBits)
    divisions.push(grant & divisionMask)
    groups.push(group)
  })
  return { roles, divisions, groups }
}

/** Translates direct grants between ids and a matrix's numbers; built once for many subjects. */
export class GrantTranslator {
  readonly #matrix: Matrix
  readonly #roleIds: readonly string[]
  readonly #divisionIds: readonly string[]
  readonly #roleIndex: ReadonlyMap<string, number>

  constructor(matrix: Matrix) {
    this.#matrix = matrix
    this.#roleIds = Array.from({ length: matrix.roleCount }, (_, i) => matrix.role(i).id)
    this.#divisionIds = Array.from({ length: matrix.divisionCount }, (_, i) => {
      return matrix.division(i).id
    })
    this.#roleIndex = new Map(this.#roleIds.map((id, index) => [id, index]))
  }

  /** -1 for a role that the matrix does not have. */
  roleIndex(roleId: string): number {
    return this.#roleIndex.get(roleId) ?? -1
  }

  /** The divisions of grants, in their order; -1 for one that the matrix does not have. */
  places(grants: readonly Grant[]): number[] {
    return grants.map(({ divisionId }) => this.#place(divisionId))
  }

  /** The direct ones among the grants. */
  direct(grants: EffectiveGrants): Grant[] {
    return this.#pick(grants, (group) => group < 0)
  }

  throughGroups(grants: EffectiveGrants): Grant[] {
    return this.#pick(grants, (group) => group >= 0)
  }

  #pick(grants: EffectiveGrants, wanted: (group: number) => boolean): Grant[] {
    const picked: Grant[] = []
    for (const [i, role] of grants.roles.entries()) {
      if (!wanted(grants.groups[i] as number)) continue
      const divisionId = this.#divisionIds[grants.divisions[i] as number] ?? ALL_DIVISIONS
      picked.push({ roleId: this.#roleIds[role] as string, divisionId })
    }
    return picked
  }

  /** The grants with others as the direct ones; those of unknown roles or divisions are left out. */
  withDirect(grants: EffectiveGrants, direct: readonly Grant[]): EffectiveGrants {
    const roles: number[] = []
    const divisions: number[] = []
    const groups: number[] = []
    const add = (role: number, division: number, group: number): void => {
      roles.push(role)
      divisions.push(division)
      groups.push(group)
    }
    for (const { roleId, divisionId } of direct) {
      const role = this.roleIndex(roleId)
      const division = this.#place(divisionId)
      if (role >= 0 && division >= 0) add(role, division, -1)
    }
    for (const [i, group] of grants.groups.entries()) {
      if (group >= 0) add(grants.roles[i] as number, grants.divisions[i] as number, group)
    }
    return { roles, divisions, groups }
  }

  #place(divisionId: string): number {
    if (divisionId === ALL_DIVISIONS) return this.#matrix.divisionMask
    return Math.max(-1, this.#matrix.findDivision(divisionId))
  }
}
