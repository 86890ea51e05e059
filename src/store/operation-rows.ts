import type { Kysely, Selectable, Transaction } from 'kysely'
import type {
  ArchitectureOperation,
  NewOperation,
  OrganizationChange,
} from '../domain/architecture-operation.ts'
import type { JsonObject } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import { jsonText } from './batch-rows.ts'
import { storableText } from './storable-text.ts'
import type { OperationRow, Tables } from './tables.ts'

/** Writes a new operation in its owner’s hands. */
export function insertOperation(
  transaction: Transaction<Tables>,
  id: string,
  { kind, name, payload, requestedBy, requestId, undoes }: NewOperation,
  lease: Pick<OperationRow, 'owner' | 'started_at' | 'lease_until'>,
): Promise<unknown> {
  const row = {
    id,
    kind,
    name: storableText(name),
    payload: jsonText(payload),
    requested_by: requestedBy,
    request_id: requestId,
    undoes: undoes ?? null,
    state: 'started' as const,
    result_id: null,
    finished_at: null,
    abandoned_at: null,
    ...lease,
  }
  return transaction.insertInto('architecture_operations').values(row).execute()
}

/** The newest change that is neither taken back nor an undo itself. */
export function newestUndoable(db: Kysely<Tables>) {
  return db
    .selectFrom('architecture_operations as change')
    .selectAll()
    .where('change.kind', '=', 'organization-allowlist')
    .where('change.state', '=', 'succeeded')
    .where('change.undoes', 'is', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('architecture_operations as undo')
            .select('undo.id')
            .whereRef('undo.undoes', '=', 'change.id')
            .where('undo.state', '=', 'succeeded'),
        ),
      ),
    )
    .orderBy('change.number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Throws `not-found`. */
export async function findRow(db: Kysely<Tables>, id: string): Promise<Selectable<OperationRow>> {
  const row = await db
    .selectFrom('architecture_operations')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new Failure('not-found', `there is no operation ${id}`)
  return row
}

/** The payload of a change, with whether the platform showed what it left; null stays null. */
export function withVisible(payload: string | null, visible: boolean | undefined): string | null {
  if (payload === null || visible === undefined) return payload
  return jsonText({ ...(JSON.parse(payload) as JsonObject), visible })
}

/** Undefined for an operation whose payload is not kept. */
export function changeOf(row: Selectable<OperationRow>): OrganizationChange | undefined {
  if (row.payload === null) return undefined
  const { before, after, visible } = JSON.parse(row.payload) as {
    readonly before: readonly string[]
    readonly after: readonly string[]
    readonly visible?: boolean
  }
  return {
    id: row.id,
    before,
    after,
    requestedBy: row.requested_by,
    finishedAt: row.finished_at ?? row.started_at,
    visible: visible === true,
  }
}

/** The operation as the other rooms know it. */
export function operationOf(row: Selectable<OperationRow>): ArchitectureOperation {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    payload: JSON.parse(row.payload ?? '{}') as JsonObject,
    requestedBy: row.requested_by,
    requestId: row.request_id,
    ...(row.undoes === null ? {} : { undoes: row.undoes }),
    startedAt: row.started_at,
    abandonedAt: row.abandoned_at,
  }
}
