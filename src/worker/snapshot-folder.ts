import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../domain/failure.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { Logger } from '../observability/logger.ts'
import { readSnapshot, syncFolder, writeSnapshot } from './snapshot-file.ts'
import type { SnapshotOrigin } from './snapshot-file.ts'

/** The newest and the one before it: should the newest be damaged. */
const KEPT_SNAPSHOTS = 2
/** A temporary file this old was left behind by a process that died. */
const ABANDONED_AFTER_MS = 60 * 60_000

/** Two machines may differ by this much in what time it is. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000

const SNAPSHOT_NAME = /^matrix-(\d{12})\.snapshot$/
const REVISION_NAME = 'revision'

export type SnapshotFolderOptions = {
  readonly path: string
  readonly origin: SnapshotOrigin
  /** When set, a matrix of another organisation is refused. */
  readonly organizationId: string | undefined
  readonly logger: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly onWritten: (result: 'written' | 'failed') => void
}

export type Restored = {
  readonly matrix: Matrix | undefined
  /** The highest revision that was ever reserved or written here. */
  readonly lastRevision: number
}

/**
 * The snapshots in `DATA_DIR`. Writing happens one at a time; while one is written only the latest
 * of those that come is remembered. A failed write is logged and counted and changes nothing else:
 * checks go on without it.
 */
export class SnapshotFolder {
  readonly #options: SnapshotFolderOptions
  #waiting: Matrix | undefined
  #writing: Promise<void> | undefined

  constructor(options: SnapshotFolderOptions) {
    this.#options = options
  }

  /** Opens the folder, making it where needed. Throws `invalid` that names DATA_DIR. */
  async open(): Promise<void> {
    const { path } = this.#options
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      const probe = join(path, `.probe-${randomUUID()}`)
      await (await open(probe, 'w')).close()
      await rm(probe)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new Failure('invalid', `DATA_DIR (${path}) cannot be written: ${code}`, {
        cause: error,
      })
    }
  }

  /** The newest sound snapshot. Why others were passed over is logged. */
  async restore(): Promise<Restored> {
    const revisions = await this.#revisions()
    const lastRevision = Math.max(await this.#reservedRevision(), revisions[0] ?? 0)
    for (const revision of revisions) {
      const matrix = await this.#tryRead(revision)
      if (matrix) return { matrix, lastRevision }
    }
    return { matrix: undefined, lastRevision }
  }

  /** Makes a revision durable, so that it is never given to another matrix, also after a crash. */
  async reserveRevision(revision: number): Promise<void> {
    const path = join(this.#options.path, REVISION_NAME)
    const temporary = `${path}.${randomUUID()}.tmp`
    try {
      const file = await open(temporary, 'w', 0o600)
      try {
        await file.writeFile(`${revision}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
      await syncFolder(this.#options.path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      // Fresh answers matter more than a number that stays unique over a crash.
      this.#options.logger.error({ err: error, revision }, 'a revision could not be reserved')
    }
  }

  /** Writes the matrix soon. */
  save(matrix: Matrix): void {
    this.#waiting = matrix
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined
    })
  }

  /** Removes every snapshot: they are of another organisation and must not serve at the next start. */
  async forget(): Promise<void> {
    this.#waiting = undefined
    await this.settled()
    try {
      for (const revision of await this.#revisions()) {
        await rm(join(this.#options.path, snapshotName(revision)), { force: true })
      }
    } catch (error) {
      this.#options.logger.error({ err: error }, 'snapshots of another organisation remain')
    }
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async #writeWaiting(): Promise<void> {
    const { path, origin, logger, onWritten } = this.#options
    while (this.#waiting) {
      const matrix = this.#waiting
      this.#waiting = undefined
      try {
        await writeSnapshot(join(path, snapshotName(matrix.revision)), matrix, origin)
        await this.#removeOld()
        onWritten('written')
      } catch (error) {
        onWritten('failed')
        logger.error({ err: error, revision: matrix.revision }, 'the snapshot was not written')
      }
    }
  }

  async #tryRead(revision: number): Promise<Matrix | undefined> {
    const { path, origin, organizationId, logger } = this.#options
    try {
      const matrix = await readSnapshot(join(path, snapshotName(revision)), origin)
      const { organizationId: found } = matrix.description
      if (organizationId !== undefined && found !== organizationId) {
        throw new Failure('invalid', `the snapshot is of organisation ${found || 'unknown'}`)
      }
      if (matrix.takenAt > this.#options.now() + MAX_CLOCK_SKEW_MS) {
        throw new Failure('invalid', 'the snapshot is from the future: a clock was wrong')
      }
      return matrix
    } catch (error) {
      logger.warn({ err: error, revision }, 'a snapshot is not used')
      return undefined
    }
  }

  async #revisions(): Promise<number[]> {
    const names = await readdir(this.#options.path)
    const revisions = names.map((name) => Number(SNAPSHOT_NAME.exec(name)?.[1] ?? NaN))
    return revisions.filter((revision) => Number.isFinite(revision)).sort((a, b) => b - a)
  }

  async #reservedRevision(): Promise<number> {
    try {
      const text = await readFile(join(this.#options.path, REVISION_NAME), 'utf8')
      return /^\d{1,15}\n$/.test(text) ? Number(text) : 0
    } catch (error) {
      // There is none before the first publication; anything else may hide a number that was used.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#options.logger.error({ err: error }, 'the last revision could not be read')
      }
      return 0
    }
  }

  async #removeOld(): Promise<void> {
    const { path } = this.#options
    for (const revision of (await this.#revisions()).slice(KEPT_SNAPSHOTS)) {
      await rm(join(path, snapshotName(revision)), { force: true })
    }
    for (const name of await readdir(path)) {
      if (!name.endsWith('.tmp')) continue
      // Another service that shares the folder may have been faster.
      const found = await stat(join(path, name)).catch(() => undefined)
      if (!found || Date.now() - found.mtimeMs <= ABANDONED_AFTER_MS) continue
      await rm(join(path, name), { force: true })
    }
  }
}

function snapshotName(revision: number): string {
  return `matrix-${String(revision).padStart(12, '0')}.snapshot`
}
