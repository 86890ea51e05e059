import { LRUCache } from 'lru-cache'
import { Failure } from '../domain/failure.ts'
import { Matrix, stampRevision } from '../domain/matrix.ts'
import type { ServedMatrices } from '../domain/served.ts'

/** Old matrices are kept for listings that began on them: at most so many, so big, so long. */
const HISTORY = { max: 16, maxBytes: 512 * 1024 * 1024, ttlMs: 15 * 60_000 }

export type PublisherOptions = {
  readonly maxAgeSeconds: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Makes a revision durable before anyone sees it, so that none is ever used twice. */
  readonly reserveRevision: (revision: number) => Promise<void>
  /** Told of every matrix that has just become the served one. */
  readonly onPublished: (matrix: Matrix) => void
}

/**
 * The one cell that says which matrix is served. Readers hold either the old or the new matrix,
 * never a mixture; publications happen one after another, each on top of the one before.
 */
export class MatrixPublisher implements ServedMatrices {
  readonly #options: PublisherOptions
  readonly #history: LRUCache<number, Matrix>
  #held: Matrix | undefined
  #lastRevision = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#history = new LRUCache({
      max: HISTORY.max,
      maxSize: HISTORY.maxBytes,
      ttl: HISTORY.ttlMs,
      maxEntrySize: HISTORY.maxBytes,
      sizeCalculation: (matrix) => matrix.buffer.byteLength,
    })
  }

  /** The latest matrix, even when it is too old to be served: what a new one is compared with. */
  get held(): Matrix | undefined {
    return this.#held
  }

  /** Whether {@link current} would answer. */
  get canServe(): boolean {
    return this.#held !== undefined && this.ageSeconds(this.#held) <= this.#options.maxAgeSeconds
  }

  current(): Matrix {
    const matrix = this.#held
    if (!matrix) throw new Failure('not-ready', 'no matrix has been built yet')
    if (!this.canServe) {
      const age = Math.floor(this.ageSeconds(matrix))
      const limit = this.#options.maxAgeSeconds
      throw new Failure('not-ready', `the matrix is ${age} s old; at most ${limit} s is served`)
    }
    return matrix
  }

  at(revision: number): Matrix {
    const current = this.current()
    if (current.revision === revision) return current
    const matrix = this.#history.get(revision)
    if (matrix) return matrix
    throw new Failure('gone', `revision ${revision} is no longer held: begin the listing again`)
  }

  ageSeconds(matrix: Matrix): number {
    // A clock that was set back makes nothing younger than new.
    return Math.max(0, (this.#options.now() - matrix.takenAt) / 1_000)
  }

  /** Begins with a matrix from disk. Its revision, or `lastRevision` if higher, is where counting goes on. */
  restore(matrix: Matrix | undefined, lastRevision: number): void {
    this.#held = matrix
    this.#lastRevision = Math.max(lastRevision, matrix?.revision ?? 0)
  }

  /** Stops serving: what is held belongs to another organisation. */
  discard(): void {
    this.#held = undefined
    this.#history.clear()
  }

  /**
   * Publishes what `prepare` makes of the matrix that is held when its turn comes; undefined
   * publishes nothing. A failure of `prepare` is the caller's; the queue goes on.
   */
  async publish(
    prepare: (held: Matrix | undefined) => Promise<SharedArrayBuffer | undefined>,
  ): Promise<Matrix | undefined> {
    const turn = this.#queue.then(async () => {
      const buffer = await prepare(this.#held)
      return buffer && this.#swap(buffer)
    })
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  async #swap(buffer: SharedArrayBuffer): Promise<Matrix> {
    const revision = this.#lastRevision + 1
    await this.#options.reserveRevision(revision)
    this.#lastRevision = revision
    stampRevision(buffer, revision)
    const matrix = new Matrix(buffer)
    if (this.#held) this.#history.set(this.#held.revision, this.#held)
    this.#held = matrix
    this.#options.onPublished(matrix)
    return matrix
  }
}
