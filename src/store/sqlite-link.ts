import { once } from 'node:events'
import type { SQLInputValue } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import type {
  FromSqliteThread,
  SqliteAnswer,
  SqliteSetup,
  ToSqliteThread,
} from './sqlite-messages.ts'

/** After so long the thread hangs: on a file system that does not answer, most likely. */
const STATEMENT_TIMEOUT_MS = 60_000
const MAX_STARTS = 5
const START_WINDOW_MS = 60_000
const CLOSE_TIMEOUT_MS = 5_000

export type SqliteLinkOptions = SqliteSetup & {
  /** The thread that runs the statements; for tests. */
  readonly entry?: URL | undefined
  readonly onThread: (state: 'started' | 'crashed') => void
}

type Pending = {
  readonly answered: (answer: SqliteAnswer) => void
  readonly failed: (error: Error) => void
}

/** One life of the thread. Its transactions die with it, so nothing of it may go on in the next. */
export type SqliteSession = { readonly worker: Worker }

/**
 * The thread with the database, started when it is needed, a few times a minute at most. When it
 * dies what is pending is rejected. It keeps the process alive only while statements are pending.
 */
export class SqliteLink implements AsyncDisposable {
  readonly #options: SqliteLinkOptions
  readonly #pending = new Map<number, Pending>()
  #session: SqliteSession | undefined
  #starts: number[] = []
  #lastId = 0
  #closed = false

  constructor(options: SqliteLinkOptions) {
    this.#options = options
  }

  /** The living thread, or a new one. Throws when it has died too often or the link is closed. */
  session(): SqliteSession {
    if (this.#closed) throw new Error('the database is closed')
    if (this.#session !== undefined) return this.#session
    const now = performance.now()
    this.#starts = this.#starts.filter((startedAt) => now - startedAt < START_WINDOW_MS)
    if (this.#starts.length >= MAX_STARTS) throw new Error('the database thread keeps dying')
    this.#starts.push(now)
    return this.#start()
  }

  /** Runs one statement. Rejects with SQLite's message, or when the session has ended. */
  run(
    session: SqliteSession,
    sql: string,
    parameters: readonly SQLInputValue[],
  ): Promise<SqliteAnswer> {
    if (this.#session !== session) return Promise.reject(new Error('the database thread died'))
    const { promise, resolve, reject } = Promise.withResolvers<SqliteAnswer>()
    const id = ++this.#lastId
    const timer = setTimeout(() => {
      this.#lost(session, 'the database thread hung')
      void session.worker.terminate()
    }, STATEMENT_TIMEOUT_MS)
    this.#pending.set(id, { answered: resolve, failed: reject })
    session.worker.ref()
    this.#post(session, { type: 'run', id, sql, parameters })
    return promise.finally(() => clearTimeout(timer))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const session = this.#session
    if (session === undefined) return
    const exited = once(session.worker, 'exit')
    session.worker.ref()
    this.#post(session, { type: 'close' })
    const timer = setTimeout(() => void session.worker.terminate(), CLOSE_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }

  #start(): SqliteSession {
    const { entry, path, maxPages, onThread } = this.#options
    const worker = new Worker(entry ?? threadEntry(), {
      workerData: { path, maxPages } satisfies SqliteSetup,
      name: 'sqlite',
      // Some releases of Node 24 warn that node:sqlite is young, on standard error.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const session = { worker }
    this.#session = session
    worker.on('message', (message: FromSqliteThread) => this.#receive(message))
    worker.on('error', () => this.#lost(session, 'the database thread died'))
    worker.on('messageerror', () => void worker.terminate())
    worker.on('exit', () => this.#lost(session, 'the database thread ended'))
    worker.unref()
    onThread('started')
    return session
  }

  #lost(session: SqliteSession, why: string): void {
    if (this.#session !== session) return
    this.#session = undefined
    for (const [id, { failed }] of this.#pending) {
      this.#pending.delete(id)
      failed(new Error(why))
    }
    if (!this.#closed) this.#options.onThread('crashed')
  }

  #receive(message: FromSqliteThread): void {
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#session?.worker.unref()
    if (message.type === 'answer') pending.answered(message.answer)
    else pending.failed(new Error(message.message))
  }

  #post({ worker }: SqliteSession, message: ToSqliteThread): void {
    worker.postMessage(message, [])
  }
}

/** The thread's file has the ending of this one: compiled or not. */
function threadEntry(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('./sqlite-thread.ts', import.meta.url)
    : new URL('./sqlite-thread.js', import.meta.url)
}
