import { createHash } from 'node:crypto'
import type { NewOperation, OperationKind } from '../domain/architecture-operation.ts'
import type { AuditAction, AuditOutcome, Json, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { canonicalJson } from '../domain/canonical-json.ts'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'

/** Failures that say no, and go on saying it. */
const REFUSALS: ReadonlySet<FailureCode> = new Set([
  'invalid',
  'conflict',
  'not-offered',
  'overloaded',
  'upstream-refused',
])

/** What the trail tells of an operation. */
export type ToldOperation = Omit<NewOperation, 'payload'> & {
  /** SHA-256, in hex, over the canonical JSON of the request, as it was asked. */
  readonly payloadHash: string
  /** Networks of a list; null for environments. */
  readonly entryCount: number | null
}

export type ToldEnd = {
  readonly outcome: AuditOutcome
  readonly resultId: string | null
  readonly latencyMs: number | null
  readonly before?: Json
  readonly after?: Json
  /** What the outcome calls for: `attempts`, `reason`, `recovered`. */
  readonly details?: JsonObject
  /** Why there is nothing of it. */
  readonly failure?: Failure
}

/** What a payload holds beside what is to be done. */
type ToldPayload = {
  /** See {@link hashPayload}: the request itself is not kept. */
  readonly requestHash?: string
  readonly draft?: { readonly entries?: readonly unknown[] }
  readonly after?: readonly string[]
}

/** What the trail tells of an operation that is recorded: the same whoever tells it, and when. */
export function toldOf(operation: NewOperation): ToldOperation {
  const { payload, ...told } = operation
  const { requestHash, draft, after } = payload as ToldPayload
  const entries = operation.kind === 'organization-allowlist' ? after : draft?.entries
  const payloadHash = requestHash ?? hashPayload(payload)
  return { ...told, payloadHash, entryCount: entries?.length ?? null }
}

/**
 * A request appears in the trail as this and no otherwise. It is hashed as it was asked, before it is
 * checked and brought into its normal form: however it ends, its hash is the same.
 */
export function hashPayload(payload: unknown): string {
  const wellFormed: unknown = JSON.parse(JSON.stringify(payload), (_name, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  )
  return createHash('sha256')
    .update(canonicalJson(wellFormed as Json))
    .digest('hex')
}

/** The entry from before an operation is begun. */
export function startedEntry(id: string, operation: ToldOperation): NewAuditEntry {
  const end = { outcome: 'started', resultId: null, latencyMs: null } as const
  return endEntry(id, operation, end)
}

/**
 * The entry of an operation's end. Details of networks are `{operation, payloadHash, resultStatus,
 * resultId, latencyMs, entryCount}`, those of environments `{action, environment_id,
 * environment_name, latency_ms, status, operator, payload_hash}`; status is `SUCCESS` or `FAILURE`.
 * After a failure there are `reason`, `fields` of the faults and what the platform answered
 * (`upstream`).
 *
 * @param id of the operation; null for one that was refused before it began
 */
export function endEntry(id: string | null, operation: ToldOperation, end: ToldEnd): NewAuditEntry {
  const { outcome, resultId, latencyMs, before = null, after = null, failure, details = {} } = end
  const { kind, name, requestedBy, requestId, payloadHash, entryCount, undoes } = operation
  const status = STATUS[outcome]
  const told: JsonObject =
    kind === 'environment'
      ? {
          action: 'CREATE_ENVIRONMENT',
          environment_id: resultId,
          environment_name: name,
          latency_ms: latencyMs,
          status,
          operator: requestedBy,
          payload_hash: payloadHash,
        }
      : {
          operation: undoes === undefined ? OPERATIONS[kind] : 'UNDO',
          payloadHash,
          resultStatus: status,
          resultId,
          latencyMs,
          entryCount,
        }
  return {
    action: actionOf(operation),
    outcome,
    actor: requestedBy,
    requestId,
    userId: null,
    subjectId: id,
    before,
    after,
    details: {
      ...told,
      ...(undoes ? { undoes } : {}),
      ...(failure ? failureDetails(kind, failure) : {}),
      ...details,
    },
  }
}

/**
 * A message may hold what was asked for, or what the platform makes of it: networks, the caller's
 * address. So the reason is a code, except for environments that the platform was not asked about:
 * there the message is ours and names nothing but what the entry has anyway.
 */
function failureDetails(kind: OperationKind, failure: Failure): JsonObject {
  const { code, message, field, faults = [], upstream } = failure
  const named = faults.length > 0 ? faults.map((fault) => fault.field) : [field ?? []].flat()
  const fields = [...new Set(named)].slice(0, MAX_FIELDS)
  return {
    reason: kind === 'environment' && upstream === undefined ? message : code,
    ...(fields.length > 0 ? { fields } : {}),
    ...(upstream ? { upstream } : {}),
  }
}

/** Of a request that has many faults. */
const MAX_FIELDS = 100

const STATUS: Readonly<Record<AuditOutcome, string>> = {
  started: 'STARTED',
  succeeded: 'SUCCESS',
  unchanged: 'SUCCESS',
  skipped: 'FAILURE',
  refused: 'FAILURE',
  failed: 'FAILURE',
}

const OPERATIONS = {
  'ip-allowlist': 'CREATE',
  'organization-allowlist': 'REPLACE',
} as const satisfies Partial<Record<OperationKind, string>>

function actionOf({ kind, undoes }: ToldOperation): AuditAction {
  if (kind === 'environment') return 'environment_create'
  if (kind === 'ip-allowlist') return 'ip_allowlist_create'
  return undoes === undefined ? 'organization_allowlist_replace' : 'organization_allowlist_undo'
}

/** How an operation ended that threw; an error that nobody expected is not shown. */
export function failedEnd(error: unknown, latencyMs: number | null): ToldEnd {
  const ended = { resultId: null, latencyMs } as const
  if (!(error instanceof Failure)) {
    return { ...ended, outcome: 'failed', details: { reason: 'an unexpected error' } }
  }
  return { ...ended, outcome: REFUSALS.has(error.code) ? 'refused' : 'failed', failure: error }
}

/** A list of networks as the trail shows it: not in clear. */
export function hashedList(networks: readonly string[]): JsonObject {
  return { entryCount: networks.length, hash: hashPayload(networks) }
}
