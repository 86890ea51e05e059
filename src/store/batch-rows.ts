import type { Kysely, Selectable } from 'kysely'
import type { Json } from '../domain/audit.ts'
import type { Grant } from '../domain/facts.ts'
import { BATCH_STATES, ITEM_STATES, REST_STATES } from '../domain/role-change.ts'
import type {
  BatchState,
  ChangeError,
  GrantDelta,
  GrantIntent,
  ItemState,
  RoleChangeBatch,
  RoleChangeItem,
} from '../domain/role-change.ts'
import type { RuleConflict } from '../domain/role-rules.ts'
import { storableJson } from './storable-text.ts'
import type { BatchRow, ItemRow, Tables } from './tables.ts'

export type StoredBatch = Selectable<BatchRow>

/** Those that are queued or worked on. */
export const LIVE_STATES = BATCH_STATES.filter((state) => !isAtRest(state))

export function isAtRest(state: BatchState): boolean {
  return REST_STATES.some((each) => each === state)
}

/** JSON text of a structure; what both databases cannot hold is replaced. */
export function jsonText(value: unknown): string {
  return JSON.stringify(storableJson(value as Json))
}

export function nullableJson(value: unknown): string | null {
  return value === null || value === undefined ? null : jsonText(value)
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}

export function itemOf(row: ItemRow): RoleChangeItem {
  return {
    position: row.position,
    userId: row.user_id,
    intent: parsed(row.intent) as GrantIntent,
    state: row.state,
    step: row.step,
    before: parsed(row.before) as readonly Grant[],
    found: parsed(row.found) as readonly Grant[] | null,
    delta: parsed(row.delta) as GrantDelta | null,
    undo: parsed(row.undo) as GrantDelta | null,
    visible: row.visible === null ? null : row.visible === 1,
    conflicts: parsed(row.conflicts) as readonly RuleConflict[],
    error: parsed(row.error) as ChangeError | null,
    updatedAt: row.updated_at,
  }
}

/** The batches of these rows, in their order, with their items counted. */
export async function batchesOf(
  db: Kysely<Tables>,
  rows: readonly StoredBatch[],
): Promise<RoleChangeBatch[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const counted = await db
    .selectFrom('role_change_items')
    .select(['batch_id', 'state'])
    .select(({ fn }) => fn.countAll<number>().as('items'))
    .where('batch_id', 'in', ids)
    .groupBy(['batch_id', 'state'])
    .execute()
  const counts = new Map(ids.map((id) => [id, noItems()]))
  for (const { batch_id: id, state, items } of counted) {
    const ofBatch = counts.get(id)
    if (ofBatch) ofBatch[state] = items
  }
  return rows.map((row) => batchOf(row, counts.get(row.id) ?? noItems()))
}

function noItems(): Record<ItemState, number> {
  return Object.fromEntries(ITEM_STATES.map((state) => [state, 0])) as Record<ItemState, number>
}

function batchOf(row: StoredBatch, counts: Record<ItemState, number>): RoleChangeBatch {
  return {
    id: row.id,
    state: row.state,
    requestedBy: row.requested_by,
    requestId: row.request_id,
    comment: row.comment,
    onFailure: row.on_failure,
    force: row.force === 1,
    baseRevision: row.base_revision,
    stopRequested: row.stop_requested === 1,
    forceRollback: row.force_rollback === 1,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    error: parsed(row.error) as ChangeError | null,
    counts,
  }
}
