/** What the trail tells of. A closed list: reports and filters go by it. */
export const AUDIT_ACTIONS = [
  'service_started',
  'rebuild_requested',
  'rebuild',
  'drift',
  'role_changes_accepted',
  'role_changes_ended',
  'role_changes_stop',
  'role_changes_resume',
  'role_changes_rollback',
  'role_assignment_change',
  'sunset_scheduled',
  'login_refused',
  'report_created',
  'ip_allowlist_create',
  'organization_allowlist_replace',
  'organization_allowlist_undo',
  'environment_create',
  'delivery_retried',
  'audit_pruned',
  'audit_verification',
] as const
export type AuditAction = (typeof AUDIT_ACTIONS)[number]

/** `started` is recorded before something is done, the others after. */
export const AUDIT_OUTCOMES = [
  'started',
  'succeeded',
  'unchanged',
  'skipped',
  'refused',
  'failed',
] as const
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** JSON as it goes into the chain: no undefined, no non-finite number. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [name: string]: Json }

export function isJsonList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isJsonList(value)
}

/** What is to be recorded. Secrets, and bodies that hold some, never come this far. */
export type NewAuditEntry = {
  readonly action: AuditAction
  readonly outcome: AuditOutcome
  /** A key's name, a token's subject, or `service`, `schedule`, `sunset`, `platform`. */
  readonly actor: string
  /** Of the request that caused it; empty for none. */
  readonly requestId: string
  /** The user of the organisation that it is about; null for none. */
  readonly userId: string | null
  /** The batch, rebuild, report, operation or delivery that it belongs to; null for none. */
  readonly subjectId: string | null
  readonly before: Json
  readonly after: Json
  readonly details: JsonObject
}

/** An entry with what there is to tell: no request, user or subject, and nothing else, unless told. */
export function auditEntry(
  told: Pick<NewAuditEntry, 'action' | 'outcome' | 'actor'> & Partial<NewAuditEntry>,
): NewAuditEntry {
  const nothing = { requestId: '', userId: null, subjectId: null, before: null, after: null }
  return { ...nothing, details: {}, ...told }
}

/**
 * An entry of the chain. `hash` is SHA-256, in hex, over the canonical JSON (RFC 8785) of the entry
 * without `hash`; `previousHash` is that of the entry before, {@link GENESIS_HASH} for the first.
 */
export type AuditEntry = NewAuditEntry & {
  /** From 1, without gaps. */
  readonly sequence: number
  /** ISO 8601, UTC, milliseconds. Never before that of the entry before. */
  readonly time: string
  readonly previousHash: string
  readonly hash: string
}

export const GENESIS_HASH = '0'.repeat(64)

/** The end of the chain: how many entries there ever were, and the last one's hash. */
export type ChainHead = { readonly count: number; readonly hash: string }

/** Every member narrows; times are ISO 8601, `from` inclusive, `to` exclusive. */
export type AuditFilter = {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly actor?: string | undefined
  readonly userId?: string | undefined
  readonly action?: AuditAction | undefined
  readonly outcome?: AuditOutcome | undefined
  readonly subjectId?: string | undefined
}

export type AuditPage = {
  readonly items: readonly AuditEntry[]
  /** Sequence to go on from (exclusive); absent on the last page. */
  readonly next?: number
}

/** `broken` names the first entry at fault and says what is wrong with it. */
export type Verification = {
  readonly intact: boolean
  readonly checked: number
  /** Entries removed by retention; the chain begins after them. */
  readonly prunedThrough: number
  readonly head: ChainHead
  /** What is kept outside the database; null when there is none yet. */
  readonly witness: ChainHead | null
  readonly broken: { readonly sequence: number; readonly reason: string } | null
  readonly verifiedAt: string
}

/**
 * The append-only trail. Throws `store-unavailable` when the database cannot be reached or is full:
 * then nothing was recorded, and what was to be recorded must not be done.
 */
export interface AuditTrail {
  /** Resolves once the entries are durable. */
  append(entries: readonly NewAuditEntry[]): Promise<readonly AuditEntry[]>
  /** Oldest first; with `newestFirst` the other way round. At most `limit` (1–1,000) entries. */
  list(
    filter: AuditFilter,
    page: {
      readonly limit: number
      readonly after?: number | undefined
      readonly newestFirst?: boolean
    },
  ): Promise<AuditPage>
  /** All matching entries up to the head at the time of the call, oldest first. */
  stream(filter: AuditFilter): AsyncIterable<AuditEntry>
  /**
   * Recomputes the whole chain. One at a time; a second caller gets the same verification. Throws
   * `overloaded` when retention keeps moving the chain's beginning.
   */
  verify(signal: AbortSignal): Promise<Verification>
  head(): Promise<ChainHead>
}
