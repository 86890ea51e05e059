import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { DatabaseKind } from '../dialect.ts'
import { numbered } from './numbered.ts'

/** A migration sees tables as they were in its time, so it knows none of today's types. */
type Untyped = Kysely<unknown>

export function operationsDeliveries(kind: DatabaseKind): Migration {
  return {
    async up(db: Untyped) {
      await createOperations(db, kind)
      await createDeliveries(db, kind)
    },
  }
}

async function createOperations(db: Untyped, kind: DatabaseKind): Promise<void> {
  await numbered(db.schema.createTable('architecture_operations'), kind)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('payload', 'text')
    .addColumn('requested_by', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('undoes', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('result_id', 'text')
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('lease_until', 'bigint', (column) => column.notNull())
    .addColumn('abandoned_at', 'bigint')
    .execute()
  await db.schema
    .createIndex('architecture_operations_by_state')
    .on('architecture_operations')
    .columns(['state', 'kind', 'number'])
    .execute()
}

async function createDeliveries(db: Untyped, kind: DatabaseKind): Promise<void> {
  await numbered(db.schema.createTable('deliveries'), kind)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('target', 'text', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('due_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('last_attempt_at', 'bigint')
    .addColumn('finished_at', 'bigint')
    .addColumn('error', 'text')
    .addColumn('fence', 'bigint', (column) => column.notNull())
    .addColumn('lease_until', 'bigint')
    .execute()
  const indexes = {
    by_state: ['state', 'target', 'due_at'],
    by_subject: ['target', 'subject', 'state', 'number'],
  }
  for (const [name, columns] of Object.entries(indexes)) {
    await db.schema.createIndex(`deliveries_${name}`).on('deliveries').columns(columns).execute()
  }
}
