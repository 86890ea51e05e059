import type { Matrix } from './matrix.ts'
import { readRole } from './role-records.ts'
import type { Simulation } from './simulation.ts'

/** Counts who newly gets and who loses a role, directly or through a group. */
export class LicenceTally {
  readonly #matrix: Matrix
  readonly #counts = new Map<number, { gained: number; lost: number }>()

  /** `editedRole` is told of though nobody gets or loses it; -1 for none. */
  constructor(matrix: Matrix, editedRole: number) {
    this.#matrix = matrix
    if (editedRole >= 0) this.#counts.set(editedRole, { gained: 0, lost: 0 })
  }

  /** One user; roles are indices. */
  add(involved: readonly number[], before: readonly number[], after: readonly number[]): void {
    for (const role of new Set(involved)) {
      const counts = this.#counts.get(role) ?? { gained: 0, lost: 0 }
      this.#counts.set(role, counts)
      const [held, holds] = [before.includes(role), after.includes(role)]
      if (holds && !held) counts.gained += 1
      if (held && !holds) counts.lost += 1
    }
  }

  /** In the matrix's order of roles. */
  lines(): Simulation['licences'] {
    return [...this.#counts]
      .sort(([a], [b]) => a - b)
      .map(([role, counts]) => {
        const { id, name, licences } = readRole(this.#matrix, role)
        return { roleId: id, roleName: name, licences, ...counts }
      })
  }
}
