import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** A migration sees tables as they were in its time, so it knows none of today's types. */
type Untyped = Kysely<unknown>

/** Who resumed, rolled back or stopped a batch, and names by which writes are told apart. */
export function originsAndWriteIds(): Migration {
  return {
    async up({ schema }: Untyped) {
      for (const column of ['run_by', 'run_request_id', 'stop_by', 'stop_request_id']) {
        await schema.alterTable('role_change_batches').addColumn(column, 'text').execute()
      }
      await schema.alterTable('role_change_writes').addColumn('write_id', 'text').execute()
    },
  }
}
