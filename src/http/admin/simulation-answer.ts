import { Type } from 'typebox'
import { NextCursor, RevisionNumber } from '../schemas.ts'
import { ConflictSchema } from './change-schemas.ts'

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
    blocked: Type.Boolean({
      description:
        'A rule would be broken, or broken worse: applying skips this user, who counts nowhere else',
    }),
  },
  { description: 'What the audit entry of this user would say' },
)

/** The members of a simulation's answer. */
export const SIMULATION_MEMBERS = {
  revision: RevisionNumber,
  entries: Type.Array(EntrySchema, {
    description:
      'Users whose permissions differ; a page ends at its limit or at about a mebibyte of them',
  }),
  conflicts: Type.Array(ConflictSchema, {
    description: 'Rules broken in the state after; only new and worse ones block',
  }),
  blockedUsers: Type.Integer({
    description: 'Users whom applying would skip, for a rule would be broken',
  }),
  blastRadius: Type.Object({
    users: Type.Integer({
      description: 'Active users whose permissions differ, without those who are blocked',
    }),
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
  sunsets: Type.Array(
    Type.Object({
      userId: Type.String(),
      userName: Name,
      roleId: Type.String(),
      roleName: Name,
      divisionId: Type.String(),
      divisionName: Name,
      change: Type.Enum(['set', 'replaced', 'cancelled']),
      until: Type.Union([Type.String(), Type.Null()]),
      previousUntil: Type.Union([Type.String(), Type.Null()]),
    }),
    { description: 'What becomes of the times at which grants end by themselves' },
  ),
  sunsetsKnown: Type.Boolean({
    description:
      'False: what ends by itself already could not be read, so `replaced` and `cancelled` do not show',
  }),
  licences: Type.Array(
    Type.Object({
      roleId: Type.String(),
      roleName: Type.String(),
      licences: Type.Array(Type.String()),
      gained: Type.Integer(),
      lost: Type.Integer(),
    }),
  ),
  truncated: Type.Boolean({
    description: 'A list beside `entries` was cut, at 10,000 lines or about a mebibyte',
  }),
  nextCursor: NextCursor,
}
