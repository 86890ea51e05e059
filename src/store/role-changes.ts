import type { Transaction } from 'kysely'
import type { NewAuditEntry } from '../domain/audit.ts'
import type { BatchState, GrantDelta, ItemState, RoleChangeBatch } from '../domain/role-change.ts'
import type {
  BatchPage,
  Claim,
  ItemPage,
  NewBatch,
  RecordStep,
  RoleChangeStore,
  Sunset,
  WrittenGrants,
} from '../domain/role-change-store.ts'
import { acceptBatch, findAccepted } from './accept-batch.ts'
import type { Accepted } from './accept-batch.ts'
import type { Append, AuditedWrites } from './audited-writes.ts'
import { claimBatch, releaseClaim, renewClaim } from './batch-claims.ts'
import { requestStop, resumeBatch, rollbackBatch } from './batch-commands.ts'
import type { BatchCommand } from './batch-commands.ts'
import type { Database } from './database.ts'
import { findBatch, listBatches, listItems } from './find-batch.ts'
import { recordStep } from './record-step.ts'
import { dueSunsets, pendingSunsets } from './sunsets.ts'
import type { Tables } from './tables.ts'

export type RoleChangesOptions = {
  readonly database: Database
  readonly writes: AuditedWrites
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Batches in the database. Each operation is one transaction. */
export class RoleChanges implements RoleChangeStore {
  readonly #options: RoleChangesOptions

  constructor(options: RoleChangesOptions) {
    this.#options = options
  }

  accept(batch: NewBatch, audit: (id: string) => readonly NewAuditEntry[]): Promise<Accepted> {
    const { now } = this.#options
    return this.#queueing((transaction, append) =>
      acceptBatch(transaction, batch, audit, append, now()),
    )
  }

  findAccepted(
    requestedBy: string,
    idempotency: { readonly key: string; readonly bodyHash: string },
  ): Promise<RoleChangeBatch | undefined> {
    return this.#options.database.read((db) => findAccepted(db, requestedBy, idempotency))
  }

  find(id: string): Promise<RoleChangeBatch> {
    return this.#options.database.read((db) => findBatch(db, id))
  }

  list(page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: BatchState | undefined
    readonly userId?: string | undefined
  }): Promise<BatchPage> {
    return this.#options.database.read((db) => listBatches(db, page))
  }

  items(
    id: string,
    page: {
      readonly limit: number
      readonly after?: number | undefined
      readonly state?: ItemState | undefined
    },
  ): Promise<ItemPage> {
    return this.#options.database.read((db) => listItems(db, id, page))
  }

  claim(owner: string, leaseMs: number, maxUsers?: number): Promise<Claim | undefined> {
    const { database, now } = this.#options
    return this.#queueing((transaction) =>
      claimBatch(transaction, database.dialect, { owner, leaseMs, maxUsers, now: now() }),
    )
  }

  renew(claim: Claim, leaseMs: number): Promise<boolean> {
    const { database, now } = this.#options
    return database.write((transaction) => renewClaim(transaction, claim, now() + leaseMs))
  }

  release(claim: Claim): Promise<void> {
    return this.#options.database.write((transaction) => releaseClaim(transaction, claim))
  }

  record(claim: Claim, step: RecordStep): Promise<{ readonly stopRequested: boolean }> {
    const { database, writes, now } = this.#options
    return writes.write((transaction, append) =>
      recordStep(transaction, database.dialect, claim, step, append, now()),
    )
  }

  requestStop(id: string, audit: readonly NewAuditEntry[]): Promise<RoleChangeBatch> {
    return this.#command(id, audit, requestStop)
  }

  resume(id: string, audit: readonly NewAuditEntry[]): Promise<RoleChangeBatch> {
    return this.#command(id, audit, resumeBatch)
  }

  rollback(
    id: string,
    options: { readonly force: boolean },
    audit: readonly NewAuditEntry[],
  ): Promise<RoleChangeBatch> {
    return this.#command(id, audit, (command) => rollbackBatch(command, options))
  }

  async writtenSince(time: number): Promise<readonly WrittenGrants[]> {
    const rows = await this.#options.database.read((db) =>
      db
        .selectFrom('role_change_writes')
        .selectAll()
        .where('written_at', '>=', time)
        .orderBy('written_at')
        .orderBy('number')
        .execute(),
    )
    return rows.map(({ user_id: userId, delta, written_at: writtenAt }) => ({
      ...(JSON.parse(delta) as GrantDelta),
      userId,
      writtenAt,
    }))
  }

  dueSunsets(now: number, limit: number): Promise<readonly Sunset[]> {
    return this.#options.database.read((db) => dueSunsets(db, now, limit))
  }

  pendingSunsets(filter: {
    readonly userId?: string | undefined
    readonly limit: number
  }): Promise<readonly Sunset[]> {
    return this.#options.database.read((db) => pendingSunsets(db, filter))
  }

  #command(
    id: string,
    audit: readonly NewAuditEntry[],
    perform: (command: BatchCommand) => Promise<RoleChangeBatch>,
  ): Promise<RoleChangeBatch> {
    const { database, now } = this.#options
    const { dialect } = database
    return this.#queueing((transaction, append) =>
      perform({ transaction, dialect, id, audit, append, now: now() }),
    )
  }

  /** What changes or chooses from the queue does so alone. */
  #queueing<T>(work: (transaction: Transaction<Tables>, append: Append) => Promise<T>): Promise<T> {
    const { database, writes } = this.#options
    return writes.write(async (transaction, append) => {
      await database.dialect.lock(transaction, 'queue')
      return work(transaction, append)
    })
  }
}
