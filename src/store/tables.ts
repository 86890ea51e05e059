import type { GeneratedAlways } from 'kysely'
import type { OperationKind, OperationState } from '../domain/architecture-operation.ts'
import type { AuditAction, AuditOutcome } from '../domain/audit.ts'
import type { DeliveryState, EventTarget } from '../domain/delivery.ts'
import type { BatchState, ItemState, ItemStep, OnFailure } from '../domain/role-change.ts'

/**
 * Rows as both databases give them. Times are epoch milliseconds, booleans 0 and 1, structures JSON
 * text: so neither database has a say in what comes back.
 */
export type Tables = {
  store_facts: StoreFactRow
  audit_entries: AuditEntryRow
  audit_head: AuditHeadRow
  audit_checkpoints: AuditCheckpointRow
  role_change_batches: BatchRow
  role_change_items: ItemRow
  role_change_writes: WriteRow
  role_change_sunsets: SunsetRow
  role_change_keys: KeyRow
  reports: ReportRow
  report_pieces: ReportPieceRow
  architecture_operations: OperationRow
  deliveries: DeliveryRow
}

/** What is true of the whole database: `organization` is the one that it belongs to. */
type StoreFactRow = { name: 'organization'; value: string }

/** `before`, `after` and `details` are canonical JSON: exactly the bytes that were hashed. */
export type AuditEntryRow = {
  sequence: number
  time: number
  action: AuditAction
  outcome: AuditOutcome
  actor: string
  request_id: string
  user_id: string | null
  subject_id: string | null
  before: string
  after: string
  details: string
  previous_hash: string
  hash: string
}

/** The one row (`id` 1) that appends are serialised by. */
export type AuditHeadRow = { id: number; count: number; hash: string; time: number }

/** Entries up to `through` were removed by retention; `hash` is that of the last of them. */
export type AuditCheckpointRow = { through: number; hash: string; pruned_at: number }

export type BatchRow = {
  /** Order of acceptance. */
  number: GeneratedAlways<number>
  id: string
  /** Order in which batches are worked on: anew with every resume and rollback. */
  queue_number: number
  state: BatchState
  requested_by: string
  request_id: string
  comment: string
  on_failure: OnFailure
  force: number
  base_revision: number
  stop_requested: number
  force_rollback: number
  created_at: number
  started_at: number | null
  finished_at: number | null
  error: string | null
  /** Rises with every change of hands; what is recorded under an older one is refused. */
  fence: number
  owner: string | null
  /** Null while nobody holds the batch. */
  lease_until: number | null
  /** Who resumed or rolled it back last; null: it runs for who made it. */
  run_by: string | null
  run_request_id: string | null
  /** Who asked last for a stop. */
  stop_by: string | null
  stop_request_id: string | null
}

export type ItemRow = {
  batch_id: string
  position: number
  user_id: string
  intent: string
  state: ItemState
  step: ItemStep
  before: string
  found: string | null
  delta: string | null
  undo: string | null
  visible: number | null
  conflicts: string
  error: string | null
  updated_at: number
}

type WriteRow = {
  number: GeneratedAlways<number>
  user_id: string
  delta: string
  written_at: number
  /** What whoever wrote it calls it; null for rows older than the column. */
  write_id: string | null
}

export type SunsetRow = {
  id: string
  user_id: string
  role_id: string
  division_id: string
  until: number
  /** When it is to be tried next: `until`, later after a failure. */
  due_at: number
  batch_id: string
  requested_by: string
  failures: number
  /** The live batch that carries it out. */
  carried_by: string | null
}

type KeyRow = {
  actor: string
  key: string
  body_hash: string
  batch_id: string
  created_at: number
}

type ReportRow = {
  number: GeneratedAlways<number>
  id: string
  state: 'running' | 'succeeded' | 'failed'
  request: string
  requested_by: string
  request_id: string
  created_at: number
  finished_at: number | null
  error: string | null
  /** How many pieces its content has, and how long they are together; null while there are none. */
  pieces: number | null
  length: number | null
}

/** `number` is from 0. */
type ReportPieceRow = { report_id: string; number: number; content: string }

export type OperationRow = {
  number: GeneratedAlways<number>
  id: string
  kind: OperationKind
  name: string
  /** Null once it is not needed any more: only changes that can be taken back keep it. */
  payload: string | null
  requested_by: string
  request_id: string
  /** The change that it takes back. */
  undoes: string | null
  state: OperationState
  result_id: string | null
  started_at: number
  finished_at: number | null
  owner: string
  lease_until: number
  /** When its lease ran out unnoticed; null while it is not known to be abandoned. */
  abandoned_at: number | null
}

export type DeliveryRow = {
  /** Order of the events. */
  number: GeneratedAlways<number>
  id: string
  target: EventTarget
  event: string
  subject: string
  body: string
  state: DeliveryState
  attempts: number
  created_at: number
  due_at: number
  expires_at: number
  last_attempt_at: number | null
  finished_at: number | null
  error: string | null
  /** Rises with every change of hands. */
  fence: number
  lease_until: number | null
}
