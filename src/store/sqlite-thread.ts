import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type {
  FromSqliteThread,
  SqliteAnswer,
  SqliteSetup,
  ToSqliteThread,
} from './sqlite-messages.ts'
import { useWriteAheadLog } from './write-ahead-log.ts'

/** How long a statement waits for another process that writes. */
const BUSY_TIMEOUT_MS = 5_000
const MAX_STATEMENTS = 200

type Open = { readonly database: DatabaseSync; readonly statements: Map<string, StatementSync> }

/**
 * The thread that SQLite lives in, since it has no asynchronous calls: one connection, statements in
 * the order in which they come. The file is opened by the first statement, and by later ones as
 * long as it cannot be.
 */
function serve(): void {
  const port = parentPort
  if (port === null) throw new Error('this file is the entry of a worker thread')
  let open: Open | undefined
  const post = (message: FromSqliteThread): void => port.postMessage(message)

  port.on('message', (message: ToSqliteThread) => {
    if (message.type === 'close') {
      open?.database.close()
      port.close()
      return
    }
    const { id, sql } = message
    try {
      open ??= openDatabase(workerData as SqliteSetup)
      post({ type: 'answer', id, answer: run(open, sql, message.parameters) })
    } catch (error) {
      post({ type: 'fault', id, message: error instanceof Error ? error.message : 'not an Error' })
    }
  })
}

function openDatabase({ path, maxPages }: SqliteSetup): Open {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // SQLite gives its side files the mode of the main one: nobody else's to read.
  closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    useWriteAheadLog(database, BUSY_TIMEOUT_MS)
    database.exec('pragma synchronous = full')
    database.exec('pragma foreign_keys = on')
    if (maxPages !== undefined) database.exec(`pragma max_page_count = ${maxPages}`)
  } catch (error) {
    database.close()
    throw error
  }
  return { database, statements: new Map() }
}

function run(open: Open, sql: string, parameters: RunParameters): SqliteAnswer {
  // SQLite ends a transaction by itself when the disk is full; there is nothing left to undo then.
  if (sql === 'rollback' && !open.database.isTransaction) return { rows: [], changes: 0 }
  const statement = prepared(open, sql)
  if (statement.columns().length > 0) return { rows: statement.all(...parameters), changes: 0 }
  return { rows: [], changes: Number(statement.run(...parameters).changes) }
}

type RunParameters = Extract<ToSqliteThread, { type: 'run' }>['parameters']

function prepared({ database, statements }: Open, sql: string): StatementSync {
  const known = statements.get(sql)
  if (known !== undefined) return known
  const statement = database.prepare(sql)
  if (statements.size >= MAX_STATEMENTS) statements.clear()
  statements.set(sql, statement)
  return statement
}

serve()
