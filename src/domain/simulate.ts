import { changeUsers } from './changed-users.ts'
import { changeRole } from './changed-role.ts'
import { GrantTranslator } from './effective-grants.ts'
import type { Matrix } from './matrix.ts'
import { PermissionReader, undividedPermissions } from './permission-bits.ts'
import { prepareRules } from './prepare-rules.ts'
import { EntryWriter } from './simulated-entry.ts'
import { SimulationTally } from './simulation-tally.ts'
import type { Simulation, SimulationRequest } from './simulation.ts'

/**
 * What a change would do to the organisation of a matrix: equal to building the matrix anew with the
 * change made, and comparing. A user's changes are planned on the direct grants of the matrix. An
 * entry tells whether something is held and whether under a condition, not under which: a condition
 * put in the place of another does not show.
 *
 * Users come in the order of the changes, for an edited role in that of the matrix, so that pages of
 * the same request on the same matrix fit together. Throws `invalid` when the request names a user or
 * a role that the matrix does not have.
 */
export function simulate(matrix: Matrix, request: SimulationRequest): Simulation {
  const { change, rules, timestamp, limit, offset } = request
  const translator = new GrantTranslator(matrix)
  const world =
    change.kind === 'users'
      ? changeUsers(matrix, translator, change.changes)
      : changeRole(matrix, change.edit)
  const undivided = undividedPermissions(matrix)
  const readers = {
    before: new PermissionReader(matrix, world.before, undivided),
    after: new PermissionReader(matrix, world.after, undivided),
  }
  const tally = new SimulationTally({
    matrix,
    world,
    translator,
    writer: new EntryWriter(matrix, readers, timestamp),
    rules: {
      before: prepareRules(matrix, rules, world.before),
      after: prepareRules(matrix, rules, world.after),
    },
    page: { offset, limit },
  })
  for (const subjectChange of world.changes) tally.add(subjectChange)
  return tally.result()
}
