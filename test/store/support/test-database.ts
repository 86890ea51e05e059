import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { until } from '../../end-to-end/support/until.ts'
import type { DatabaseLocation } from '../../../src/store/dialect.ts'

const SQLITE_BUSY = 5

/** An empty database of a test's own, with a way in that knows nothing of the store. */
export type TestDatabase = {
  readonly location: DatabaseLocation
  /** A folder of the test's own. */
  readonly folder: string
  /** Runs statements on a connection of their own; answers the rows of the last. */
  execute(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>
  /** Removes every trigger, as somebody would who wants to change the trail. */
  dropGuards(): Promise<void>
  /** Lets time pass for leases: a file's are by the process's clock, a server's by its own. */
  passLeaseTime(ms: number, clock: { now: number }): Promise<void>
}

/** What a dead process held is free for the next one, as it is once its leases have run out. */
export async function endBatchLeases(database: TestDatabase): Promise<void> {
  await database.execute(
    'update role_change_batches set lease_until = 0 where lease_until is not null',
  )
}

export type CreateDatabase = (t: Test) => Promise<TestDatabase>

export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Waits for the lock without keeping this thread from anything: a store of this process may hold
 * it, and lets go of it only when this thread answers its own.
 */
export async function executeOnSqlite(
  path: string,
  statements: readonly string[],
): Promise<Record<string, unknown>[]> {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    let rows: Record<string, unknown>[] = []
    for (const sql of statements) {
      const answer = await until('the database is not locked', () => unlessLocked(database, sql))
      rows = answer.rows
    }
    return rows
  } finally {
    database.close()
  }
}

function unlessLocked(
  database: DatabaseSync,
  sql: string,
): { readonly rows: Record<string, unknown>[] } | undefined {
  try {
    return { rows: database.prepare(sql).all() }
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
      return undefined
    throw error
  }
}

export async function createSqliteDatabase(t: Test): Promise<TestDatabase> {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'store.db')
  const execute = (...statements: string[]) => executeOnSqlite(path, statements)
  return {
    location: { kind: 'sqlite', path },
    folder,
    execute,
    async dropGuards() {
      const triggers = await execute(`select name from sqlite_master where type = 'trigger'`)
      await execute(...triggers.map(({ name }) => `drop trigger ${String(name)}`))
    },
    async passLeaseTime(ms, clock) {
      clock.now += ms
    },
  }
}
