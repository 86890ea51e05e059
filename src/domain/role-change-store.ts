import type { NewAuditEntry } from './audit.ts'
import type { Grant } from './facts.ts'
import type {
  BatchState,
  ChangeError,
  GrantDelta,
  ItemState,
  ItemStep,
  OnFailure,
  RoleChangeBatch,
  RoleChangeItem,
  TimedGrant,
  UserChange,
} from './role-change.ts'
import type { RuleConflict } from './role-rules.ts'

export type NewBatch = {
  readonly requestedBy: string
  readonly requestId: string
  readonly comment: string
  readonly onFailure: OnFailure
  readonly force: boolean
  readonly baseRevision: number
  /** In the order in which they are to be applied; every user once. */
  readonly items: readonly (UserChange & { readonly before: readonly Grant[] })[]
  /** The caller's `Idempotency-Key` and the hash of what it came with. */
  readonly idempotency?: { readonly key: string; readonly bodyHash: string } | undefined
  /** The sunsets that this batch carries out. */
  readonly sunsetIds?: readonly string[] | undefined
}

/** A batch in this process's hands. Everything recorded under it fails once it was taken over. */
export type Claim = { readonly batch: RoleChangeBatch; readonly token: string }

export type ItemPatch = {
  readonly state?: ItemState
  readonly step?: ItemStep
  readonly found?: readonly TimedGrant[]
  readonly delta?: GrantDelta
  readonly undo?: GrantDelta
  readonly visible?: boolean
  readonly conflicts?: readonly RuleConflict[]
  readonly error?: ChangeError | null
}

/** Grants of one user that were written at a time, for matrices that do not show them yet. */
export type WrittenGrants = GrantDelta & { readonly userId: string; readonly writtenAt: number }

/** What is recorded in one transaction, or not at all. */
export type RecordStep = {
  readonly item?: { readonly position: number; readonly patch: ItemPatch }
  /** A state that does not move any more, or `pending`/`rolling-back` to queue it anew, ends the claim. */
  readonly batch?: {
    readonly state: BatchState
    readonly error?: ChangeError | null
  }
  /** What has just been written to the platform. */
  readonly written?: GrantDelta & { readonly userId: string }
  /** Grants to take back later; one that is set already for the same grant is replaced. */
  readonly sunsets?: readonly (Grant & { readonly userId: string; readonly until: string })[]
  /** Sunsets of grants that are gone, or given for good. */
  readonly cancelSunsets?: readonly (Grant & { readonly userId: string })[]
  readonly audit: readonly NewAuditEntry[]
}

export type Sunset = Grant & {
  readonly id: string
  readonly userId: string
  /** ISO 8601, UTC. */
  readonly until: string
  readonly batchId: string
  readonly requestedBy: string
  /** How often carrying it out has failed. */
  readonly failures: number
}

export type BatchPage = { readonly items: readonly RoleChangeBatch[]; readonly nextCursor?: string }
export type ItemPage = { readonly items: readonly RoleChangeItem[]; readonly next?: number }

/**
 * Durable batches and what becomes of them. Every operation is one transaction and throws
 * `store-unavailable` when the database cannot do it; nothing has been recorded then.
 */
export interface RoleChangeStore {
  /**
   * Records a batch in state `pending` with its audit entries. The same actor, key and body hash
   * answer the batch of the first time with `created: false`; another body throws `conflict`.
   * Throws `conflict` when one of its sunsets is in another batch's hands already.
   */
  accept(
    batch: NewBatch,
    audit: (id: string) => readonly NewAuditEntry[],
  ): Promise<{ readonly batch: RoleChangeBatch; readonly created: boolean }>
  /**
   * The batch that {@link accept} recorded for this actor and key; undefined when there is none.
   * Throws `conflict` for another body hash. Asked first, so that repeating a request is answered
   * also when it would no longer be accepted: its base revision gone, its `until` past.
   */
  findAccepted(
    requestedBy: string,
    idempotency: { readonly key: string; readonly bodyHash: string },
  ): Promise<RoleChangeBatch | undefined>
  /** Throws `not-found`. */
  find(id: string): Promise<RoleChangeBatch>
  /** Newest first. A cursor that was not given out throws `invalid`. */
  list(page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: BatchState | undefined
    readonly userId?: string | undefined
  }): Promise<BatchPage>
  /** In order of position; `after` is exclusive. */
  items(
    id: string,
    page: {
      readonly limit: number
      readonly after?: number | undefined
      readonly state?: ItemState | undefined
    },
  ): Promise<ItemPage>
  /**
   * Takes the oldest batch that is queued, or whose holder's lease has run out, and that shares no
   * user with one that is being worked on or queued before it. Undefined when there is none.
   *
   * @param maxUsers passes over batches of more users
   */
  claim(owner: string, leaseMs: number, maxUsers?: number): Promise<Claim | undefined>
  /** Prolongs the lease. False when the batch is in other hands by now. */
  renew(claim: Claim, leaseMs: number): Promise<boolean>
  /** Gives a batch back unfinished, for whoever comes next: at shutdown. */
  release(claim: Claim): Promise<void>
  /** Throws `conflict` when the lease was lost. Answers whether a stop has been asked for. */
  record(claim: Claim, step: RecordStep): Promise<{ readonly stopRequested: boolean }>
  /**
   * Asks for a halt: a batch that nobody works on is `stopped` at once. Throws `conflict` for one
   * that has ended or is being rolled back; asking twice is no error.
   */
  requestStop(id: string, audit: readonly NewAuditEntry[]): Promise<RoleChangeBatch>
  /** Queues a stopped batch again. Throws `conflict` for others, but one that is queued or under way already. */
  resume(id: string, audit: readonly NewAuditEntry[]): Promise<RoleChangeBatch>
  /**
   * Queues the undoing of a batch that is no longer moving and has applied something. Throws
   * `conflict` for others; asking twice is no error.
   */
  rollback(
    id: string,
    options: { readonly force: boolean },
    audit: readonly NewAuditEntry[],
  ): Promise<RoleChangeBatch>
  /** What was written at or after the time (epoch milliseconds), oldest first. */
  writtenSince(time: number): Promise<readonly WrittenGrants[]>
  /** Sunsets whose time has come and that no batch carries out, oldest first. */
  dueSunsets(now: number, limit: number): Promise<readonly Sunset[]>
  /** Sunsets to come, of one user or all, in order of time. */
  pendingSunsets(filter: {
    readonly userId?: string | undefined
    readonly limit: number
  }): Promise<readonly Sunset[]>
}
