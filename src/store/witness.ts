import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ChainHead } from '../domain/audit.ts'
import type { Logger } from '../observability/logger.ts'
import { writeDurably } from './durable-file.ts'

/** Between two writes: one fsync for all entries of this time. */
const WRITE_PAUSE_MS = 200
const RETRY_PAUSE_MS = 5_000

export type WitnessOptions = { readonly path: string; readonly logger: Logger }

/**
 * The chain's head as it is kept outside the database, in a file. Whoever cuts off the chain's tail,
 * or puts another chain in its place, is found out by it. Once chain and file contradict each other
 * the file is left as it is, for an operator to decide: see `docs/backup.md`.
 */
export class Witness implements AsyncDisposable {
  readonly #options: WitnessOptions
  readonly #closing = new AbortController()
  #head: ChainHead | null = null
  #written: ChainHead | null = null
  #disputed: string | undefined
  #writing: Promise<void> | undefined

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Null as long as no head was ever kept. */
  get head(): ChainHead | null {
    return this.#head
  }

  /** Why chain and file contradict each other, when they do. */
  get disputed(): string | undefined {
    return this.#disputed
  }

  /** Reads the file. One that cannot be understood is disputed, never overwritten. */
  async load(): Promise<void> {
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

  /**
   * Compares with what the database says, under the lock of appends or before there are any: a
   * chain that is sound is never behind its witness. `hashAt` gives the hash at a position, null for
   * an entry that retention removed.
   */
  async compare(
    head: ChainHead,
    hashAt: (sequence: number) => Promise<string | null | undefined>,
  ): Promise<void> {
    const known = this.#head
    if (known === null || this.#disputed !== undefined) return
    if (head.count < known.count) {
      this.#dispute(`the chain has ${head.count} entries, but had ${known.count} before`)
      return
    }
    if (known.count === 0) return
    const hash = head.count === known.count ? head.hash : await hashAt(known.count)
    if (hash !== null && hash !== known.hash) {
      this.#dispute(`entry ${known.count} is not the one that was there before`)
    }
  }

  /** Notes a committed head and writes it soon. */
  advance(head: ChainHead): void {
    if (this.#disputed !== undefined) return
    if (this.#head !== null && head.count <= this.#head.count) return
    this.#head = head
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves once the latest head is in the file, or could not be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#writing
  }

  async #write(): Promise<void> {
    const { path, logger } = this.#options
    const { signal } = this.#closing
    while (this.#head !== null && this.#head !== this.#written) {
      const head = this.#head
      let pauseMs = WRITE_PAUSE_MS
      try {
        await writeDurably(path, `${JSON.stringify({ count: head.count, hash: head.hash })}\n`)
        this.#written = head
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

  #dispute(reason: string): void {
    this.#disputed = reason
    this.#options.logger.error({ reason }, 'the audit trail contradicts its witness')
  }
}

function parseHead(text: string): ChainHead | undefined {
  try {
    const { count, hash } = JSON.parse(text) as Partial<ChainHead>
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) return undefined
    return typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash) ? { count, hash } : undefined
  } catch {
    return undefined
  }
}
