import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { DatabaseKind } from '../dialect.ts'
import { numbered } from './numbered.ts'

/** A migration sees tables as they were in its time, so it knows none of today's types. */
type Untyped = Kysely<unknown>

const REFUSAL = 'the audit trail is append-only'

export function auditRoleChangesReports(kind: DatabaseKind): Migration {
  return {
    async up(db: Untyped) {
      await createStoreFacts(db)
      await createAuditTables(db, kind)
      await (kind === 'sqlite' ? guardOnSqlite(db) : guardOnPostgres(db))
      await createBatchTables(db, kind)
      await createSunsetTables(db)
      await createReports(db, kind)
    },
  }
}

async function createStoreFacts(db: Untyped): Promise<void> {
  await db.schema
    .createTable('store_facts')
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute()
}

async function createAuditTables(db: Untyped, kind: DatabaseKind): Promise<void> {
  const { schema } = db
  await schema
    .createTable('audit_entries')
    .addColumn('sequence', kind === 'sqlite' ? 'integer' : 'bigint', (column) =>
      column.primaryKey().notNull(),
    )
    .addColumn('time', 'bigint', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('subject_id', 'text')
    .addColumn('before', 'text', (column) => column.notNull())
    .addColumn('after', 'text', (column) => column.notNull())
    .addColumn('details', 'text', (column) => column.notNull())
    .addColumn('previous_hash', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute()
  for (const column of ['time', 'actor', 'action', 'user_id', 'subject_id']) {
    await schema
      .createIndex(`audit_entries_by_${column}`)
      .on('audit_entries')
      .columns([column, 'sequence'])
      .execute()
  }
  await schema
    .createTable('audit_head')
    .addColumn('id', 'integer', (column) =>
      column
        .primaryKey()
        .notNull()
        .check(sql`id = 1`),
    )
    .addColumn('count', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('time', 'bigint', (column) => column.notNull())
    .execute()
  await sql`insert into audit_head (id, count, hash, time) values (1, 0, ${'0'.repeat(64)}, 0)`.execute(
    db,
  )
  await schema
    .createTable('audit_checkpoints')
    .addColumn('through', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('pruned_at', 'bigint', (column) => column.notNull())
    .execute()
}

type Guard = { readonly on: string; readonly refusedWhen: string }

/**
 * An entry follows on the one before, the head row names an entry, a checkpoint names one that is
 * not the last; nothing is changed, and removed is what stands before a checkpoint alone. On SQLite
 * `insert or replace` deletes without asking a delete trigger: hence the first line on inserts.
 */
const GUARDS: readonly Guard[] = [
  {
    on: 'insert on audit_entries',
    refusedWhen: `exists (select 1 from audit_entries where sequence = new.sequence)
      or (new.sequence > 1 and not exists (select 1 from audit_entries
        where sequence = new.sequence - 1 and hash = new.previous_hash))`,
  },
  { on: 'update on audit_entries', refusedWhen: '1 = 1' },
  {
    on: 'delete on audit_entries',
    refusedWhen: 'old.sequence > (select coalesce(max(through), 0) from audit_checkpoints)',
  },
  { on: 'insert on audit_head', refusedWhen: 'exists (select 1 from audit_head)' },
  {
    on: 'update on audit_head',
    refusedWhen: `new.id <> old.id or new.count < old.count or not exists
      (select 1 from audit_entries where sequence = new.count and hash = new.hash)`,
  },
  { on: 'delete on audit_head', refusedWhen: '1 = 1' },
  {
    on: 'insert on audit_checkpoints',
    refusedWhen: `new.through <= (select coalesce(max(through), 0) from audit_checkpoints)
      or new.through >= (select count from audit_head where id = 1)
      or not exists
        (select 1 from audit_entries where sequence = new.through and hash = new.hash)`,
  },
  { on: 'update on audit_checkpoints', refusedWhen: '1 = 1' },
  { on: 'delete on audit_checkpoints', refusedWhen: '1 = 1' },
]

async function guardOnSqlite(db: Untyped): Promise<void> {
  for (const [index, { on, refusedWhen }] of GUARDS.entries()) {
    await sql`create trigger ${sql.raw(`audit_guard_${index + 1} before ${on} when ${refusedWhen}`)}
      begin select raise(abort, ${sql.lit(REFUSAL)}); end`.execute(db)
  }
}

async function guardOnPostgres(db: Untyped): Promise<void> {
  for (const [index, { on, refusedWhen }] of GUARDS.entries()) {
    const name = sql.raw(`audit_guard_${index + 1}`)
    const row = sql.raw(on.startsWith('delete') ? 'old' : 'new')
    await sql`create function ${name}() returns trigger language plpgsql as $guard$
      begin
        if ${sql.raw(refusedWhen)} then raise exception ${sql.lit(REFUSAL)}; end if;
        return ${row};
      end $guard$`.execute(db)
    await sql`create trigger ${name} before ${sql.raw(on)}
      for each row execute function ${name}()`.execute(db)
  }
  await sql`create function audit_refuse() returns trigger language plpgsql as
    ${sql.lit(`begin raise exception '${REFUSAL}'; end`)}`.execute(db)
  for (const table of ['audit_entries', 'audit_head', 'audit_checkpoints']) {
    await sql`create trigger audit_guard_truncate before truncate on ${sql.table(table)}
      for each statement execute function audit_refuse()`.execute(db)
  }
}

async function createBatchTables(db: Untyped, kind: DatabaseKind): Promise<void> {
  const { schema } = db
  await numbered(schema.createTable('role_change_batches'), kind)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('queue_number', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('requested_by', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('comment', 'text', (column) => column.notNull())
    .addColumn('on_failure', 'text', (column) => column.notNull())
    .addColumn('force', 'integer', (column) => column.notNull())
    .addColumn('base_revision', 'bigint', (column) => column.notNull())
    .addColumn('stop_requested', 'integer', (column) => column.notNull())
    .addColumn('force_rollback', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('finished_at', 'bigint')
    .addColumn('error', 'text')
    .addColumn('fence', 'bigint', (column) => column.notNull())
    .addColumn('owner', 'text')
    .addColumn('lease_until', 'bigint')
    .execute()
  await schema
    .createIndex('role_change_batches_by_state')
    .on('role_change_batches')
    .columns(['state', 'queue_number'])
    .execute()
  await schema
    .createTable('role_change_items')
    .addColumn('batch_id', 'text', (column) =>
      column.notNull().references('role_change_batches.id').onDelete('cascade'),
    )
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('intent', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('step', 'text', (column) => column.notNull())
    .addColumn('before', 'text', (column) => column.notNull())
    .addColumn('found', 'text')
    .addColumn('delta', 'text')
    .addColumn('undo', 'text')
    .addColumn('visible', 'integer')
    .addColumn('conflicts', 'text', (column) => column.notNull())
    .addColumn('error', 'text')
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('role_change_items_key', ['batch_id', 'position'])
    .addUniqueConstraint('role_change_items_user', ['user_id', 'batch_id'])
    .execute()
  await schema
    .createIndex('role_change_items_by_state')
    .on('role_change_items')
    .columns(['batch_id', 'state'])
    .execute()
  await createKeysAndWrites(db, kind)
}

async function createKeysAndWrites(db: Untyped, kind: DatabaseKind): Promise<void> {
  const { schema } = db
  await schema
    .createTable('role_change_keys')
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('body_hash', 'text', (column) => column.notNull())
    .addColumn('batch_id', 'text', (column) =>
      column.notNull().references('role_change_batches.id').onDelete('cascade'),
    )
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('role_change_keys_key', ['actor', 'key'])
    .execute()
  await schema
    .createIndex('role_change_keys_by_batch')
    .on('role_change_keys')
    .column('batch_id')
    .execute()
  await numbered(schema.createTable('role_change_writes'), kind)
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('delta', 'text', (column) => column.notNull())
    .addColumn('written_at', 'bigint', (column) => column.notNull())
    .execute()
  await schema
    .createIndex('role_change_writes_by_time')
    .on('role_change_writes')
    .columns(['written_at', 'number'])
    .execute()
}

async function createSunsetTables(db: Untyped): Promise<void> {
  const { schema } = db
  await schema
    .createTable('role_change_sunsets')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('role_id', 'text', (column) => column.notNull())
    .addColumn('division_id', 'text', (column) => column.notNull())
    .addColumn('until', 'bigint', (column) => column.notNull())
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('batch_id', 'text', (column) => column.notNull())
    .addColumn('requested_by', 'text', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('carried_by', 'text')
    .addUniqueConstraint('role_change_sunsets_grant', ['user_id', 'role_id', 'division_id'])
    .execute()
  for (const column of ['due_at', 'until', 'carried_by', 'batch_id']) {
    await schema
      .createIndex(`role_change_sunsets_by_${column}`)
      .on('role_change_sunsets')
      .column(column)
      .execute()
  }
}

async function createReports(db: Untyped, kind: DatabaseKind): Promise<void> {
  await numbered(db.schema.createTable('reports'), kind)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('request', 'text', (column) => column.notNull())
    .addColumn('requested_by', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('error', 'text')
    .addColumn('content', 'text')
    .execute()
  await db.schema.createIndex('reports_by_state').on('reports').column('state').execute()
}
