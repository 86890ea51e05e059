import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Migration } from 'kysely/migration'
import { Failure } from '../domain/failure.ts'
import type { DatabaseKind, StoreDialect } from './dialect.ts'
import { auditRoleChangesReports } from './migrations/0001-audit-role-changes-reports.ts'
import { originsAndWriteIds } from './migrations/0002-origins-and-write-ids.ts'
import { reportPieces } from './migrations/0003-report-pieces.ts'
import { operationsDeliveries } from './migrations/0004-operations-deliveries.ts'
import type { Tables } from './tables.ts'

/** Every migration there is, by name; names sort in the order of their application. */
function migrations(kind: DatabaseKind): Record<string, Migration> {
  return {
    '0001-audit-role-changes-reports': auditRoleChangesReports(kind),
    '0002-origins-and-write-ids': originsAndWriteIds(),
    '0003-report-pieces': reportPieces(),
    '0004-operations-deliveries': operationsDeliveries(kind),
  }
}

/**
 * Brings the database to this code's version, all of it or nothing, under a lock: of processes that
 * start at once one migrates and the others find it done. Throws `store-unavailable` when the
 * database is newer than the code, and changes nothing then.
 */
export async function migrate(db: Kysely<Tables>, dialect: StoreDialect): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await dialect.lock(transaction, 'migrations')
    const known = migrations(dialect.kind)
    await refuseNewer(transaction, Object.keys(known))
    const migrator = new Migrator({
      db: transaction,
      provider: { getMigrations: async () => known },
    })
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
  })
}

async function refuseNewer(db: Kysely<Tables>, known: readonly string[]): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  const unknown = rows.map(({ name }) => name).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new Failure(
    'store-unavailable',
    `the database is newer than this service: it has the migration ${unknown.sort().at(-1)}`,
  )
}
