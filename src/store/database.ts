import { setTimeout as delay } from 'node:timers/promises'
import { Kysely } from 'kysely'
import type { Transaction } from 'kysely'
import { Failure } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import type { StoreDialect } from './dialect.ts'
import { migrate } from './migrate.ts'
import type { Tables } from './tables.ts'

/** How long a call waits for a database that is not open yet. */
const OPEN_WAIT_MS = 5_000
const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 30_000
/** How long disposal waits for what is under way. */
const DRAIN_MS = 5_000

/** `connecting`: never opened yet. `unavailable`: what was tried last did not work. */
export type StoreState = 'connecting' | 'ready' | 'unavailable' | 'closed'

export type DatabaseOptions = {
  readonly dialect: StoreDialect
  readonly logger: Logger
  readonly onState: (state: StoreState) => void
  /** Milliseconds, in the place of {@link OPEN_WAIT_MS}; for tests. */
  readonly openWaitMs?: number | undefined
}

export type Work<T> = (transaction: Transaction<Tables>) => Promise<T>

/**
 * The connection to whichever database. It opens in the background, migrating first, and tries
 * again with growing pauses until it is disposed. All work is a transaction, so that a connection
 * that broke in the middle is never used again. What fails for a reason that is no `Failure` throws
 * `store-unavailable`.
 */
export class Database implements AsyncDisposable {
  readonly #options: DatabaseOptions
  readonly #kysely: Kysely<Tables>
  readonly #opened = Promise.withResolvers<void>()
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #opening: Promise<void> | undefined
  #lastFailure: Failure | undefined
  #state: StoreState = 'connecting'

  constructor(options: DatabaseOptions) {
    this.#options = options
    this.#kysely = new Kysely<Tables>({ dialect: options.dialect.dialect })
    // Nobody may be waiting when it is closed before it was opened.
    this.#opened.promise.catch(() => undefined)
  }

  get state(): StoreState {
    return this.#state
  }

  get dialect(): StoreDialect {
    return this.#options.dialect
  }

  /** Begins to open. `prepare` runs once the schema is there, before anybody else is let in. */
  open(prepare: (kysely: Kysely<Tables>) => Promise<void>): void {
    this.#opening ??= this.#open(prepare)
  }

  read<T>(work: Work<T>): Promise<T> {
    return this.#run(() => this.#kysely.transaction().setAccessMode('read only').execute(work))
  }

  write<T>(work: Work<T>): Promise<T> {
    return this.#run(() => this.#kysely.transaction().execute(work))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#enter('closed')
    this.#closing.abort()
    this.#opened.reject(closedFailure())
    await this.#opening
    const drained = new AbortController()
    const bound = delay(DRAIN_MS, undefined, { signal: drained.signal, ref: false })
    await Promise.race([Promise.allSettled(this.#running), bound])
    drained.abort()
    await bound.catch(() => undefined)
    await this.#kysely.destroy()
  }

  async #open(prepare: (kysely: Kysely<Tables>) => Promise<void>): Promise<void> {
    const { dialect, logger } = this.#options
    const { signal } = this.#closing
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs *= 2) {
      try {
        await migrate(this.#kysely, dialect)
        await prepare(this.#kysely)
        this.#enter('ready')
        this.#opened.resolve()
        return
      } catch (error) {
        this.#lastFailure = storeFailure(error)
        this.#enter('unavailable')
        const retryMs = Math.min(pauseMs, MAX_PAUSE_MS)
        logger.error({ err: this.#lastFailure, retryMs }, 'the database could not be opened')
        await delay(retryMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    await this.#whenOpen()
    // What begins from here on is waited for by disposal.
    if (this.#closing.signal.aborted) throw closedFailure()
    const running = work()
    this.#running.add(running)
    try {
      const result = await running
      this.#enter('ready')
      return result
    } catch (error) {
      const failure = storeFailure(error)
      if (failure !== error) {
        this.#enter('unavailable')
        this.#options.logger.error({ err: failure }, 'the database failed')
      }
      throw failure
    } finally {
      this.#running.delete(running)
    }
  }

  async #whenOpen(): Promise<void> {
    if (this.#closing.signal.aborted) throw closedFailure()
    const waited = new AbortController()
    const { openWaitMs = OPEN_WAIT_MS } = this.#options
    const late = delay(openWaitMs, 'late' as const, { signal: waited.signal }).catch(
      () => undefined,
    )
    try {
      if ((await Promise.race([this.#opened.promise, late])) !== 'late') return
    } finally {
      waited.abort()
    }
    throw this.#lastFailure ?? new Failure('store-unavailable', 'the database is not open yet')
  }

  #enter(state: StoreState): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.#options.onState(state)
  }
}

function closedFailure(): Failure {
  return new Failure('store-unavailable', 'the service is stopping')
}

/** A driver's message stays in the cause: it may tell of hosts, never of passwords. */
function storeFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const message = 'the database cannot be reached or written: nothing was recorded'
  return new Failure('store-unavailable', message, { cause: error, retryAfterSeconds: 5 })
}
