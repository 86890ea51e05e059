import { Type } from 'typebox'
import { applyDelta } from '../../domain/grant-sets.ts'
import { BATCH_STATES, ITEM_STATES, ITEM_STEPS, ON_FAILURE } from '../../domain/role-change.ts'
import type {
  ChangeError,
  GrantDelta,
  GrantIntent,
  RoleChangeBatch,
  RoleChangeItem,
} from '../../domain/role-change.ts'
import { ConflictSchema, NamedGrantSchema, UpstreamSchema } from './change-schemas.ts'
import { nameGrant } from '../../domain/organization-names.ts'
import type { OrganizationNames } from '../../domain/organization-names.ts'

const ErrorText = Type.Optional(Type.String({ description: 'Why it did not go through' }))

const COUNTS = Object.fromEntries(ITEM_STATES.map((state) => [state, Type.Integer()]))

/** The members of a batch's answer. */
export const BATCH_MEMBERS = {
  id: Type.String(),
  state: Type.Enum([...BATCH_STATES], {
    description: '`pending`, `applying` and `rolling-back` still move',
  }),
  progress: Type.Object(
    { done: Type.Integer(), total: Type.Integer() },
    { description: 'Users: those with whom nothing more is to be done, and all' },
  ),
  counts: Type.Object(COUNTS, { description: 'Users by state' }),
  requestedBy: Type.String(),
  requestId: Type.String(),
  comment: Type.String(),
  onFailure: Type.Enum([...ON_FAILURE]),
  force: Type.Boolean(),
  baseRevision: Type.Integer(),
  stopRequested: Type.Boolean({ description: 'It halts after the user in hand' }),
  createdAt: Type.String(),
  startedAt: Type.String({ description: 'When it was accepted, until work on it has begun' }),
  finishedAt: Type.Optional(Type.String()),
  error: ErrorText,
  upstream: Type.Optional(UpstreamSchema),
}

const Grants = Type.Array(NamedGrantSchema)
const DeltaSchema = Type.Object({ add: Grants, remove: Grants })

/** One user of a batch. */
export const ItemSchema = Type.Object({
  position: Type.Integer(),
  userId: Type.String(),
  userName: Type.Optional(Type.String()),
  state: Type.Enum([...ITEM_STATES]),
  step: Type.Enum([...ITEM_STEPS], {
    description: '`planned`: what will be written is recorded; `written`: the platform took it',
  }),
  requested: Type.Object(
    {
      grant: Type.Optional(Grants),
      revoke: Type.Optional(Grants),
      newRoles: Type.Optional(
        Type.Array(Type.Object({ roleId: Type.String(), roleName: Type.Optional(Type.String()) })),
      ),
      divisionId: Type.Optional(Type.String()),
      divisionName: Type.Optional(Type.String()),
    },
    { description: 'What the direct grants are to become' },
  ),
  before: Type.Array(NamedGrantSchema, { description: 'Direct grants at the base revision' }),
  found: Type.Optional(
    Type.Array(NamedGrantSchema, {
      description: 'Direct grants right before writing: what a rollback restores',
    }),
  ),
  after: Type.Optional(
    Type.Array(NamedGrantSchema, { description: 'Direct grants once it is written' }),
  ),
  written: Type.Optional(DeltaSchema),
  undone: Type.Optional(DeltaSchema),
  visible: Type.Optional(
    Type.Boolean({ description: 'False: the platform did not show the change within the bound' }),
  ),
  conflicts: Type.Array(ConflictSchema),
  error: ErrorText,
  upstream: Type.Optional(UpstreamSchema),
  updatedAt: Type.String(),
})

export type BatchAnswer = ReturnType<typeof describeBatch>
export type ItemAnswer = ReturnType<typeof describeItem>

export function describeBatch(batch: RoleChangeBatch) {
  const { startedAt, finishedAt } = batch
  return {
    id: batch.id,
    state: batch.state,
    progress: progressOf(batch),
    counts: batch.counts,
    requestedBy: batch.requestedBy,
    requestId: batch.requestId,
    comment: batch.comment,
    onFailure: batch.onFailure,
    force: batch.force,
    baseRevision: batch.baseRevision,
    stopRequested: batch.stopRequested,
    createdAt: isoTime(batch.createdAt),
    startedAt: isoTime(startedAt ?? batch.createdAt),
    ...(finishedAt === null ? {} : { finishedAt: isoTime(finishedAt) }),
    ...describeError(batch.error),
  }
}

/** While it is rolled back, what is applied is what is left to do. */
function progressOf({ state, counts }: RoleChangeBatch) {
  const total = ITEM_STATES.reduce((sum, name) => sum + counts[name], 0)
  const left = state === 'rolling-back' ? counts.applied : counts.pending
  return { done: total - left - counts.applying, total }
}

export function describeItem(item: RoleChangeItem, names: OrganizationNames) {
  const { userId, found, delta, undo } = item
  const named = (grants: RoleChangeItem['before']) => grants.map((grant) => nameGrant(grant, names))
  const namedDelta = ({ add, remove }: GrantDelta) => ({ add: named(add), remove: named(remove) })
  const userName = names.user(userId)
  return {
    position: item.position,
    userId,
    ...(userName === undefined ? {} : { userName }),
    state: item.state,
    step: item.step,
    requested: describeIntent(item.intent, names),
    before: named(item.before),
    ...(found ? { found: named(found) } : {}),
    ...(found && delta ? { after: named(applyDelta(found, delta)) } : {}),
    ...(delta ? { written: namedDelta(delta) } : {}),
    ...(undo ? { undone: namedDelta(undo) } : {}),
    ...(item.visible === null ? {} : { visible: item.visible }),
    conflicts: item.conflicts.map((conflict) => ({
      ...conflict,
      userName: names.user(conflict.userId),
      divisionName: conflict.divisionId === null ? undefined : names.division(conflict.divisionId),
    })),
    ...describeError(item.error),
    updatedAt: isoTime(item.updatedAt),
  }
}

function describeIntent(intent: GrantIntent, names: OrganizationNames) {
  if (intent.kind === 'delta') {
    return {
      grant: intent.grant.map((grant) => nameGrant(grant, names)),
      revoke: intent.revoke.map((grant) => nameGrant(grant, names)),
    }
  }
  const newRoles = intent.roleIds.map((roleId) => ({ roleId, roleName: names.role(roleId) }))
  if (intent.divisionId === null) return { newRoles }
  const { divisionId } = intent
  return { newRoles, divisionId, divisionName: names.division(divisionId) }
}

function describeError(error: ChangeError | null) {
  if (!error) return {}
  return { error: error.message, ...(error.upstream ? { upstream: error.upstream } : {}) }
}

function isoTime(time: number): string {
  return new Date(time).toISOString()
}
