import { createHash } from 'node:crypto'
import type { AuditEntry, Json, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import { canonicalJson } from '../domain/canonical-json.ts'
import { storableJson, storableText } from './storable-text.ts'
import type { AuditEntryRow } from './tables.ts'

/** Of `before`, `after` and `details` together, as UTF-16 code units of JSON text. */
const MAX_ENTRY_LENGTH = 256 * 1024
/** Of each of an entry's other texts. */
const MAX_TEXT_LENGTH = 1_024

/** An entry as it goes into the table, but for its place in the chain. */
export type PreparedEntry = Omit<AuditEntryRow, 'sequence' | 'time' | 'previous_hash' | 'hash'>

/** Throws `invalid` for one that is larger than the trail takes: its maker has to cut it. */
export function prepareEntry(entry: NewAuditEntry): PreparedEntry {
  const prepared = {
    action: entry.action,
    outcome: entry.outcome,
    actor: boundedText(entry.actor),
    request_id: boundedText(entry.requestId),
    user_id: entry.userId === null ? null : boundedText(entry.userId),
    subject_id: entry.subjectId === null ? null : boundedText(entry.subjectId),
    before: canonicalJson(storableJson(entry.before)),
    after: canonicalJson(storableJson(entry.after)),
    details: canonicalJson(storableJson(entry.details)),
  }
  if (entryLength(prepared) > MAX_ENTRY_LENGTH) {
    throw new Failure('invalid', `an audit entry is larger than ${MAX_ENTRY_LENGTH} characters`)
  }
  return prepared
}

export function entryLength(entry: PreparedEntry): number {
  return entry.before.length + entry.after.length + entry.details.length
}

function boundedText(text: string): string {
  return storableText(text.slice(0, MAX_TEXT_LENGTH))
}

/** The entry, telling what the clock said (epoch ms) where the chain cannot have that time. */
export function withClock(entry: PreparedEntry, now: number): PreparedEntry {
  const details = JSON.parse(entry.details) as JsonObject
  return { ...entry, details: canonicalJson({ ...details, clock: new Date(now).toISOString() }) }
}

/** Gives an entry its place: after the entry that has `previousHash`, at `time` (epoch ms). */
export function sealEntry(
  entry: PreparedEntry,
  sequence: number,
  time: number,
  previousHash: string,
): AuditEntryRow {
  const placed = { ...entry, sequence, time, previous_hash: previousHash }
  return { ...placed, hash: hashOf(placed) }
}

/**
 * The hash that an entry must have. The text is the entry's canonical JSON without `hash`; its
 * structured parts are canonical text in the row already. Throws for a row that no entry can be.
 */
export function hashOf(row: Omit<AuditEntryRow, 'hash'>): string {
  const text =
    `{"action":${canonicalJson(row.action)},"actor":${canonicalJson(row.actor)}` +
    `,"after":${row.after},"before":${row.before},"details":${row.details}` +
    `,"outcome":${canonicalJson(row.outcome)},"previousHash":${canonicalJson(row.previous_hash)}` +
    `,"requestId":${canonicalJson(row.request_id)},"sequence":${canonicalJson(row.sequence)}` +
    `,"subjectId":${canonicalJson(row.subject_id)},"time":${canonicalJson(timeOf(row))}` +
    `,"userId":${canonicalJson(row.user_id)}}`
  return createHash('sha256').update(text).digest('hex')
}

/** Throws for a row whose structured parts are no JSON: somebody has edited them. */
export function entryOf(row: AuditEntryRow): AuditEntry {
  return {
    sequence: row.sequence,
    time: timeOf(row),
    action: row.action,
    outcome: row.outcome,
    actor: row.actor,
    requestId: row.request_id,
    userId: row.user_id,
    subjectId: row.subject_id,
    before: JSON.parse(row.before) as Json,
    after: JSON.parse(row.after) as Json,
    details: JSON.parse(row.details) as JsonObject,
    previousHash: row.previous_hash,
    hash: row.hash,
  }
}

function timeOf({ time }: { readonly time: number }): string {
  return new Date(time).toISOString()
}
