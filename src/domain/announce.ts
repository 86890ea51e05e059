import type { AuditAction, Json, JsonObject, NewAuditEntry } from './audit.ts'
import type { EventTarget } from './delivery.ts'

/** An event, as it is told to those who want to know. */
export type Announcement = {
  readonly event: string
  readonly targets: readonly EventTarget[]
  /** Events of one subject arrive in their order. */
  readonly subject: string
  readonly body: JsonObject
}

type Told = Pick<
  NewAuditEntry,
  'action' | 'outcome' | 'actor' | 'userId' | 'subjectId' | 'after' | 'details'
>
type Announce = (entry: Told, timestamp: string) => Announcement | undefined

const CALLBACK: readonly EventTarget[] = ['callback']
const MONITORING: readonly EventTarget[] = ['monitoring']
const BOTH: readonly EventTarget[] = ['callback', 'monitoring']

/** Entries that are told of to others; the README lists names and bodies. */
const ANNOUNCED: Partial<Record<AuditAction, Announce>> = {
  ip_allowlist_create: allowlistCreated,
  organization_allowlist_replace: organizationAllowlistReplaced,
  organization_allowlist_undo: organizationAllowlistReplaced,
  environment_create: environmentCreated,
  role_changes_ended: roleChangesEnded,
  role_changes_rollback: rollbackStarted,
  drift: driftDetected,
  audit_verification: chainBroken,
}

/** Whether entries of an action may have to be announced at all. */
export function isAnnounced(action: AuditAction): boolean {
  return ANNOUNCED[action] !== undefined
}

/**
 * The event that an entry of the trail stands for; undefined for none. What was refused, failed or
 * was there already is in the trail, but is no event.
 *
 * @param timestamp of the entry
 */
export function announcementOf(entry: Told, timestamp: string): Announcement | undefined {
  return ANNOUNCED[entry.action]?.(entry, timestamp)
}

function allowlistCreated(
  { outcome, after, details }: Told,
  timestamp: string,
): Announcement | undefined {
  if (outcome !== 'succeeded') return undefined
  const { resultId: allowlistId = null, latencyMs = null, entryCount = null } = details
  const event = 'ALLOWLIST_CREATED'
  const name = memberOf(after, 'name')
  const body = { event, allowlistId, name, entryCount, latencyMs, timestamp }
  return { event, targets: CALLBACK, subject: `ip-allowlist ${text(allowlistId)}`, body }
}

function organizationAllowlistReplaced(
  { action, outcome, details }: Told,
  timestamp: string,
): Announcement | undefined {
  if (outcome !== 'succeeded') return undefined
  const event = 'ORGANIZATION_ALLOWLIST_REPLACED'
  const { resultId: changeId = null, latencyMs = null, entryCount = null } = details
  const undo = action === 'organization_allowlist_undo'
  const body = { event, changeId, undo, entryCount, latencyMs, timestamp }
  return { event, targets: CALLBACK, subject: 'organization-allowlist', body }
}

function environmentCreated(
  { outcome, details }: Told,
  timestamp: string,
): Announcement | undefined {
  if (outcome !== 'succeeded') return undefined
  const event = 'environment.created'
  const { environment_id = null, environment_name = null, latency_ms = null } = details
  const body = { event, environment_id, environment_name, latency_ms, timestamp }
  return { event, targets: MONITORING, subject: `environment ${text(environment_id)}`, body }
}

function roleChangesEnded({ actor, subjectId, details }: Told, timestamp: string): Announcement {
  const { state = null, reason = null } = details
  const event = state === 'rolled-back' ? 'role_changes.rolled_back' : 'role_changes.ended'
  const body = { event, batchId: subjectId, state, requestedBy: actor, reason, timestamp }
  return { event, targets: BOTH, subject: batchSubject(subjectId), body }
}

function rollbackStarted({ actor, subjectId, details }: Told, timestamp: string): Announcement {
  const event = 'role_changes.rollback_started'
  const { reason = null } = details
  const body = { event, batchId: subjectId, requestedBy: actor, reason, timestamp }
  return { event, targets: BOTH, subject: batchSubject(subjectId), body }
}

/** Of a rebuild's entries the one that counts: those of single users are for the trail alone. */
function driftDetected(
  { userId, subjectId, after, details }: Told,
  timestamp: string,
): Announcement | undefined {
  if (userId !== null) return undefined
  const event = 'drift.detected'
  const { total = null, counts = null } = details
  const revision = memberOf(after, 'revision')
  const body = { event, rebuildId: subjectId, revision, total, counts, timestamp }
  return { event, targets: BOTH, subject: 'drift', body }
}

function chainBroken({ outcome, details }: Told, timestamp: string): Announcement | undefined {
  if (outcome !== 'failed') return undefined
  const event = 'audit.chain_broken'
  const { sequence = null, reason = null } = details
  const body = { event, sequence, reason, timestamp }
  return { event, targets: BOTH, subject: 'audit', body }
}

function batchSubject(batchId: string | null): string {
  return `role-changes ${batchId ?? ''}`
}

function memberOf(value: Json, name: string): Json {
  return (value as JsonObject | null)?.[name] ?? null
}

function text(value: Json): string {
  return typeof value === 'string' ? value : ''
}
