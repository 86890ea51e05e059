import type { JsonObject, NewAuditEntry } from './audit.ts'

/** What is done to networks and environments, each a request to the platform that must not be lost. */
export const OPERATION_KINDS = ['ip-allowlist', 'organization-allowlist', 'environment'] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

/**
 * `started`: recorded, and what the platform made of it is not known yet. `unchanged`: it was there
 * already. `interrupted`: its process ended, and the platform shows nothing of it.
 */
export type OperationState = 'started' | 'succeeded' | 'unchanged' | 'failed' | 'interrupted'

export type NewOperation = {
  readonly kind: OperationKind
  /** What is to be created; empty for the organisation's own list. */
  readonly name: string
  /** What was asked for: with it an operation without an end is settled. */
  readonly payload: JsonObject
  readonly requestedBy: string
  readonly requestId: string
  /** The change of the organisation's list that this one takes back. */
  readonly undoes?: string | undefined
}

/** Times are epoch milliseconds, by the clock that all instances share. */
export type ArchitectureOperation = NewOperation & {
  readonly id: string
  readonly startedAt: number
  /** Until when its process was known to be alive; null while it is not known to be gone. */
  readonly abandonedAt: number | null
}

/** An operation whose process is gone, in the hands of whoever finds out what became of it. */
export type AbandonedOperation = ArchitectureOperation & {
  /** How long that is known, by the clock that all instances share. */
  readonly abandonedMs: number
}

export type OperationEnd = {
  readonly state: Exclude<OperationState, 'started'>
  /** The platform's id of what was created. */
  readonly resultId: string | null
  /** Of the organisation's list: whether the platform showed the new one. */
  readonly visible?: boolean
}

/** A change of the organisation's own list that can be taken back: networks as they were written. */
export type OrganizationChange = {
  readonly id: string
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly requestedBy: string
  readonly finishedAt: number
  /** Whether the platform has shown what it left: an older list is somebody else's doing then. */
  readonly visible: boolean
}

/** What is recorded of an operation when it is over. */
export type RecordedEnd = {
  readonly end: OperationEnd
  readonly audit: readonly NewAuditEntry[]
}

/** An operation that others of its kind wait for. */
export type OperationAhead = Pick<ArchitectureOperation, 'id' | 'startedAt'>

/** Of each kind: operations without an end, and for how long the oldest of them has had none. */
export type OpenOperations = Readonly<
  Record<OperationKind, { readonly count: number; readonly oldestMs: number }>
>

export type CreatedEnvironment = { readonly id: string; readonly name: string }

/** No lease is longer: one that lasts longer was written before the clock was set back. */
export const MAX_OPERATION_LEASE_MS = 5 * 60_000

/** Whose hands an operation is in, and for how long unless that is renewed. */
export type OperationLease = { readonly owner: string; readonly leaseMs: number }

/**
 * Durable operations on networks and environments. Every call is one transaction and throws
 * `store-unavailable` when the database cannot do it; nothing has been recorded then.
 */
export interface OperationStore {
  /**
   * Whose turn it is, where one is under way at a time; undefined when it is nobody's, which does not
   * promise that it stays so until `begin`.
   */
  ahead(kind: OperationKind): Promise<OperationAhead | undefined>
  /** What has no end yet, whether or not its process is there. */
  open(): Promise<OpenOperations>
  /**
   * Records that an operation begins. Of environments, and of the organisation's list, one is under
   * way at a time, on all instances: undefined while it is another one's turn.
   */
  begin(
    operation: NewOperation,
    lease: OperationLease,
    audit: (id: string) => readonly NewAuditEntry[],
  ): Promise<ArchitectureOperation | undefined>
  /** Prolongs the lease of operations that are still under way in the owner's hands. */
  renew(ids: readonly string[], lease: OperationLease): Promise<void>
  /**
   * Records an end with its entries. False, with nothing recorded, for one that has ended already;
   * but what counted as `interrupted` may still turn out to have been done.
   *
   * @param claimed what is recorded instead where another operation that succeeded has the same
   *   result: it made it
   */
  end(
    id: string,
    end: OperationEnd,
    audit: readonly NewAuditEntry[],
    claimed?: RecordedEnd,
  ): Promise<boolean>
  /**
   * Takes the operation whose process is gone and that waits longest; undefined when there is none.
   * The longer ago it was left behind, the longer it is left alone after that.
   */
  claimAbandoned(lease: OperationLease): Promise<AbandonedOperation | undefined>
  /**
   * Environments created at or after a time by this process's clock, whichever instance did it: their
   * ends are compared by the clock that all share.
   */
  environmentsSince(time: number): Promise<readonly CreatedEnvironment[]>
  /** Notes that the platform has shown what a change of the organisation's list left. */
  markVisible(changeId: string): Promise<void>
  /** The newest change of the organisation's list that is neither taken back nor an undo itself. */
  undoable(): Promise<OrganizationChange | undefined>
  /**
   * Changes of the organisation's list, undoing ones too, made at or after a time by this process's
   * clock; newest first.
   */
  organizationChangesSince(time: number): Promise<readonly OrganizationChange[]>
}
