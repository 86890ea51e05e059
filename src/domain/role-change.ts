import type { UpstreamAnswer } from './failure.ts'
import type { Grant } from './facts.ts'
import type { RuleConflict } from './role-rules.ts'

/** Most users that one batch changes. */
export const MAX_BATCH_USERS = 1_000

/** What a batch does once an item has failed: go no further, go on, or undo what was applied. */
export const ON_FAILURE = ['stop', 'continue', 'rollback'] as const
export type OnFailure = (typeof ON_FAILURE)[number]

/** States of a batch; `pending`, `applying` and `rolling-back` are those that still move. */
export const BATCH_STATES = [
  'pending',
  'applying',
  'succeeded',
  'partially-applied',
  'failed',
  'stopped',
  'rolling-back',
  'rolled-back',
] as const
export type BatchState = (typeof BATCH_STATES)[number]

/** States in which a batch is at rest. */
export const REST_STATES = [
  'succeeded',
  'partially-applied',
  'failed',
  'stopped',
  'rolled-back',
] as const satisfies readonly BatchState[]
export type RestState = (typeof REST_STATES)[number]

/**
 * States of an item. `unchanged`: the platform had it so already. `skipped-conflict`: a rule said
 * no. `changed-meanwhile`: the user's grants were no longer those of the base revision.
 */
export const ITEM_STATES = [
  'pending',
  'applying',
  'applied',
  'unchanged',
  'skipped-conflict',
  'changed-meanwhile',
  'failed',
  'rolled-back',
] as const
export type ItemState = (typeof ITEM_STATES)[number]

/** A grant that is taken back by itself at `until` (ISO 8601, UTC). */
export type TimedGrant = Grant & { readonly until?: string }

/** As a caller writes it: users by id or email, roles and divisions by id or exact name. */
export type RequestedUpdate = {
  readonly userId: string
  readonly grant?: readonly TimedGrant[] | undefined
  readonly revoke?: readonly Grant[] | undefined
  /** Replaces the direct grants of every division by these roles in the home division … */
  readonly newRoleIds?: readonly string[] | undefined
  /** … or, with this, only those of this division. */
  readonly divisionId?: string | undefined
}

/**
 * What is to become of a user's direct grants, ids looked up. A replacement names no grant to take
 * away: which those are is known only when the user's grants are read.
 */
export type GrantIntent =
  | {
      readonly kind: 'delta'
      readonly grant: readonly TimedGrant[]
      readonly revoke: readonly Grant[]
    }
  | {
      readonly kind: 'replace'
      readonly roleIds: readonly string[]
      /** Null: all divisions, the roles being granted in the home division. */
      readonly divisionId: string | null
    }

export type UserChange = { readonly userId: string; readonly intent: GrantIntent }

/** Grants to write; never more than what differs. */
export type GrantDelta = { readonly add: readonly Grant[]; readonly remove: readonly Grant[] }

/**
 * How far an item has come. `planned`: what will be written is recorded, nothing may have been sent.
 * `written`: the platform took it. `confirmed`: reading back showed it, or the bound for that
 * passed. The `undo-` steps are the same for taking it back.
 */
export const ITEM_STEPS = [
  'none',
  'planned',
  'written',
  'confirmed',
  'undo-planned',
  'undo-written',
  'undone',
] as const
export type ItemStep = (typeof ITEM_STEPS)[number]

/** Why an item or a batch did not go through, safe to show. */
export type ChangeError = {
  readonly message: string
  readonly upstream?: UpstreamAnswer | undefined
}

/** One user of a batch. Times are epoch milliseconds. */
export type RoleChangeItem = {
  readonly position: number
  readonly userId: string
  readonly intent: GrantIntent
  readonly state: ItemState
  readonly step: ItemStep
  /** Direct grants at the base revision: the before-state that was recorded at acceptance. */
  readonly before: readonly Grant[]
  /**
   * Direct grants that the platform showed right before the write; what a rollback restores. Those
   * whose sunset the item replaces or cancels have it as `until`.
   */
  readonly found: readonly TimedGrant[] | null
  /** What was, or is about to be, written. */
  readonly delta: GrantDelta | null
  /** What a rollback wrote, or is about to write. */
  readonly undo: GrantDelta | null
  /** False when the platform did not show the change within the bound for reading back. */
  readonly visible: boolean | null
  readonly conflicts: readonly RuleConflict[]
  readonly error: ChangeError | null
  readonly updatedAt: number
}

/** One accepted set of changes. Times are epoch milliseconds. */
export type RoleChangeBatch = {
  readonly id: string
  readonly state: BatchState
  /** The audit's actor. */
  readonly requestedBy: string
  readonly requestId: string
  readonly comment: string
  readonly onFailure: OnFailure
  readonly force: boolean
  readonly baseRevision: number
  /** Set while a caller's stop waits for the item in hand. */
  readonly stopRequested: boolean
  /** Whether a rollback also restores users whose grants were changed by others since. */
  readonly forceRollback: boolean
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly error: ChangeError | null
  /** Items by state; their sum is the batch's size. */
  readonly counts: Readonly<Record<ItemState, number>>
}

/** The platform's side of role changes. Every call is bounded in attempts and time. */
export interface GrantPlatform {
  /**
   * Direct grants of a user as the platform has them now. Throws `not-found` for a user that the
   * platform does not know or that was deleted, `upstream-…` otherwise.
   */
  readDirectGrants(userId: string, signal: AbortSignal): Promise<readonly Grant[]>
  /**
   * Adds, then removes, in small bulk calls; a removal of what is gone already is done. Repeating it
   * does no harm. Throws `upstream-refused` with the platform's own message, code and correlation
   * id when it said no, `upstream-busy` after all attempts; part of it may have been written then.
   */
  writeGrants(userId: string, delta: GrantDelta, signal: AbortSignal): Promise<void>
}
