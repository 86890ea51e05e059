import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { ChainHead } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import { hasCheckpoint, hashAt, lastCheckpoint, readHead } from './chain-rows.ts'
import { writeDurably } from './durable-file.ts'
import type { AuditHeadRow, Tables } from './tables.ts'

/** Between two writes: one fsync for all entries of this time. */
const WRITE_PAUSE_MS = 200
const RETRY_PAUSE_MS = 5_000

export type WitnessOptions = { readonly path: string; readonly logger: Logger }

/** A point up to which retention removed entries, and the last removed one's hash. */
type Checkpoint = { readonly through: number; readonly hash: string }

/** A head together with what the chain began after when it was noted. */
export type WitnessedHead = ChainHead & {
  /** The last entry's; epoch milliseconds. */
  readonly time: number
  readonly checkpoint: Checkpoint | null
}

/**
 * What was found at the start: `absent` on an empty chain is how every trail begins, on a longer
 * one somebody has taken the file away. `count` is the file's; null when it tells none.
 */
export type WitnessAtStart = {
  readonly state: 'absent' | 'present' | 'disputed'
  readonly count: number | null
}

/**
 * The chain's head as it is kept outside the database, in a file. Whoever cuts off the chain's tail,
 * removes what retention would not, or puts another chain in its place, is found out by it. Once
 * chain and file contradict each other the file is left as it is, for an operator to decide: see
 * `docs/backup.md`.
 */
export class Witness implements AsyncDisposable {
  readonly #options: WitnessOptions
  readonly #closing = new AbortController()
  #head: WitnessedHead | null = null
  #written: WitnessedHead | null = null
  #disputed: string | undefined
  #writing: Promise<void> | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Null as long as no head was ever kept. */
  get head(): WitnessedHead | null {
    return this.#head
  }

  /** Why chain and file contradict each other, when they do. */
  get disputed(): string | undefined {
    return this.#disputed
  }

  /**
   * Reads the file, compares it with a chain that nobody uses yet, and notes that chain's head. A
   * file that cannot be understood is disputed, never overwritten; one that is missing is told of.
   */
  async open(db: Kysely<Tables>): Promise<WitnessAtStart> {
    if (this.#head === null && this.#disputed === undefined) await this.#load()
    const count = this.#head?.count ?? null
    const head = await readHead(db)
    await this.compare(db, head)
    if (this.#disputed !== undefined) return { state: 'disputed', count }
    if (count === null && head.count > 0) {
      const message = 'the audit trail has no witness: whether its end is missing nobody can tell'
      this.#options.logger.warn({ entries: head.count }, message)
    }
    this.advance(head, await lastCheckpoint(db))
    return { state: count === null ? 'absent' : 'present', count }
  }

  /**
   * Compares with what the database says, under the lock of appends or before there are any: a
   * chain that is sound is never behind its witness. Nor is the witnessed entry ever removed, as
   * every instance notes the head before it removes what is older.
   */
  async compare(db: Kysely<Tables>, head: AuditHeadRow): Promise<void> {
    const known = this.#head
    if (known === null || this.#disputed !== undefined) return
    if (head.count < known.count) {
      this.#dispute(`the chain has ${head.count} entries, but had ${known.count} before`)
      return
    }
    if (known.count === 0) return
    const same = head.count === known.count
    const hash = same ? head.hash : await hashAt(db, known.count)
    if (hash === undefined) {
      this.#dispute(`entry ${known.count} was the last of the chain before, and is gone`)
    } else if (hash !== known.hash) {
      this.#dispute(`entry ${known.count} is not the one that was there before`)
    } else if (!same && known.checkpoint && !(await hasCheckpoint(db, known.checkpoint))) {
      this.#dispute(`the checkpoint at ${known.checkpoint.through} is gone or was changed`)
    }
  }

  /** Notes a committed head, and what the chain begins after, and writes them soon. */
  advance({ count, hash, time }: AuditHeadRow, checkpoint: Checkpoint | null | undefined): void {
    if (this.#disputed !== undefined) return
    if (this.#head !== null && count <= this.#head.count) return
    const begins = checkpoint ? { through: checkpoint.through, hash: checkpoint.hash } : null
    this.#head = { count, hash, time, checkpoint: begins }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves once what was noted is in the file. Throws `store-unavailable` when it cannot be. */
  async settle(): Promise<void> {
    try {
      await this.#save()
    } catch (error) {
      const message = "the audit trail's head could not be kept outside the database"
      throw new Failure('store-unavailable', message, { cause: error })
    }
  }

  /** Resolves once the latest head is in the file, or could not be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#writing
  }

  async #load(): Promise<void> {
    const { path } = this.#options
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    const head = parseHead(text)
    if (head === undefined) this.#dispute('the witness file cannot be read')
    else this.#head = this.#written = head
  }

  async #write(): Promise<void> {
    const { logger } = this.#options
    const { signal } = this.#closing
    while (this.#head !== null && this.#head !== this.#written) {
      let pauseMs = WRITE_PAUSE_MS
      try {
        await this.#save()
      } catch (error) {
        logger.error(
          { err: error },
          "the audit trail's head could not be kept outside the database",
        )
        if (signal.aborted) return
        pauseMs = RETRY_PAUSE_MS
      }
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** One after the other: an older head never takes the place of a newer one. */
  #save(): Promise<void> {
    const before = this.#saving
    this.#saving = this.#saveAfter(before)
    return this.#saving
  }

  async #saveAfter(before: Promise<void>): Promise<void> {
    await before.catch(() => undefined)
    const head = this.#head
    if (head === null || head === this.#written) return
    await writeDurably(this.#options.path, textOf(head))
    this.#written = head
  }

  #dispute(reason: string): void {
    this.#disputed = reason
    this.#options.logger.error({ reason }, 'the audit trail contradicts its witness')
  }
}

function textOf({ count, hash, time, checkpoint }: WitnessedHead): string {
  return `${JSON.stringify({ count, hash, time: new Date(time).toISOString(), checkpoint })}\n`
}

function parseHead(text: string): WitnessedHead | undefined {
  try {
    const { count, hash, time, checkpoint } = JSON.parse(text) as Record<string, unknown>
    if (!isPlace(count, hash) || typeof time !== 'string' || checkpoint === undefined) {
      return undefined
    }
    const begins = checkpoint as Record<string, unknown> | null
    if (begins !== null && !isPlace(begins['through'], begins['hash'])) return undefined
    const at = Date.parse(time)
    if (Number.isNaN(at)) return undefined
    return { count, hash, time: at, checkpoint: begins } as WitnessedHead
  } catch {
    return undefined
  }
}

function isPlace(count: unknown, hash: unknown): boolean {
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) return false
  return typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)
}
