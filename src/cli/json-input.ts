import { Failure } from '../domain/failure.ts'
import { readInput } from './input-file.ts'
import { parseJsonText } from './parse-json.ts'
import type { Session } from './session.ts'

/** The one JSON object in a file, `-` for standard input. Throws `invalid` that names the file. */
export async function readJsonObject(
  session: Session,
  path: string,
): Promise<Readonly<Record<string, unknown>>> {
  return parseJsonObject(await readInput(session, path), path)
}

/** The same for what was read already. */
export function parseJsonObject(text: string, path: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text, path)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new Failure('invalid', `${nameOf(path)} is no JSON object`)
}

/** Whatever JSON a text is, as a whole. Throws `invalid` that names the file. */
export function parseJson(text: string, path: string): unknown {
  return parseJsonText(text, nameOf(path))
}

function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path
}
