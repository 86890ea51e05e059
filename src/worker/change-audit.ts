import type { AuditOutcome, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import type { BatchState, ChangeError, RoleChangeBatch } from '../domain/role-change.ts'
import type { RoleChangeItem } from '../domain/role-change.ts'

/** More permissions than this are counted, not named: an entry of the trail is bounded in size. */
const MAX_NAMED_PERMISSIONS = 1_000

type ItemEntry = {
  readonly operation: 'apply' | 'rollback'
  readonly outcome: AuditOutcome
  readonly before: readonly Grant[] | null
  readonly after: readonly Grant[] | null
  readonly details?: JsonObject
}

/**
 * A `role_assignment_change`: `before` and `after` are `{grants: [{roleId, divisionId}]}` (the user's
 * direct grants) or null where they are not known; `details` hold `operation`, `position` and what
 * the outcome calls for: `added`, `removed`, `addedPermissions`, `removedPermissions`, `conflicts`,
 * `reason`, `upstream`.
 */
export function itemEntry(
  batch: RoleChangeBatch,
  item: RoleChangeItem,
  { operation, outcome, before, after, details = {} }: ItemEntry,
): NewAuditEntry {
  return {
    action: 'role_assignment_change',
    outcome,
    actor: batch.requestedBy,
    requestId: batch.requestId,
    userId: item.userId,
    subjectId: batch.id,
    before: before && { grants: before },
    after: after && { grants: after },
    details: { operation, position: item.position, ...details },
  }
}

/** Permission codes as details of an entry, with their number where they are too many to name. */
export function namedPermissions(name: string, codes: readonly string[]): JsonObject {
  if (codes.length <= MAX_NAMED_PERMISSIONS) return { [name]: codes }
  return { [name]: codes.slice(0, MAX_NAMED_PERMISSIONS), [`${name}Count`]: codes.length }
}

export function errorDetails(error: ChangeError): JsonObject {
  const { message: reason, upstream } = error
  return upstream ? { reason, upstream } : { reason }
}

/** A batch came to rest: it ended, or was halted. */
export function endedEntry(
  batch: RoleChangeBatch,
  end: { readonly state: BatchState; readonly error: ChangeError | null },
): NewAuditEntry {
  const failed = end.state === 'failed' || end.state === 'partially-applied'
  return {
    action: 'role_changes_ended',
    outcome: failed || (end.state === 'stopped' && end.error) ? 'failed' : 'succeeded',
    actor: batch.requestedBy,
    requestId: batch.requestId,
    userId: null,
    subjectId: batch.id,
    before: null,
    after: null,
    details: { state: end.state, ...(end.error ? errorDetails(end.error) : {}) },
  }
}

/** A batch begins to take back by itself what it applied, for an item has failed. */
export function rollingBackEntry(batch: RoleChangeBatch, error: ChangeError): NewAuditEntry {
  return {
    ...endedEntry(batch, { state: 'rolling-back', error }),
    action: 'role_changes_rollback',
    outcome: 'started',
  }
}
