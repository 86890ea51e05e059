import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'
import { parse } from 'csv-parse/sync'
import { Failure } from '../domain/failure.ts'
import { FaultList } from '../domain/fault-list.ts'
import { nearestName } from '../domain/permission.ts'
import { decodeText } from './decode-text.ts'
import { unguardFormula } from './formula-guard.ts'
import { parseJsonText } from './parse-json.ts'
import type { Session } from './session.ts'
import { systemCode } from './system-code.ts'

const MAX_BYTES = 64 * 1024 * 1024

/** One thing out of a file, and where it stands there. */
export type InputRecord = {
  /** `line 3`, `item 3`: for messages. */
  readonly where: string
  readonly values: Readonly<Record<string, unknown>>
}

/**
 * The content of a file in UTF-8 as text, `-` for standard input. Throws `invalid` that names the
 * file.
 */
export async function readInput(session: Session, path: string): Promise<string> {
  const source = path === '-' ? session.stdin : createReadStream(resolve(session.folder, path))
  const name = path === '-' ? 'standard input' : path
  try {
    return decodeText(await buffer(bounded(source, name, session.signal)), name)
  } catch (error) {
    session.signal.throwIfAborted()
    if (error instanceof Failure) throw error
    throw new Failure('invalid', `${name} cannot be read (${systemCode(error)})`)
  }
}

function bounded(source: Readable, name: string, signal: AbortSignal): Readable {
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      bytes += chunk.length
      if (bytes <= MAX_BYTES) pass(null, chunk)
      else pass(new Failure('too-large', `${name} is larger than ${MAX_BYTES / 1024 ** 2} MiB`))
    },
  })
  // Neither end may leave the other one waiting: not an error, and not an interruption.
  source.once('error', (error) => counter.destroy(error))
  counter.once('close', () => source.destroy())
  const abort = (): void => void counter.destroy(signal.reason as Error)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return source.pipe(counter)
}

/**
 * The records of a text: a JSON list of objects, NDJSON, or CSV with a line of headings; which one
 * its first sign tells. Cells of CSV are texts without what keeps them from being run as formulas;
 * empty ones are left out. Throws `invalid`.
 * @param known headings that CSV may have
 */
export function parseRecords(content: string, known: readonly string[]): readonly InputRecord[] {
  const whole = content.replace(/^\ufeff/, '')
  const [first] = whole.trimStart()
  if (first === '[') return jsonRecords(whole)
  return first === '{' ? ndjsonRecords(whole) : csvRecords(whole, known)
}

function jsonRecords(content: string): readonly InputRecord[] {
  const list = parseJsonText(content, 'the list') as readonly unknown[]
  return list.map((item, index) => recordOf(item, `item ${index + 1}`))
}

function ndjsonRecords(content: string): readonly InputRecord[] {
  return content.split('\n').flatMap((line, index) => {
    const where = `line ${index + 1}`
    return line.trim() === '' ? [] : [recordOf(parseLine(line, where), where)]
  })
}

function csvRecords(content: string, known: readonly string[]): readonly InputRecord[] {
  const columns = (headings: string[]): string[] => {
    checkHeadings(headings, known)
    return headings
  }
  const options = { columns, skip_empty_lines: true, trim: true, info: true } as const
  try {
    const rows = parse<Record<string, string>>(content, options) as unknown as CsvRow[]
    return rows.map(({ record, info }) => {
      const filled = Object.entries(record).filter(([, value]) => value !== '')
      const cells = filled.map(([name, value]) => [name, unguardFormula(value)])
      return { where: `line ${info.lines}`, values: Object.fromEntries(cells) }
    })
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('invalid', `the CSV cannot be read: ${(error as Error).message}`)
  }
}

/** Of two columns with one name the second would silently be taken. */
function checkHeadings(headings: readonly string[], known: readonly string[]): void {
  const [first = ''] = headings
  if (headings.length === 1 && first.includes(';')) {
    throw new Failure('invalid', 'the CSV is separated by semicolons: commas are needed')
  }
  const faults = new FaultList()
  for (const [index, heading] of headings.entries()) {
    const place = `column ${index + 1}`
    if (heading === '') faults.add(place, 'has no heading')
    else if (headings.indexOf(heading) < index) faults.add(place, `${heading} stands there twice`)
    else if (!known.includes(heading)) {
      const nearest = nearestName(heading, known)
      const hint =
        nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`
      faults.add(place, `${heading} is not known here; ${hint}`)
    }
  }
  faults.throwIfAny()
}

type CsvRow = {
  readonly record: Readonly<Record<string, string>>
  readonly info: { readonly lines: number }
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new Failure('invalid', `${where} is no JSON`)
  }
}

function recordOf(item: unknown, where: string): InputRecord {
  if (typeof item === 'object' && item !== null && !Array.isArray(item)) {
    return { where, values: item as InputRecord['values'] }
  }
  throw new Failure('invalid', `${where} is no object`)
}
