import { LRUCache } from 'lru-cache'
import { Failure } from '../domain/failure.ts'
import { Matrix, stampRevision } from '../domain/matrix.ts'
import type { ServedMatrices } from '../domain/served.ts'

const MIB = 1024 * 1024
/** Since the last token that names it, or since it was replaced; no longer than tokens are good. */
const HELD_MS = 15 * 60_000
/** Old matrices that a token names. While roles are changed one may be replaced every second. */
const NAMED = { ttl: HELD_MS, maxSize: 384 * MIB }
/** The last ones of those that no token names: whoever saw a revision may plan on it. */
const UNNAMED = { ttl: HELD_MS, maxSize: 128 * MIB, max: 16 }

export type PublisherOptions = {
  readonly maxAgeSeconds: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds that only ever rise; for tests. */
  readonly monotonicNow?: () => number
  /** Makes a revision durable before anyone sees it, as far as the disk lets it. */
  readonly reserveRevision: (revision: number) => Promise<void>
  /** Told of every matrix that has just become the served one. */
  readonly onPublished: (matrix: Matrix) => void
  /** Told that what was held belongs to another organisation and must not come back. */
  readonly onDiscarded?: () => void
}

/**
 * The one cell that says which matrix is served. Readers hold either the old or the new matrix,
 * never a mixture; publications happen one after another, each on top of the one before.
 */
export class MatrixPublisher implements ServedMatrices {
  readonly #options: PublisherOptions
  readonly #named: LRUCache<number, Matrix>
  readonly #unnamed: LRUCache<number, Matrix>
  /** Whether a token names the matrix that is served. */
  #isNamed = false
  /** When each matrix was taken up, and how old it was then; nothing of what was discarded. */
  #takenUp = new WeakMap<Matrix, { readonly age: number; readonly at: number }>()
  #held: Matrix | undefined
  /** Rises when what was held is discarded: nothing built on it may be published any more. */
  #epoch = 0
  #lastRevision = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: PublisherOptions) {
    this.#options = options
    const shared = {
      sizeCalculation: (matrix: Matrix) => matrix.buffer.byteLength,
      perf: { now: () => this.#monotonicNow() },
      // Reads the clock each time instead of keeping a timer for it.
      ttlResolution: 0,
    }
    this.#named = new LRUCache({ ...NAMED, ...shared })
    this.#unnamed = new LRUCache({ ...UNNAMED, ...shared })
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
    const matrix = this.#named.get(revision) ?? this.#unnamed.get(revision)
    if (matrix && this.ageSeconds(matrix) <= this.#options.maxAgeSeconds) return matrix
    const how = matrix ? 'too old to be served' : 'no longer held'
    throw new Failure('gone', `revision ${revision} is ${how}: begin the listing again`)
  }

  hold(matrix: Matrix): void {
    if (matrix === this.#held) this.#isNamed = true
    else if (this.#takenUp.has(matrix)) {
      this.#unnamed.delete(matrix.revision)
      this.#named.set(matrix.revision, matrix)
    }
  }

  /** By the wall clock, but never younger than time that has really passed makes it. */
  ageSeconds(matrix: Matrix): number {
    const byWall = this.#options.now() - matrix.takenAt
    const takenUp = this.#takenUp.get(matrix)
    const passed = takenUp ? takenUp.age + this.#monotonicNow() - takenUp.at : 0
    return Math.max(0, byWall, passed) / 1_000
  }

  /** Begins with a matrix from disk. Its revision, or `lastRevision` if higher, is where counting goes on. */
  restore(matrix: Matrix | undefined, lastRevision: number): void {
    if (matrix) this.#takeUp(matrix)
    this.#lastRevision = Math.max(lastRevision, matrix?.revision ?? 0)
  }

  /** Stops serving: what is held belongs to another organisation. */
  discard(): void {
    this.#held = undefined
    this.#epoch += 1
    this.#takenUp = new WeakMap()
    this.#named.clear()
    this.#unnamed.clear()
    this.#options.onDiscarded?.()
  }

  /**
   * Publishes what `prepare` makes of the matrix that is held when its turn comes; undefined
   * publishes nothing. A failure of `prepare` is the caller's; the queue goes on.
   */
  async publish(
    prepare: (held: Matrix | undefined) => Promise<SharedArrayBuffer | undefined>,
  ): Promise<Matrix | undefined> {
    const turn = this.#queue.then(async () => {
      const epoch = this.#epoch
      const buffer = await prepare(this.#held)
      return buffer && this.#swap(buffer, epoch)
    })
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  async #swap(buffer: SharedArrayBuffer, epoch: number): Promise<Matrix | undefined> {
    const revision = this.#lastRevision + 1
    await this.#options.reserveRevision(revision)
    this.#lastRevision = revision
    if (epoch !== this.#epoch) return undefined
    stampRevision(buffer, revision)
    const matrix = new Matrix(buffer)
    if (this.#held) {
      const history = this.#isNamed ? this.#named : this.#unnamed
      history.set(this.#held.revision, this.#held)
      this.#named.purgeStale()
      this.#unnamed.purgeStale()
    }
    this.#takeUp(matrix)
    this.#options.onPublished(matrix)
    return matrix
  }

  #takeUp(matrix: Matrix): void {
    const age = Math.max(0, this.#options.now() - matrix.takenAt)
    this.#takenUp.set(matrix, { age, at: this.#monotonicNow() })
    this.#held = matrix
    this.#isNamed = false
  }

  #monotonicNow(): number {
    return (this.#options.monotonicNow ?? performance.now.bind(performance))()
  }
}
