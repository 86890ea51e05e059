import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { Failure } from '../domain/failure.ts'
import { HEADER_FLOATS } from '../domain/matrix-layout.ts'
import type { Matrix } from '../domain/matrix.ts'
import { readSnapshot, syncFolder, writeSnapshot } from './snapshot-file.ts'
import type { SnapshotOrigin } from './snapshot-file.ts'

/** No matrix is as big: a file that unpacks to more was made to fill the disk. */
const MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024
/** Fast rather than small: an hour passes between two archives, and a core is not to be felt. */
const GZIP_LEVEL = 3
const CHUNK_BYTES = 512 * 1024

/**
 * A matrix as a snapshot file (see `snapshot-file.ts`), packed with gzip: whole or not there at all.
 * What is written on the way lies beside it and is removed.
 */
export async function writeArchive(
  path: string,
  matrix: Matrix,
  origin: SnapshotOrigin,
  signal: AbortSignal,
): Promise<void> {
  const plain = `${path}.${randomUUID()}.tmp`
  const packed = `${path}.${randomUUID()}.tmp`
  try {
    await writeSnapshot(plain, matrix, origin)
    const target = createWriteStream(packed, { flags: 'wx', mode: 0o600 })
    await pipeline(createReadStream(plain), createGzip({ level: GZIP_LEVEL }), target, { signal })
    await syncFile(packed)
    await rename(packed, path)
    await syncFolder(dirname(path))
  } finally {
    await rm(plain, { force: true })
    await rm(packed, { force: true })
  }
}

/** Throws `invalid` that says why it cannot be used: damaged, of another layout, region or client. */
export async function readArchive(path: string, origin: SnapshotOrigin): Promise<Matrix> {
  const plain = `${path}.${randomUUID()}.tmp`
  try {
    const target = createWriteStream(plain, { flags: 'wx', mode: 0o600 })
    await pipeline(createReadStream(path), createGunzip(), atMost(MAX_UNPACKED_BYTES), target)
    return await readSnapshot(plain, origin)
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code = '' } = error as NodeJS.ErrnoException
    if (code.startsWith('Z_')) {
      throw new Failure('invalid', 'the snapshot is damaged: it cannot be unpacked')
    }
    throw error
  } finally {
    await rm(plain, { force: true })
  }
}

/** SHA-256 of what a matrix holds, whatever its revision and time: equal for equal organisations. */
export async function contentHash(matrix: Matrix): Promise<string> {
  const hash = createHash('sha256')
  const bytes = new Uint8Array(matrix.buffer)
  const head = bytes.slice(0, CHUNK_BYTES)
  const floats = new Float64Array(head.buffer, 0, HEADER_FLOATS.takenAt + 1)
  floats[HEADER_FLOATS.revision] = 0
  floats[HEADER_FLOATS.takenAt] = 0
  hash.update(head)
  for (let start = CHUNK_BYTES; start < bytes.length; start += CHUNK_BYTES) {
    await nextTurn()
    hash.update(bytes.subarray(start, start + CHUNK_BYTES))
  }
  return hash.digest('hex')
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function atMost(limit: number): Transform {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length
      if (passed <= limit) done(null, chunk)
      else done(new Failure('invalid', 'the snapshot unpacks to more than a matrix can be'))
    },
  })
}
