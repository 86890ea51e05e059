import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type {
  CompiledQuery,
  DatabaseConnection,
  DatabaseIntrospector,
  Dialect,
  Driver,
  Kysely,
  QueryResult,
  TransactionSettings,
} from 'kysely'
import type { SQLInputValue } from 'node:sqlite'
import type { SqliteLink, SqliteSession } from './sqlite-link.ts'

/** How long a transaction waits for those before it. */
const ACQUIRE_TIMEOUT_MS = 15_000
const MAX_WAITING = 10_000

/** Kysely over the database thread: one connection, one transaction at a time. */
export class SqliteThreadDialect implements Dialect {
  readonly #link: SqliteLink

  constructor(link: SqliteLink) {
    this.#link = link
  }

  createDriver(): Driver {
    return new SqliteThreadDriver(this.#link)
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter()
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db)
  }
}

/** SQLite's schema changes belong to the transaction like all others. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class SqliteThreadDriver implements Driver {
  readonly #link: SqliteLink
  readonly #waiting: (() => void)[] = []
  #taken = false

  constructor(link: SqliteLink) {
    this.#link = link
  }

  async init(): Promise<void> {
    // The thread opens the file with the first statement.
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#take()
    try {
      return new SqliteThreadConnection(this.#link, this.#link.session())
    } catch (error) {
      this.#giveBack()
      throw error
    }
  }

  /** Writers lock at once: a lock that is taken later can be refused in the middle of things. */
  async beginTransaction(
    connection: SqliteThreadConnection,
    { accessMode }: TransactionSettings,
  ): Promise<void> {
    await connection.run(accessMode === 'read only' ? 'begin' : 'begin immediate')
  }

  async commitTransaction(connection: SqliteThreadConnection): Promise<void> {
    await connection.run('commit')
  }

  async rollbackTransaction(connection: SqliteThreadConnection): Promise<void> {
    // When the thread died so did the transaction; the first error is the one to tell.
    await connection.run('rollback').catch(() => undefined)
  }

  async releaseConnection(): Promise<void> {
    this.#giveBack()
  }

  async destroy(): Promise<void> {
    await this.#link[Symbol.asyncDispose]()
  }

  async #take(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true
      return
    }
    if (this.#waiting.length >= MAX_WAITING) throw new Error('too much waits for the database')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    const timer = setTimeout(() => {
      const place = this.#waiting.indexOf(resolve)
      if (place === -1) return
      this.#waiting.splice(place, 1)
      reject(new Error('the database is busy'))
    }, ACQUIRE_TIMEOUT_MS)
    await promise.finally(() => clearTimeout(timer))
  }

  #giveBack(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken = false
    else next()
  }
}

class SqliteThreadConnection implements DatabaseConnection {
  readonly #link: SqliteLink
  readonly #session: SqliteSession

  constructor(link: SqliteLink, session: SqliteSession) {
    this.#link = link
    this.#session = session
  }

  async run(sql: string): Promise<void> {
    await this.#link.run(this.#session, sql, [])
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes } = await this.#link.run(
      this.#session,
      sql,
      parameters as readonly SQLInputValue[],
    )
    return { rows: rows as R[], numAffectedRows: BigInt(changes) }
  }

  // eslint-disable-next-line require-yield -- the interface asks for a generator.
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('results are read in pages here, never streamed')
  }
}
