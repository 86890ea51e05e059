import t from 'tap'
import type { Test } from 'tap'
import { startPostgres } from '../../store/support/postgres-server.ts'
import type { PostgresServer } from '../../store/support/postgres-server.ts'
import { createSqliteDatabase } from '../../store/support/test-database.ts'
import type { TestDatabase } from '../../store/support/test-database.ts'

export type StoreName = 'SQLite' | 'PostgreSQL'

let server: Promise<PostgresServer> | undefined

/** The PostgreSQL server of this file, started when it is first asked for. */
export function postgres(): Promise<PostgresServer> {
  if (server === undefined) {
    const starting = startPostgres()
    server = starting
    t.teardown(async () => (await starting)[Symbol.asyncDispose]())
  }
  return server
}

/** What a service has to be told to use a database. */
export function databaseUrl({ location }: TestDatabase): { readonly DATABASE_URL: string } {
  const url = location.kind === 'sqlite' ? `sqlite:${location.path}` : location.url.reveal()
  return { DATABASE_URL: url }
}

/** Runs a scenario on both kinds of database, side by side, each on an empty one. */
export function onBothStores(
  title: string,
  scenario: (t: Test, database: TestDatabase, store: StoreName) => Promise<void>,
): void {
  t.test(title, { buffered: true }, async (t) => {
    t.jobs = 2
    t.test('SQLite', { buffered: true }, async (t) => {
      await scenario(t, await createSqliteDatabase(t), 'SQLite')
    })
    t.test('PostgreSQL', { buffered: true }, async (t) => {
      await scenario(t, await (await postgres()).createDatabase(t), 'PostgreSQL')
    })
  })
}
