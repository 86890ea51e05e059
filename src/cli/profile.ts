import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { Failure } from '../domain/failure.ts'
import type { Layer } from './variables.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const MAX_BYTES = 1024 * 1024
/** Permission bits of everybody but the owner. */
const OTHERS = 0o077

/** NAME of every `.env.NAME` in a folder; none where it cannot be listed. */
export function profileNames(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).map((file) => /^\.env\.(.+)$/.exec(file)?.[1] ?? '')
    return names.filter(isProfileName)
  } catch {
    return []
  }
}

/** `.env.example` is committed and holds no values: taken for a profile, it would say nothing. */
function isProfileName(name: string): boolean {
  return NAME.test(name) && name !== 'example'
}

/**
 * The variables of `.env.NAME` in a folder. `onWarning` is told when others on this machine may read
 * the file. Throws `invalid` for a name that is none and a file that cannot be read.
 */
export function readProfile(
  name: string,
  folder: string,
  onWarning: (text: string) => void,
): Layer {
  if (!isProfileName(name)) {
    throw new Failure('invalid', '--profile must be letters, digits, - and _: NAME of .env.NAME')
  }
  const file = `.env.${name}`
  try {
    const descriptor = openSync(join(folder, file), 'r')
    try {
      const { mode, size } = fstatSync(descriptor)
      if (size > MAX_BYTES) throw new Failure('invalid', `${file} is larger than a profile can be`)
      if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
        onWarning(`${file} can be read by others: chmod 600 ${file}`)
      }
      return parseEnv(readFileSync(descriptor, 'utf8'))
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code } = error as NodeJS.ErrnoException
    const message = `--profile ${name}: ${file} cannot be read here (${code ?? 'unknown'})`
    throw new Failure('invalid', message)
  }
}
