import { randomUUID } from 'node:crypto'
import type { Kysely, Selectable, Transaction } from 'kysely'
import { MAX_OPERATION_LEASE_MS, OPERATION_KINDS } from '../domain/architecture-operation.ts'
import type {
  AbandonedOperation,
  ArchitectureOperation,
  CreatedEnvironment,
  NewOperation,
  OpenOperations,
  OperationAhead,
  OperationEnd,
  OperationKind,
  OperationLease,
  OperationStore,
  OrganizationChange,
  RecordedEnd,
} from '../domain/architecture-operation.ts'
import type { NewAuditEntry } from '../domain/audit.ts'
import type { AuditedWrites } from './audited-writes.ts'
import type { Database } from './database.ts'
import type { DatabaseKind } from './dialect.ts'
import {
  changeOf,
  findRow,
  insertOperation,
  newestUndoable,
  operationOf,
  withVisible,
} from './operation-rows.ts'
import type { OrganizationBinding } from './organization-binding.ts'
import { sharedTime } from './shared-time.ts'
import type { OperationRow, Tables } from './tables.ts'

/** Of these one is under way at a time, on all instances together. */
const EXCLUSIVE: ReadonlySet<OperationKind> = new Set(['environment', 'organization-allowlist'])
/** Of the time since an operation was left behind: how long it waits for the next look. */
const NEXT_LOOK_AFTER = 1 / 4
/** Nobody creates so many within the minutes that are asked for. */
const MAX_ENVIRONMENTS_SINCE = 1_000
/** Changes of one list, made one after the other. */
const MAX_CHANGES_SINCE = 100

export type OperationsOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  readonly organization: OrganizationBinding
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * Operations on networks and environments in the database. Each call is one transaction; what one
 * instance sets and another judges by is by the clock that all share.
 */
export class Operations implements OperationStore {
  readonly #options: OperationsOptions

  constructor(options: OperationsOptions) {
    this.#options = options
  }

  ahead(kind: OperationKind): Promise<OperationAhead | undefined> {
    return this.#options.database.read((db) => findAhead(db, kind))
  }

