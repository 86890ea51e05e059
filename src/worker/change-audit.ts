import type { AuditOutcome, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import type { BatchState, ChangeError, Origin, RoleChangeBatch } from '../domain/role-change.ts'
import type { RoleChangeItem } from '../domain/role-change.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { fitEntry } from './fit-entry.ts'

/** Of a reason: others' words may be in it. */
const MAX_REASON_LENGTH = 2_000

type ItemEntry = {
  readonly operation: 'apply' | 'rollback'
  readonly outcome: AuditOutcome
  readonly before: readonly Grant[] | null
  readonly after: readonly Grant[] | null
  readonly details?: JsonObject
}

/**
 * A `role_assignment_change`: `before` and `after` are `{grants: [{roleId, divisionId}]}` (the user's
 * direct grants) or null where they are not known; `details` hold `operation`, `position`, `names` and
 * what the outcome calls for: `added`, `removed`, `addedPermissions`, `removedPermissions`,
 * `conflicts`, `reason`, `upstream`. Long lists are cut: see {@link fitEntry}.
 */
export function itemEntry(
  { batch, names }: Pick<ClaimedBatch, 'batch' | 'names'>,
  item: RoleChangeItem,
  { operation, outcome, before, after, details = {} }: ItemEntry,
): NewAuditEntry {
  const entry: NewAuditEntry = {
    action: 'role_assignment_change',
    outcome,
    ...batch.runFor,
    userId: item.userId,
    subjectId: batch.id,
    before: before && { grants: before },
    after: after && { grants: after },
    details: { operation, position: item.position, ...details },
  }
  return fitEntry(entry, names)
}

export function errorDetails(error: ChangeError): JsonObject {
  const { message, upstream } = error
  const reason = message.slice(0, MAX_REASON_LENGTH)
  return upstream ? { reason, upstream } : { reason }
}

/** A batch came to rest: it ended, or was halted; `by` is whose deed that is. */
export function endedEntry(
  batch: RoleChangeBatch,
  end: { readonly state: BatchState; readonly error: ChangeError | null },
  by: Origin = batch.runFor,
): NewAuditEntry {
  const failed = end.state === 'failed' || end.state === 'partially-applied'
  return {
    action: 'role_changes_ended',
    outcome: failed || (end.state === 'stopped' && end.error) ? 'failed' : 'succeeded',
    ...by,
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
