import type { Matrix } from './matrix.ts'
import { namesOf } from './organization-names.ts'
import type { RequestedUpdate } from './role-change.ts'
import { resolveUpdates } from './resolve-changes.ts'
import { resolveRoleEdit } from './resolve-role-edit.ts'
import { simulate } from './simulate.ts'
import type { RequestedRoleEdit, Simulation, SimulationRequest } from './simulation.ts'

/** A simulation as a caller asks for it, nothing looked up yet. */
export type SimulationQuestion = Omit<SimulationRequest, 'change' | 'timestamp'> & {
  readonly change:
    | { readonly kind: 'users'; readonly updates: readonly RequestedUpdate[] }
    | { readonly kind: 'role'; readonly edit: RequestedRoleEdit }
  /** Epoch milliseconds. */
  readonly now: number
}

/** A page of a simulation as it is sent: an object in JSON, in UTF-8. */
export type SimulationText = {
  readonly json: Uint8Array<ArrayBuffer>
  /** Offset of the next page; absent on the last one. */
  readonly nextOffset?: number
}

/** Characters of JSON that each list beside the entries comes to at most, or one line. */
const MAX_LIST_LENGTH = 1024 * 1024

/**
 * Answers a question in the form in which the answer leaves the process, so that whoever asked has
 * nothing more to do than to send it: looking up, describing and writing JSON cost as much as
 * simulating. A page is bounded in bytes, whatever its limit. Throws what `resolveUpdates`,
 * `resolveRoleEdit` and `simulate` throw.
 */
export function writeSimulation(matrix: Matrix, question: SimulationQuestion): SimulationText {
  const { change, now, ...rest } = question
  const simulation = simulate(matrix, {
    ...rest,
    change:
      change.kind === 'users'
        ? { kind: 'users', changes: resolveUpdates(matrix, change.updates, now) }
        : { kind: 'role', edit: resolveRoleEdit(matrix, change.edit) },
    timestamp: new Date(now).toISOString(),
  })
  const { nextOffset } = simulation
  const json = new TextEncoder().encode(writeMembers(describeSimulation(matrix, simulation)))
  return { json, ...(nextOffset === undefined ? {} : { nextOffset }) }
}

type Described = Omit<Simulation, 'nextOffset'>

/** Adds the names that a person reads, from the matrix that the simulation was made on. */
function describeSimulation(matrix: Matrix, simulation: Simulation): Described {
  const names = namesOf(matrix)
  const { nextOffset: _, ...told } = simulation
  return {
    ...told,
    conflicts: simulation.conflicts.map((conflict) => ({
      ...conflict,
      userName: names.user(conflict.userId),
      divisionName: conflict.divisionId === null ? undefined : names.division(conflict.divisionId),
    })),
    withoutEffect: simulation.withoutEffect.map((line) => ({
      ...line,
      userName: names.user(line.userId),
      roleName: names.role(line.roleId),
      divisionName: names.division(line.divisionId),
    })),
    sunsets: simulation.sunsets.map((line) => ({
      ...line,
      userName: names.user(line.userId),
      roleName: names.role(line.roleId),
      divisionName: names.division(line.divisionId),
    })),
    keptThroughGroups: simulation.keptThroughGroups.map((line) => ({
      ...line,
      userName: names.user(line.userId),
    })),
  }
}

/** The entries are bounded by their page already; a list that is cut makes the answer `truncated`. */
function writeMembers({ entries, truncated, ...members }: Described): string {
  let isCut = truncated
  const written = Object.entries(members).map(([name, value]: [string, unknown]) => {
    if (!Array.isArray(value)) return `${JSON.stringify(name)}:${JSON.stringify(value)}`
    const { lines, cut } = fittingLines(value)
    if (cut) isCut = true
    return `${JSON.stringify(name)}:[${lines.join(',')}]`
  })
  written.push(`"entries":${JSON.stringify(entries)}`, `"truncated":${isCut}`)
  return `{${written.join(',')}}`
}

function fittingLines(items: readonly unknown[]): { readonly lines: string[]; cut: boolean } {
  const lines: string[] = []
  let length = 0
  for (const item of items) {
    const line = JSON.stringify(item)
    if (lines.length > 0 && length + line.length > MAX_LIST_LENGTH) return { lines, cut: true }
    lines.push(line)
    length += line.length
  }
  return { lines, cut: false }
}
