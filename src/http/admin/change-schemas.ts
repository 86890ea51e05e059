import { Type } from 'typebox'
import { MAX_BATCH_USERS, ON_FAILURE } from '../../domain/role-change.ts'
import { KEY_PATTERN, MAX_ID_LENGTH, REVISION_PATTERN } from '../schemas.ts'

/** Grants, revocations and roles of one request, all added up; also rows of a CSV. */
export const MAX_CHANGE_LINES = 20_000
/** Lines of one user. */
const MAX_USER_LINES = 1_000
const MAX_COMMENT_LENGTH = 1_000
export const CHANGE_BODY_BYTES = 5 * 1024 * 1024

const closed = { additionalProperties: false } as const

export const UserName = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: 'Id or email',
})
const RoleName = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: 'Id, or the exact name where only one role has it',
})
const DivisionName = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: 'Id, or the exact name where only one division has it; `*` for every division',
})
const Until = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'ISO 8601; the grant is taken back by itself within a minute of this',
  examples: ['2026-12-31T18:00:00Z'],
})

const TimedGrantSchema = Type.Object(
  { roleId: RoleName, divisionId: DivisionName, until: Type.Optional(Until) },
  closed,
)
const GrantSchema = Type.Object({ roleId: RoleName, divisionId: DivisionName }, closed)

/** One user of a request: `grant`/`revoke`, or `newRoleIds`. */
const UpdateSchema = Type.Object(
  {
    userId: UserName,
    grant: Type.Optional(Type.Array(TimedGrantSchema, { maxItems: MAX_USER_LINES })),
    revoke: Type.Optional(Type.Array(GrantSchema, { maxItems: MAX_USER_LINES })),
    newRoleIds: Type.Optional(
      Type.Array(RoleName, {
        maxItems: MAX_USER_LINES,
        description:
          'Replaces the direct grants of every division by these roles in the home division; with `divisionId` only those of that division. The employee role stays, and what groups give',
      }),
    ),
    divisionId: Type.Optional(DivisionName),
  },
  closed,
)

const Updates = Type.Array(UpdateSchema, { minItems: 1, maxItems: MAX_BATCH_USERS })

const BaseRevision = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description:
    'Revision of the matrix that the changes were thought out on; default: the one that is served. One that is no longer held is a 410',
})

const Comment = Type.String({ maxLength: MAX_COMMENT_LENGTH, description: 'Goes into the trail' })
const OnFailureSchema = Type.Enum([...ON_FAILURE], {
  description: 'Once an item has failed: go no further (default), go on, or undo what was applied',
})
const DRY_RUN = 'Answer what it would do, and do nothing'
const FORCE = 'Also change users whose grants were changed by others since the base revision'

export const ChangesBody = Type.Object(
  {
    updates: Updates,
    comment: Type.Optional(Comment),
    onFailure: Type.Optional(OnFailureSchema),
    dryRun: Type.Optional(Type.Boolean({ description: DRY_RUN })),
    force: Type.Optional(Type.Boolean({ description: FORCE })),
    baseRevision: Type.Optional(BaseRevision),
  },
  closed,
)

const QueryFlag = Type.Enum(['true', 'false'])
export const QueryRevision = Type.String({
  pattern: REVISION_PATTERN,
  description: 'As `baseRevision` of the JSON body; for CSV',
})

/** The options of a CSV, whose body has no room for them. */
export const ChangesQuery = Type.Object(
  {
    comment: Type.Optional(Comment),
    onFailure: Type.Optional(OnFailureSchema),
    dryRun: Type.Optional(Type.Unsafe<'true' | 'false'>({ ...QueryFlag, description: DRY_RUN })),
    force: Type.Optional(Type.Unsafe<'true' | 'false'>({ ...QueryFlag, description: FORCE })),
    baseRevision: Type.Optional(QueryRevision),
  },
  closed,
)

export const ChangesHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: KEY_PATTERN,
      description: 'Makes repeating safe: the same key and request give the same batch',
    }),
  ),
})

export const ChangesCsv = Type.String({
  description:
    'Columns `userId,operation,roleId,divisionId` and, where wanted, `until`, in any order; operation `grant` or `revoke`; UTF-8',
  examples: ['userId,operation,roleId,divisionId\nada@example.com,grant,Agent,Sales\n'],
})

const PolicyPart = Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH })
const policy = {
  domain: PolicyPart,
  entity: PolicyPart,
  actions: Type.Array(PolicyPart, { minItems: 1, maxItems: 200 }),
}
const MAX_POLICIES = 500

export const SimulationBody = Type.Object(
  {
    updates: Type.Optional(Updates),
    roleId: Type.Optional(RoleName),
    addPolicies: Type.Optional(Type.Array(Type.Object(policy, closed), { maxItems: MAX_POLICIES })),
    removePolicies: Type.Optional(
      Type.Array(Type.Object(policy, closed), { maxItems: MAX_POLICIES }),
    ),
    baseRevision: Type.Optional(BaseRevision),
  },
  {
    ...closed,
    description: 'Either `updates`, or `roleId` with `addPolicies` or `removePolicies` or both',
  },
)

/** A grant as it is told. */
export const NamedGrantSchema = Type.Object({
  roleId: Type.String(),
  roleName: Type.Optional(Type.String()),
  divisionId: Type.String(),
  divisionName: Type.Optional(Type.String()),
  until: Type.Optional(Type.String()),
})

/** Why something did not go through, beside a text `error`. */
export const UpstreamSchema = Type.Object(
  { status: Type.Integer(), code: Type.String(), correlationId: Type.String() },
  { description: "The platform's own answer" },
)

export const ConflictSchema = Type.Object({
  rule: Type.String(),
  userId: Type.String(),
  userName: Type.Optional(Type.String()),
  roleIds: Type.Array(Type.String()),
  roleNames: Type.Array(Type.String()),
  permissions: Type.Array(Type.String()),
  divisionId: Type.Union([Type.String(), Type.Null()]),
  divisionName: Type.Optional(Type.String()),
  status: Type.Enum(['new', 'worse', 'existing'], {
    description: '`existing`: there before and no worse after; it blocks nothing',
  }),
  message: Type.String(),
})
