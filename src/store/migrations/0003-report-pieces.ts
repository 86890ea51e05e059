import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** A migration sees tables as they were in its time, so it knows none of today's types. */
type Untyped = Kysely<unknown>

/** What a report says, in pieces, so that a big one is never in hand as a whole. */
export function reportPieces(): Migration {
  return {
    async up(db: Untyped) {
      await db.schema
        .createTable('report_pieces')
        .addColumn('report_id', 'text', (column) =>
          column.notNull().references('reports.id').onDelete('cascade'),
        )
        .addColumn('number', 'integer', (column) => column.notNull())
        .addColumn('content', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('report_pieces_key', ['report_id', 'number'])
        .execute()
      await db.schema.alterTable('reports').addColumn('pieces', 'integer').execute()
      await db.schema.alterTable('reports').addColumn('length', 'bigint').execute()
      await sql`insert into report_pieces (report_id, number, content)
        select id, 0, content from reports where content is not null`.execute(db)
      await sql`update reports set pieces = 1, length = length(content)
        where content is not null`.execute(db)
      await db.schema.alterTable('reports').dropColumn('content').execute()
    },
  }
}
