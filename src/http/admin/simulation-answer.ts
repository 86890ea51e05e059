import { Type } from 'typebox'
import type { Matrix } from '../../domain/matrix.ts'
import type { Simulation } from '../../domain/simulation.ts'
import { NextCursor, RevisionNumber } from '../schemas.ts'
import { ConflictSchema } from './change-schemas.ts'
import { namesOf } from '../../domain/organization-names.ts'

const Codes = Type.Array(Type.String())
const Name = Type.Optional(Type.String())
const NamedGroup = Type.Object({ id: Type.String(), name: Type.String() })

const EntrySchema = Type.Object(
  {
    timestamp: Type.String(),
    userId: Type.String(),
    userName: Type.String(),
    action: Type.Literal('role_assignment_change'),
    oldPermissions: Codes,
    newPermissions: Codes,
    addedPermissions: Codes,
    removedPermissions: Codes,
    divisions: Type.Array(
      Type.Object({
        divisionId: Type.String(),
        divisionName: Type.String(),
        addedPermissions: Codes,
        removedPermissions: Codes,
        loosenedPermissions: Type.Array(Type.String(), {
          description: 'Held under a condition before, without one after',
        }),
        tightenedPermissions: Type.Array(Type.String(), {
          description: 'Held without a condition before, under one only after',
        }),
      }),
      {
        description:
          'Where they differ; the line `*` holds for every division that has no line of its own',
      },
    ),
    conditionalPermissions: Type.Array(Type.String(), {
      description: 'Those of the lists that are held, before or after, under a condition only',
    }),
  },
  { description: 'What the audit entry of this user would say' },
)

/** The members of a simulation's answer. */
export const SIMULATION_MEMBERS = {
  revision: RevisionNumber,
  entries: Type.Array(EntrySchema, { description: 'Users whose permissions differ' }),
  conflicts: Type.Array(ConflictSchema, {
    description: 'Rules broken in the state after; only new and worse ones block',
  }),
  blastRadius: Type.Object({
    users: Type.Integer({ description: 'Active users whose permissions differ' }),
    clients: Type.Integer({ description: 'OAuth clients whose permissions differ' }),
    permissions: Type.Integer(),
    grantsAdded: Type.Integer(),
    grantsRemoved: Type.Integer(),
    orphanedPermissions: Type.Array(Type.String(), {
      description: 'Held by somebody active before, by nobody after',
    }),
  }),
  withoutEffect: Type.Array(
    Type.Object({
      userId: Type.String(),
      userName: Name,
      operation: Type.Enum(['grant', 'revoke']),
      roleId: Type.String(),
      roleName: Name,
      divisionId: Type.String(),
      divisionName: Name,
      reason: Type.Enum(['held-already', 'not-held', 'given-by-group', 'employee-role']),
    }),
  ),
  keptThroughGroups: Type.Array(
    Type.Object({
      userId: Type.String(),
      userName: Name,
      permission: Type.String(),
      groups: Type.Array(NamedGroup),
    }),
  ),
  lockouts: Type.Array(
    Type.Object({ userId: Type.String(), userName: Type.String(), permissions: Codes }),
    { description: 'Administrators who could no longer change roles' },
  ),
  licences: Type.Array(
    Type.Object({
      roleId: Type.String(),
      roleName: Type.String(),
      licences: Type.Array(Type.String()),
      gained: Type.Integer(),
      lost: Type.Integer(),
    }),
  ),
  truncated: Type.Boolean({ description: 'A list was cut at 10,000 lines' }),
  nextCursor: NextCursor,
}

/** A simulation with the names that a person reads, taken from the matrix that it was made on. */
export function describeSimulation(simulation: Simulation, matrix: Matrix) {
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
    keptThroughGroups: simulation.keptThroughGroups.map((line) => ({
      ...line,
      userName: names.user(line.userId),
    })),
  }
}
