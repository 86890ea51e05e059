import type { Kysely, Transaction } from 'kysely'
import type { StoreDialect } from './dialect.ts'
import type { AuditCheckpointRow, AuditHeadRow, Tables } from './tables.ts'

const HEAD_ID = 1

export async function readHead(db: Kysely<Tables>): Promise<AuditHeadRow> {
  return db.selectFrom('audit_head').selectAll().where('id', '=', HEAD_ID).executeTakeFirstOrThrow()
}

/** From here on every other append waits for this transaction. */
export async function lockHead(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
): Promise<AuditHeadRow> {
  const query = transaction.selectFrom('audit_head').selectAll().where('id', '=', HEAD_ID)
  return dialect.forUpdate(query).executeTakeFirstOrThrow()
}

export async function moveHead(
  transaction: Transaction<Tables>,
  { count, hash, time }: Omit<AuditHeadRow, 'id'>,
): Promise<void> {
  await transaction
    .updateTable('audit_head')
    .set({ count, hash, time })
    .where('id', '=', HEAD_ID)
    .execute()
}

/** Undefined for an entry that is not there, for whichever reason. */
export async function hashAt(db: Kysely<Tables>, sequence: number): Promise<string | undefined> {
  const entry = await db
    .selectFrom('audit_entries')
    .select('hash')
    .where('sequence', '=', sequence)
    .executeTakeFirst()
  return entry?.hash
}

/** The one that the chain begins after. */
export async function lastCheckpoint(db: Kysely<Tables>): Promise<AuditCheckpointRow | undefined> {
  return db
    .selectFrom('audit_checkpoints')
    .selectAll()
    .orderBy('through', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Whether a checkpoint is still as it was: they are added, never changed or removed. */
export async function hasCheckpoint(
  db: Kysely<Tables>,
  { through, hash }: Pick<AuditCheckpointRow, 'through' | 'hash'>,
): Promise<boolean> {
  const found = await db
    .selectFrom('audit_checkpoints')
    .select('through')
    .where('through', '=', through)
    .where('hash', '=', hash)
    .executeTakeFirst()
  return found !== undefined
}
