import { createHash, randomUUID } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure } from '../domain/failure.ts'
import { Matrix } from '../domain/matrix.ts'

/** Rises with every change of the file's own format; the matrix inside has its own version. */
const FORMAT_VERSION = 1
const MAGIC = Buffer.from('GPCSNAP\n')
const PREAMBLE_BYTES = MAGIC.length + 8
const DIGEST_BYTES = 32
const MAX_HEADER_BYTES = 64 * 1024
/** Hashed and written in pieces, so that no check waits for a whole matrix. */
const CHUNK_BYTES = 512 * 1024

/** Whose facts a snapshot holds. */
export type SnapshotOrigin = { readonly region: string; readonly clientId: string }

type Header = SnapshotOrigin & { readonly byteLength: number }

/**
 * Writes a matrix so that a reader finds either all of it or nothing: temporary file, fsync,
 * rename, fsync of the folder. Format: magic, version, header length, header (JSON), matrix bytes,
 * SHA-256 of all that. On failure the temporary file is removed and the error thrown.
 */
export async function writeSnapshot(
  path: string,
  matrix: Matrix,
  origin: SnapshotOrigin,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await writeContent(file, matrix, origin)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

async function writeContent(
  file: FileHandle,
  matrix: Matrix,
  origin: SnapshotOrigin,
): Promise<void> {
  const header: Header = { ...origin, byteLength: matrix.buffer.byteLength }
  const headerBytes = Buffer.from(JSON.stringify(header))
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(preamble)
  preamble.writeUInt32LE(FORMAT_VERSION, MAGIC.length)
  preamble.writeUInt32LE(headerBytes.length, MAGIC.length + 4)
  const hash = createHash('sha256')
  for (const part of [preamble, headerBytes]) {
    hash.update(part)
    await writeAll(file, part)
  }
  for (const chunk of chunks(new Uint8Array(matrix.buffer))) {
    hash.update(chunk)
    await writeAll(file, chunk)
  }
  await writeAll(file, hash.digest())
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten
  }
}

/** Makes a rename in the folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/**
 * Reads a snapshot. Throws `invalid` that says why it must not be served: damaged, cut off, of
 * another format, region or client.
 */
export async function readSnapshot(path: string, origin: SnapshotOrigin): Promise<Matrix> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const hash = createHash('sha256')
    const header = await readHeader(file, hash)
    const bodyStart = PREAMBLE_BYTES + header.length
    const { region, clientId, byteLength } = parseHeader(header)
    if (size !== bodyStart + byteLength + DIGEST_BYTES) throw refused('is cut off or too long')
    const body = new Uint8Array(new SharedArrayBuffer(byteLength))
    let position = bodyStart
    for (const chunk of chunks(body)) {
      await readAll(file, chunk, position)
      hash.update(chunk)
      position += chunk.length
    }
    const digest = new Uint8Array(DIGEST_BYTES)
    await readAll(file, digest, position)
    if (!hash.digest().equals(digest)) throw refused('is damaged: its checksum does not match')
    if (region !== origin.region) throw refused('is of another region')
    if (clientId !== origin.clientId) throw refused('was read with another OAuth client')
    return new Matrix(body.buffer)
  } finally {
    await file.close()
  }
}

async function readHeader(file: FileHandle, hash: Hash): Promise<Buffer> {
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  await readAll(file, preamble, 0)
  hash.update(preamble)
  const version = preamble.readUInt32LE(MAGIC.length)
  const length = preamble.readUInt32LE(MAGIC.length + 4)
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw refused('is no snapshot')
  if (version !== FORMAT_VERSION) throw refused(`has format ${version}, not ${FORMAT_VERSION}`)
  if (length > MAX_HEADER_BYTES) throw refused('is damaged: its header is too long')
  const header = Buffer.alloc(length)
  await readAll(file, header, PREAMBLE_BYTES)
  hash.update(header)
  return header
}

function parseHeader(bytes: Buffer): Header {
  try {
    const { region, clientId, byteLength } = JSON.parse(bytes.toString()) as Partial<Header>
    if (
      typeof region === 'string' &&
      typeof clientId === 'string' &&
      Number.isSafeInteger(byteLength) &&
      byteLength !== undefined &&
      byteLength >= 0
    ) {
      return { region, clientId, byteLength }
    }
  } catch {
    // Falls through: what cannot be parsed is as damaged as what lacks a field.
  }
  throw refused('is damaged: its header cannot be read')
}

async function readAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let read = 0
  while (read < bytes.length) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, position + read)
    if (bytesRead === 0) throw refused('is cut off')
    read += bytesRead
  }
}

function* chunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    yield bytes.subarray(start, start + CHUNK_BYTES)
  }
}

function refused(why: string): Failure {
  return new Failure('invalid', `the snapshot ${why}`)
}
