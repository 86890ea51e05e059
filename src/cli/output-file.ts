import { randomBytes } from 'node:crypto'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../domain/failure.ts'
import type { Session } from './session.ts'
import { systemCode } from './system-code.ts'

/** A file that is written as a whole or not at all. */
export type OutputFile = {
  /** Absolute. */
  readonly path: string
  readonly replace: boolean
}

/** Asks before a file is replaced. To be called before what goes into it is made. */
export async function claimOutputFile(session: Session, named: string): Promise<OutputFile> {
  const path = resolve(session.folder, named)
  const found = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw unwritable(named, error)
  })
  if (found?.isFile() === false) throw new Failure('invalid', `${named} is no file`)
  if (found) await session.confirm(`${named} exists: replace it?`)
  return { path, replace: found !== undefined }
}

/**
 * Writes beside the file and gives it its name once all is there: what breaks off leaves nothing.
 * A file that came to be there meanwhile is not replaced. Gives the number of bytes.
 */
export async function writeOutputFile(
  { path, replace }: OutputFile,
  pieces: AsyncIterable<string>,
): Promise<number> {
  const suffix = randomBytes(6).toString('hex')
  const temporary = join(dirname(path), `.${basename(path)}.${suffix}`)
  try {
    const bytes = await writePieces(temporary, pieces)
    await give(temporary, path, replace)
    return bytes
  } catch (error) {
    if (error instanceof Failure || systemCode(error) === 'unknown') throw error
    throw unwritable(path, error)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** What file systems without hard links answer. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

async function give(temporary: string, path: string, replace: boolean): Promise<void> {
  if (replace) return await rename(temporary, path)
  try {
    await link(temporary, path)
  } catch (error) {
    if (!NO_LINKS.has(systemCode(error))) throw error
    await rename(temporary, path)
  }
}

async function writePieces(path: string, pieces: AsyncIterable<string>): Promise<number> {
  await using file = await open(path, 'wx')
  let bytes = 0
  for await (const piece of pieces) {
    await file.writeFile(piece)
    bytes += Buffer.byteLength(piece)
  }
  await file.sync()
  return bytes
}

function unwritable(name: string, error: unknown): Failure {
  return new Failure('invalid', `${name} cannot be written (${systemCode(error)})`)
}
