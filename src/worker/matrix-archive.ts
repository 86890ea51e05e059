import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../domain/failure.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { Logger } from '../observability/logger.ts'
import { contentHash, readArchive, writeArchive } from './archive-file.ts'
import { expiredArchives } from './archive-retention.ts'
import type { Archived } from './archive-retention.ts'
import type { PastMatrix } from './holder-report.ts'
import type { SnapshotOrigin } from './snapshot-file.ts'

/** At most one archive in this time. */
const MIN_INTERVAL_MS = 60 * 60_000
const DEFAULT_MAX_BYTES = 5 * 1024 * 1024 * 1024
/** A temporary file this old was left behind by a process that died. */
const ABANDONED_AFTER_MS = 60 * 60_000
/** Archives tried, newest first, before the search for a readable one is given up. */
const MAX_TRIED = 20

const NAME = /^matrix-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-(\d{1,15})-([0-9a-f]{64})\.gz$/

export type MatrixArchiveOptions = {
  /** A folder of its own; made where needed. */
  readonly path: string
  readonly origin: SnapshotOrigin
  /** When set, matrices of another organisation are passed over. */
  readonly organizationId: string | undefined
  /** Days that the last matrix of each day is kept; 0 for ever. */
  readonly retentionDays: number
  readonly maxBytes?: number
  readonly logger: Pick<Logger, 'error' | 'warn'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * What the organisation looked like in the past: published matrices, at most one an hour, and only
 * when one differs from the last. A failure is logged and changes nothing else. An archive of an
 * older matrix layout cannot be read: {@link at} says so and takes an earlier one.
 */
export class MatrixArchive implements AsyncDisposable {
  readonly #options: MatrixArchiveOptions
  readonly #abort = new AbortController()
  #waiting: Matrix | undefined
  #writing: Promise<void> | undefined

  constructor(options: MatrixArchiveOptions) {
    this.#options = options
  }

  /** Archives the matrix soon, if it is time and it differs. Of those that come meanwhile, the last. */
  offer(matrix: Matrix): void {
    if (this.#abort.signal.aborted) return
    this.#waiting = matrix
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = undefined
    this.#abort.abort()
    await this.settled()
  }

  /**
   * The matrix that was held at a time: the nearest that was archived then or before and that can be
   * read. `skipped` says which later ones cannot, and why.
   */
  async at(
    time: number,
  ): Promise<{ readonly found: PastMatrix | undefined; readonly skipped: readonly string[] }> {
    const { path, origin, organizationId } = this.#options
    const skipped: string[] = []
    const earlier = (await this.#archives()).filter(({ archivedAt }) => archivedAt <= time)
    for (const archive of earlier.toReversed().slice(0, MAX_TRIED)) {
      const archivedAt = new Date(archive.archivedAt).toISOString()
      try {
        const matrix = await readArchive(join(path, archive.name), origin)
        const found = matrix.description.organizationId
        if (organizationId !== undefined && found !== organizationId) {
          throw new Failure('invalid', `the snapshot is of organisation ${found || 'unknown'}`)
        }
        return { found: { matrix, archivedAt }, skipped }
      } catch (error) {
        if (!(error instanceof Failure)) {
          this.#options.logger.error(
            { err: error, archive: archive.name },
            'an archive is not read',
          )
        }
        const reason = error instanceof Failure ? error.message : 'it cannot be opened'
        skipped.push(`the archive of ${archivedAt}: ${reason}`)
      }
    }
    return { found: undefined, skipped }
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting) {
      const matrix = this.#waiting
      this.#waiting = undefined
      try {
        await this.#write(matrix)
      } catch (error) {
        if (this.#abort.signal.aborted) return
        const { revision } = matrix
        this.#options.logger.error({ err: error, revision }, 'a matrix was not archived')
      }
    }
  }

  async #write(matrix: Matrix): Promise<void> {
    const { path, origin, now } = this.#options
    await mkdir(path, { recursive: true, mode: 0o700 })
    const last = (await this.#archives()).at(-1)
    const time = now()
    // A clock that was put back must not stop the archive for good.
    if (last && Math.abs(time - last.archivedAt) < MIN_INTERVAL_MS) return
    const hash = await contentHash(matrix)
    if (last?.contentHash === hash) return
    const name = archiveName(time, matrix.revision, hash)
    await writeArchive(join(path, name), matrix, origin, this.#abort.signal)
    await this.#removeExpired(time)
  }

  async #removeExpired(time: number): Promise<void> {
    const { path, retentionDays, maxBytes = DEFAULT_MAX_BYTES } = this.#options
    const archives = await this.#archives()
    for (const { name } of expiredArchives(archives, { retentionDays, maxBytes }, time)) {
      await rm(join(path, name), { force: true })
    }
    for (const name of await readdir(path)) {
      if (!name.endsWith('.tmp')) continue
      const found = await stat(join(path, name)).catch(() => undefined)
      if (!found || Date.now() - found.mtimeMs <= ABANDONED_AFTER_MS) continue
      await rm(join(path, name), { force: true })
    }
  }

  /** Oldest first. */
  async #archives(): Promise<Archived[]> {
    const { path } = this.#options
    const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
    const archives: Archived[] = []
    for (const name of names) {
      const parts = NAME.exec(name)
      if (!parts) continue
      const [, year, month, day, hour, minutes, seconds, millis, revision, hash = ''] = parts
      const time = `${year}-${month}-${day}T${hour}:${minutes}:${seconds}.${millis}Z`
      const found = await stat(join(path, name)).catch(() => undefined)
      if (!found) continue
      archives.push({
        name,
        archivedAt: Date.parse(time),
        revision: Number(revision),
        contentHash: hash,
        bytes: found.size,
      })
    }
    return archives.sort((a, b) => a.archivedAt - b.archivedAt || a.revision - b.revision)
  }
}

function archiveName(time: number, revision: number, hash: string): string {
  const stamp = new Date(time).toISOString().replaceAll(/[-:.]/g, '')
  return `matrix-${stamp}-${revision}-${hash}.gz`
}