  open(): Promise<OpenOperations> {
    return this.#options.database.read(async (db) => {
      const now = await this.#sharedNow(db)
      const rows = await db
        .selectFrom('architecture_operations')
        .select(({ fn }) => [
          'kind',
          fn.countAll<number>().as('count'),
          fn.min('started_at').as('oldest'),
        ])
        .where('state', '=', 'started')
        .groupBy('kind')
        .execute()
      const all = OPERATION_KINDS.map((kind) => {
        const row = rows.find((each) => each.kind === kind)
        const { count, oldest } = row ?? { count: 0, oldest: now }
        return [kind, { count, oldestMs: Math.max(0, now - oldest) }]
      })
      return Object.fromEntries(all) as OpenOperations
    })
  }

  begin(
    operation: NewOperation,
    { owner, leaseMs }: OperationLease,
    audit: (id: string) => readonly NewAuditEntry[],
  ): Promise<ArchitectureOperation | undefined> {
    const { database, writes } = this.#options
    const id = randomUUID()
    return writes.write(async (transaction, append) => {
      await database.dialect.lock(transaction, 'operations')
      if ((await findAhead(transaction, operation.kind)) !== undefined) return undefined
      const startedAt = await this.#sharedNow(transaction)
      await insertOperation(transaction, id, operation, {
        owner,
        started_at: startedAt,
        lease_until: startedAt + leaseMs,
      })
      await append(audit(id))
      return { ...operation, id, startedAt, abandonedAt: null }
    })
  }

  async renew(ids: readonly string[], { owner, leaseMs }: OperationLease): Promise<void> {
    if (ids.length === 0) return
    await this.#options.database.write(async (transaction) =>
      transaction
        .updateTable('architecture_operations')
        .set({ lease_until: (await this.#sharedNow(transaction)) + leaseMs })
        .where('id', 'in', [...ids])
        .where('owner', '=', owner)
        .where('state', '=', 'started')
        .execute(),
    )
  }

  end(
    id: string,
    end: OperationEnd,
    audit: readonly NewAuditEntry[],
    claimed?: RecordedEnd,
  ): Promise<boolean> {
    const { database, writes } = this.#options
    return writes.write(async (transaction, append) => {
      await database.dialect.lock(transaction, 'operations')
      const row = await findRow(transaction, id)
      const taken = claimed !== undefined && (await isClaimed(transaction, row, end.resultId))
      const recorded = taken ? claimed : { end, audit }
      const { state, resultId } = recorded.end
      const ended = row.state !== 'started'
      // Whoever looked in vain did not know better than who did it.
      if (ended && !(row.state === 'interrupted' && state === 'succeeded')) return false
      const undoable = row.kind === 'organization-allowlist' && state !== 'failed'
      await transaction
        .updateTable('architecture_operations')
        .set({
          state,
          result_id: resultId,
          finished_at: await this.#sharedNow(transaction),
          payload: undoable ? withVisible(row.payload, recorded.end.visible) : null,
        })
        .where('id', '=', id)
        .execute()
      await append(recorded.audit)
      return true
    })
  }

  claimAbandoned({ owner, leaseMs }: OperationLease): Promise<AbandonedOperation | undefined> {
    const { database, writes, organization } = this.#options
    return writes.write(async (transaction) => {
      // Another organisation’s platform would say that nothing was done.
      if (!(await organization.mayClaim(transaction))) return undefined
      await database.dialect.lock(transaction, 'operations')
      const now = await this.#sharedNow(transaction)
      const row = await transaction
        .selectFrom('architecture_operations')
        .selectAll()
        .where('state', '=', 'started')
        .where((is) =>
          is.or([
            is('lease_until', '<=', now),
            is('lease_until', '>', now + MAX_OPERATION_LEASE_MS),
          ]),
        )
        // One that cannot be settled must not keep the later ones from it.
        .orderBy('lease_until')
        .orderBy('number')
        .limit(1)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const abandonedAt = Math.min(row.abandoned_at ?? row.lease_until, now)
      const abandonedMs = now - abandonedAt
      const pauseMs = Math.min(abandonedMs * NEXT_LOOK_AFTER, MAX_OPERATION_LEASE_MS)
      const leaseUntil = now + Math.max(leaseMs, Math.ceil(pauseMs))
      const taken = { owner, abandoned_at: abandonedAt, lease_until: leaseUntil }
      await transaction
        .updateTable('architecture_operations')
        .set(taken)
        .where('id', '=', row.id)
        .execute()
      return { ...operationOf({ ...row, ...taken }), abandonedMs }
    })
  }

  async environmentsSince(time: number): Promise<readonly CreatedEnvironment[]> {
    const { database, now } = this.#options
    const rows = await database.read(async (db) =>
      db
        .selectFrom('architecture_operations')
        .select(['result_id', 'name'])
        .where('kind', '=', 'environment')
        .where('state', '=', 'succeeded')
        .where('finished_at', '>=', await sharedTime(db, database.dialect, time, now()))
        .limit(MAX_ENVIRONMENTS_SINCE)
        .execute(),
    )
    return rows.flatMap(({ result_id: id, name }) => (id === null ? [] : [{ id, name }]))
  }

  markVisible(changeId: string): Promise<void> {
    return this.#options.database.write(async (transaction) => {
      const { payload } = await findRow(transaction, changeId)
      await transaction
        .updateTable('architecture_operations')
        .set({ payload: withVisible(payload, true) })
        .where('id', '=', changeId)
        .execute()
    })
  }

  async undoable(): Promise<OrganizationChange | undefined> {
    const row = await this.#options.database.read(newestUndoable)
    return row && changeOf(row)
  }

  async organizationChangesSince(time: number): Promise<readonly OrganizationChange[]> {
    const { database, now } = this.#options
    const rows = await database.read(async (db) =>
      db
        .selectFrom('architecture_operations')
        .selectAll()
        .where('kind', '=', 'organization-allowlist')
        .where('state', '=', 'succeeded')
        .where('finished_at', '>=', await sharedTime(db, database.dialect, time, now()))
        .orderBy('number', 'desc')
        .limit(MAX_CHANGES_SINCE)
        .execute(),
    )
    return rows.flatMap((row) => changeOf(row) ?? [])
  }

  #sharedNow(transaction: Transaction<Tables>): Promise<number> {
    const { database, now } = this.#options
    return database.dialect.sharedNow(transaction, now())
  }
}

/** A SQLite file has one service at a time: what is under way at its start was left behind. */
export async function abandonOperations(
  db: Kysely<Tables>,
  kind: DatabaseKind,
  now: number,
): Promise<void> {
  if (kind !== 'sqlite') return
  await db
    .updateTable('architecture_operations')
    .set({ lease_until: now })
    .where('state', '=', 'started')
    .where('lease_until', '>', now)
    .execute()
}

/** Whether another operation made what this one is said to have made. */
async function isClaimed(
  db: Kysely<Tables>,
  { id, kind }: Selectable<OperationRow>,
  resultId: string | null,
): Promise<boolean> {
  if (resultId === null) return false
  const other = await db
    .selectFrom('architecture_operations')
    .select('id')
    .where('kind', '=', kind)
    .where('result_id', '=', resultId)
    .where('state', '=', 'succeeded')
    .where('id', '!=', id)
    .limit(1)
    .executeTakeFirst()
  return other !== undefined
}

async function findAhead(
  db: Kysely<Tables>,
  kind: OperationKind,
): Promise<OperationAhead | undefined> {
  if (!EXCLUSIVE.has(kind)) return undefined
  return await db
    .selectFrom('architecture_operations')
    .select(['id', 'started_at as startedAt'])
    .where('state', '=', 'started')
    .where('kind', '=', kind)
    .limit(1)
    .executeTakeFirst()
}
