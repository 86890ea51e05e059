import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Progress } from '../domain/directory.ts'
import { Failure } from '../domain/failure.ts'
import { ARCHITECTURE_TIMEOUTS_MS } from './architecture-calls.ts'
import { reviveFailure } from './thread-messages.ts'
import type { CallKind, FromThread, ThreadCalls, ToThread } from './thread-messages.ts'
import type { OnEvent } from './upstream-event.ts'

export type ThreadLinkOptions = {
  /** The file that runs in the thread and speaks `ToThread` and `FromThread`. */
  readonly entry: URL
  readonly workerData: unknown
  readonly onEvent: OnEvent
  /** Milliseconds; for tests. */
  readonly now?: () => number
  /** In the place of {@link TIMEOUTS_MS}; for tests. */
  readonly timeoutsMs?: Partial<Readonly<Record<CallKind, number>>>
  /** In the place of {@link PATIENCE_MS}; for tests. */
  readonly patienceMs?: Partial<Readonly<Record<CallKind, number>>>
}

export type CallOptions = {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

type Pending = {
  readonly answered: (answer: unknown) => void
  readonly failed: (error: unknown) => void
  readonly onProgress: ((progress: Progress) => void) | undefined
  /** Lets go of timers and signal. */
  readonly ended: () => void
}

/**
 * After so long without an answer the thread is stuck. Calls to the platform end by themselves long
 * before; the rest is room for work of others that they have to wait for.
 */
const TIMEOUTS_MS: Readonly<Record<CallKind, number>> = {
  ...ARCHITECTURE_TIMEOUTS_MS,
  preflight: 10 * 60_000,
  readSubjects: 10 * 60_000,
  readMatrix: 6 * 60 * 60_000,
  readDirectGrants: 15 * 60_000,
  writeGrants: 15 * 60_000,
  merge: 5 * 60_000,
  compare: 5 * 60_000,
  simulate: 15 * 60_000,
  conflicts: 15 * 60_000,
}

/**
 * How long callers of what only looks are kept waiting. They are told `overloaded` then and their
 * call is given up; the thread goes on: it may have a rebuild and writes to the platform in hand.
 */
const PATIENCE_MS: Partial<Readonly<Record<CallKind, number>>> = {
  simulate: 30_000,
  conflicts: 60_000,
}

const MAX_STARTS = 5
const START_WINDOW_MS = 60_000
const CLOSE_TIMEOUT_MS = 2_000
const RETRY_AFTER_SECONDS = 10

/**
 * A worker thread that answers calls. Started by the first call; when it dies its calls are
 * rejected and the next one starts another, a few times a minute at most. One that leaves a call
 * unanswered for too long is ended by force. It keeps the process alive only while calls are
 * pending.
 */
export class ThreadLink implements AsyncDisposable {
  readonly #options: ThreadLinkOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #starts: number[] = []
  #lastId = 0
  #closed = false

  constructor(options: ThreadLinkOptions) {
    this.#options = options
  }

  /**
   * Asks the thread. Rejects with the thread's `Failure`; with the signal's reason when it aborts;
   * with `upstream-broken` when the thread dies or does not answer, and whatever it was doing may be
   * done; with `overloaded` when it has too much else to do for a call that only looks.
   */
  call<Kind extends CallKind>(
    kind: Kind,
    request: ThreadCalls[Kind]['request'],
    options: CallOptions = {},
  ): Promise<ThreadCalls[Kind]['answer']> {
    const { signal, onProgress } = options
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<ThreadCalls[Kind]['answer']>()
    let worker: Worker
    try {
      worker = this.#running()
    } catch (error) {
      return Promise.reject(error)
    }
    const id = ++this.#lastId
    const abort = (): void => {
      this.#post(worker, { type: 'abort', id })
      this.#settle(id, ({ failed }) => failed(signal?.reason))
    }
    const timeoutMs = this.#options.timeoutsMs?.[kind] ?? TIMEOUTS_MS[kind]
    const timer = setTimeout(() => this.#endStuck(worker, kind, timeoutMs), timeoutMs)
    const giveUp = (): void => {
      this.#post(worker, { type: 'abort', id })
      const message = `the thread had no time for ${kind}`
      reject(new Failure('overloaded', message, { retryAfterSeconds: RETRY_AFTER_SECONDS }))
    }
    const patienceMs = this.#options.patienceMs?.[kind] ?? PATIENCE_MS[kind]
    const patience = patienceMs === undefined ? undefined : setTimeout(giveUp, patienceMs)
    const ended = (): void => {
      clearTimeout(timer)
      clearTimeout(patience)
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort, { once: true })
    this.#pending.set(id, {
      // The thread answers a kind with what `ThreadCalls` says of it.
      answered: (answer) => resolve(answer as ThreadCalls[Kind]['answer']),
      failed: reject,
      onProgress,
      ended,
    })
    worker.ref()
    this.#post(worker, { type: 'call', id, kind, request } as ToThread)
    return promise
  }

  /** Rejects what is pending and ends the thread, by force if it does not end by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#rejectAll(new Failure('upstream-busy', 'the service is stopping'))
    const worker = this.#worker
    if (worker === undefined) return
    const exited = once(worker, 'exit')
    this.#post(worker, { type: 'close' })
    const timer = setTimeout(() => void worker.terminate(), CLOSE_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }

  #running(): Worker {
    if (this.#closed) {
      throw new Failure('upstream-busy', 'the service is stopping', { unexecuted: true })
    }
    if (this.#worker !== undefined) return this.#worker
    const now = (this.#options.now ?? Date.now)()
    this.#starts = this.#starts.filter((startedAt) => now - startedAt < START_WINDOW_MS)
    const [first] = this.#starts
    if (first !== undefined && this.#starts.length >= MAX_STARTS) {
      const retryAfterSeconds = Math.max(1, Math.ceil((first + START_WINDOW_MS - now) / 1000))
      const message = 'the thread that reads the platform keeps dying'
      throw new Failure('upstream-busy', message, { retryAfterSeconds, unexecuted: true })
    }
    this.#starts.push(now)
    return this.#start()
  }

  #start(): Worker {
    const { entry, workerData, onEvent } = this.#options
    const worker = new Worker(entry, {
      workerData,
      name: 'genesys',
      // The process's own flags may not fit a thread: with `--eval` none would start.
      execArgv: [],
    })
    this.#worker = worker
    worker.on('message', (message: FromThread) => this.#receive(message))
    worker.on('error', (error: unknown) => this.#lost(worker, kindOf(error)))
    worker.on('messageerror', () => void worker.terminate())
    worker.on('exit', (code) => this.#lost(worker, `exit code ${code}`))
    onEvent({ type: 'thread', state: 'started' })
    return worker
  }

  #endStuck(worker: Worker, kind: CallKind, timeoutMs: number): void {
    this.#lost(worker, `no answer to ${kind} within ${Math.ceil(timeoutMs / 1000)} s`)
    void worker.terminate()
  }

  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (this.#closed) return
    this.#options.onEvent({ type: 'thread', state: 'crashed' })
    const message = `the thread that reads the platform died: ${why}`
    this.#rejectAll(new Failure('upstream-broken', message))
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'event':
        this.#options.onEvent(message.event)
        break
      case 'progress':
        this.#pending.get(message.id)?.onProgress?.(message.progress)
        break
      case 'answer':
        this.#settle(message.id, ({ answered }) => answered(message.answer))
        break
      case 'failure':
        this.#settle(message.id, ({ failed }) => failed(reviveFailure(message.failure)))
    }
  }

  #settle(id: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.ended()
    if (this.#pending.size === 0) this.#worker?.unref()
    settle(pending)
  }

  #rejectAll(failure: Failure): void {
    for (const id of [...this.#pending.keys()]) this.#settle(id, ({ failed }) => failed(failure))
  }

  #post(worker: Worker, message: ToThread): void {
    worker.postMessage(message, [])
  }
}

/** What may be told of a bug in the thread: its kind. Its message could hold anything. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.constructor.name
}
