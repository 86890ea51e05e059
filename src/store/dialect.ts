import { sql } from 'kysely'
import type { Dialect, SelectQueryBuilder, Transaction } from 'kysely'
import type { Secret } from '../domain/secret.ts'
import type { Logger } from '../observability/logger.ts'
import { createPostgresDialect } from './postgres-dialect.ts'
import { SqliteThreadDialect } from './sqlite-driver.ts'
import { SqliteLink } from './sqlite-link.ts'
import type { Tables } from './tables.ts'

export type DatabaseKind = 'sqlite' | 'postgres'

export type DatabaseLocation =
  | {
      readonly kind: 'sqlite'
      readonly path: string
      /** Largest size in pages of 4 KiB; for tests of a full disk. */
      readonly maxPages?: number
    }
  | { readonly kind: 'postgres'; readonly url: Secret }

/** What transactions of several processes must not do at once, by the key of its lock. */
const LOCKS = {
  migrations: 7_301,
  queue: 7_302,
  retention: 7_303,
  operations: 7_304,
  deliveries: 7_305,
} as const

/** Where the two databases differ; migrations apart, everything else is the same code. */
export type StoreDialect = {
  readonly kind: DatabaseKind
  readonly dialect: Dialect
  /** Held until the transaction ends. */
  lock(transaction: Transaction<Tables>, name: keyof typeof LOCKS): Promise<void>
  /**
   * The time (epoch ms) by the one clock that all instances share, for what one of them sets and
   * others judge by: the server's. A file is one host's, so there it is the process's own.
   */
  sharedNow(transaction: Transaction<Tables>, processNow: number): Promise<number>
  /** Rows that nobody else changes until the transaction ends. */
  forUpdate<DB, TB extends keyof DB, O>(
    query: SelectQueryBuilder<DB, TB, O>,
  ): SelectQueryBuilder<DB, TB, O>
}

/** Connects to nothing yet. Throws `invalid` for a location that cannot be one. */
export function createDialect(location: DatabaseLocation, logger: Logger): StoreDialect {
  if (location.kind === 'postgres') {
    return {
      kind: 'postgres',
      dialect: createPostgresDialect(location.url, logger),
      async lock(transaction, name) {
        await sql`select pg_advisory_xact_lock(${sql.lit(LOCKS[name])})`.execute(transaction)
      },
      async sharedNow(transaction) {
        const { rows } = await sql<{ now: number }>`
          select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(transaction)
        return rows[0]?.now ?? Number.NaN
      },
      forUpdate: (query) => query.forUpdate(),
    }
  }
  const link = new SqliteLink({
    path: location.path,
    maxPages: location.maxPages,
    onThread: (state) => {
      if (state === 'crashed')
        logger.error('the database thread died; the next call starts another')
    },
  })
  return {
    kind: 'sqlite',
    dialect: new SqliteThreadDialect(link),
    // A writing transaction has the whole database to itself from its first moment.
    lock: () => Promise.resolve(),
    sharedNow: (_transaction, processNow) => Promise.resolve(processNow),
    forUpdate: (query) => query,
  }
}
