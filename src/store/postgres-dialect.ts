import { PostgresAdapter, PostgresDialect } from 'kysely'
import { Pool, TypeOverrides, types } from 'pg'
import { Failure } from '../domain/failure.ts'
import type { Secret } from '../domain/secret.ts'
import type { Logger } from '../observability/logger.ts'

/** Few: every write waits for the one head of the audit trail anyway. */
const MAX_CONNECTIONS = 6
const CONNECT_TIMEOUT_MS = 5_000
/** The server gives up first, so that a connection is in a known state again. */
const LOCK_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 20_000
const ANSWER_TIMEOUT_MS = 30_000
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000

/**
 * A pool over `pg`. Connections are made when needed, so a server that went away is found again by
 * the next call. Throws `invalid` when the URL cannot be one; no message holds any of it.
 */
export function createPostgresDialect(url: Secret, logger: Logger): PostgresDialect {
  if (!URL.canParse(url.reveal())) throw new Failure('invalid', 'DATABASE_URL is not a URL')
  // Counts, times and positions stay far below 2^53, so they may be numbers.
  const parsers = new TypeOverrides()
  parsers.setTypeParser(types.builtins.INT8, Number)
  const pool = new Pool({
    connectionString: url.reveal(),
    application_name: 'genesys-permission-check',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: parsers,
  })
  // Without a listener the end of an idle connection would be the end of the process; the pool
  // forgets its own listener while a connection is in use.
  const onError = (error: Error): void => logger.warn({ err: error }, 'a database connection ended')
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return new LockedElsewhereDialect({ pool })
}

/** Migrations run in a transaction that holds a lock already: see `migrate.ts`. */
class LockedElsewhereDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new LockedElsewhereAdapter()
  }
}

class LockedElsewhereAdapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {
    // A lock of the session would outlive a failed transaction.
  }

  override async releaseMigrationLock(): Promise<void> {
    // The lock ends with the transaction.
  }
}
