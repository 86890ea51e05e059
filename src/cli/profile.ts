import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { Failure } from '../domain/failure.ts'
import { nearestName } from '../domain/permission.ts'
import { systemCode } from './system-code.ts'
import { knownNames } from './variables.ts'
import type { Layer } from './variables.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const MAX_BYTES = 1024 * 1024
/** Unknown names that are told. */
const MAX_NAMES = 10
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
    // Not to wait for ever where a FIFO stands: whether it is a file is seen once it is open.
    const descriptor = openSync(
      join(folder, file),
      constants.O_RDONLY | (constants.O_NONBLOCK ?? 0),
    )
    try {
      const stat = fstatSync(descriptor)
      if (!stat.isFile()) throw new Failure('invalid', `${file} is no regular file`)
      if (stat.size > MAX_BYTES) {
        throw new Failure('invalid', `${file} is larger than a profile can be`)
      }
      if (process.platform !== 'win32' && (stat.mode & OTHERS) !== 0) {
        onWarning(`${file} can be read by others: chmod 600 ${file}`)
      }
      return parseProfile(readFileSync(descriptor), file)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const message = `--profile ${name}: ${file} cannot be read here (${systemCode(error)})`
    throw new Failure('invalid', message)
  }
}

function parseProfile(bytes: Buffer, file: string): Layer {
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw new Failure('invalid', `${file} is no text in UTF-8: save it as that`)
  }
  const content = bytes.toString('utf8').replace(/^\ufeff/, '')
  const values = parseEnv(content)
  const open = Object.keys(values).find((name) => isLeftOpen(name, content))
  if (open === undefined) return values
  throw new Failure('invalid', `${file}: the quote that begins ${open} does not end`)
}

/** Node takes a quote that does not end for a part of the value. */
function isLeftOpen(name: string, content: string): boolean {
  if (!/^\w+$/.test(name)) return false
  const begun = new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=[ \\t]*(["'\`])`, 'm').exec(content)
  const [opening = '', quote = ''] = begun ?? []
  return begun !== null && !content.includes(quote, begun.index + opening.length)
}

/**
 * Names in a profile that permctl does not know, and that were probably meant for it. Others are not
 * named: a line of a pasted key may look like a name.
 */
export function misspeltNames(profile: Layer): readonly string[] {
  const known = knownNames()
  return Object.keys(profile)
    .filter((name) => /^\w{1,64}$/.test(name) && !known.includes(name))
    .flatMap((name) => {
      const nearest = nearestName(name, known)
      if (nearest !== undefined) return [`${name} (did you mean ${nearest}?)`]
      return /^(PERMCTL|VAULT)_/.test(name) ? [name] : []
    })
    .slice(0, MAX_NAMES)
}
