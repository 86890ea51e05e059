import { setImmediate as nextTurn } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { Failure } from '../../domain/failure.ts'
import { FaultList } from '../../domain/fault-list.ts'
import { MAX_BATCH_USERS } from '../../domain/role-change.ts'
import type { RequestedUpdate, TimedGrant } from '../../domain/role-change.ts'
import { MAX_ID_LENGTH } from '../schemas.ts'
import { MAX_CHANGE_LINES } from './change-schemas.ts'

const REQUIRED = ['userId', 'operation', 'roleId', 'divisionId'] as const
const COLUMNS: readonly string[] = [...REQUIRED, 'until']
/** Characters parsed before checks on the same thread get their turn. */
const SLICE = 16 * 1024
const MAX_ROW_LENGTH = 8 * 1024

/** One user's rows, and where each of them stood. */
type Rows = {
  readonly userId: string
  readonly row: number
  readonly grant: TimedGrant[]
  readonly revoke: TimedGrant[]
  readonly grantRows: number[]
  readonly revokeRows: number[]
}

export type CsvUpdates = {
  readonly updates: readonly RequestedUpdate[]
  /** The same failure with fields such as `updates/3/grant/0/roleId` as row and column. */
  readonly locate: (failure: Failure) => Failure
}

type CsvRecord = { readonly record: readonly string[]; readonly info: { readonly lines: number } }

/**
 * Reads `userId,operation,roleId,divisionId[,until]`, columns in any order, rows of one user
 * together. Throws `invalid` with every fault, at most 100, by row (the header is row 1) and column,
 * and `too-large` beyond {@link MAX_CHANGE_LINES} rows or {@link MAX_BATCH_USERS} users.
 */
export async function readChangeCsv(text: string): Promise<CsvUpdates> {
  const users = new Map<string, Rows>()
  const faults = new FaultList()
  let header: readonly string[] | undefined
  let count = 0
  for await (const { record, info } of records(text)) {
    if (!header) {
      header = readHeader(record)
      continue
    }
    count += 1
    if (count > MAX_CHANGE_LINES) {
      throw new Failure('too-large', `a CSV may have at most ${MAX_CHANGE_LINES} rows`)
    }
    takeRow(users, readCells(header, record), info.lines, faults)
    if (users.size > MAX_BATCH_USERS) {
      throw new Failure('too-large', `a batch may have at most ${MAX_BATCH_USERS} users`)
    }
  }
  if (!header) throw new Failure('invalid', `the CSV has no header: ${COLUMNS.join(',')}`)
  if (count === 0) throw new Failure('invalid', 'the CSV has no row besides its header')
  faults.throwIfAny()
  const ordered = [...users.values()]
  const updates = ordered.map(({ userId, grant, revoke }) => ({
    userId,
    ...(grant.length > 0 ? { grant } : {}),
    ...(revoke.length > 0 ? { revoke } : {}),
  }))
  return { updates, locate: (failure) => locateFailure(failure, ordered) }
}

async function* records(text: string): AsyncGenerator<CsvRecord> {
  const parser = Readable.from(slices(text)).pipe(
    parse({
      info: true,
      trim: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW_LENGTH,
    }),
  )
  try {
    for await (const found of parser) yield found as CsvRecord
  } catch (error) {
    if (error instanceof CsvError) throw csvFailure(error)
    throw error
  } finally {
    parser.destroy()
  }
}

async function* slices(text: string): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += SLICE) {
    yield text.slice(start, start + SLICE)
    await nextTurn()
  }
}

/** The library's own words quote what was sent; row and reason are all that is told. */
function csvFailure(error: CsvError): Failure {
  const lines = Number(error['lines'])
  const field = Number.isSafeInteger(lines) && lines > 0 ? `row ${lines}` : 'row 1'
  const reason =
    {
      CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: 'has not as many cells as the header',
      CSV_MAX_RECORD_SIZE: `is longer than ${MAX_ROW_LENGTH} characters`,
      CSV_QUOTE_NOT_CLOSED: 'has a quote that is not closed',
    }[error.code as string] ?? 'is not valid CSV: see its quotes'
  return new Failure('invalid', `${field} ${reason}`, { field })
}

function readHeader(names: readonly string[]): readonly string[] {
  const faults = new FaultList()
  for (const [index, name] of names.entries()) {
    const shown = name.slice(0, 64)
    if (!COLUMNS.includes(name)) {
      faults.add('row 1', `${shown} is no column; known are ${COLUMNS.join(', ')}`)
    } else if (names.indexOf(name) !== index) faults.add('row 1', `${name} is there twice`)
  }
  for (const name of REQUIRED) {
    if (!names.includes(name)) faults.add('row 1', `the column ${name} is missing`)
  }
  faults.throwIfAny()
  return names
}

function readCells(header: readonly string[], record: readonly string[]): Map<string, string> {
  return new Map(header.map((name, index) => [name, record[index] ?? '']))
}

function takeRow(
  users: Map<string, Rows>,
  cells: ReadonlyMap<string, string>,
  row: number,
  faults: FaultList,
): void {
  let sound = true
  const refuse = (column: string, message: string): void => {
    sound = false
    faults.add(`row ${row} ${column}`, message)
  }
  const read = (column: string): string => {
    const cell = cells.get(column) ?? ''
    if (cell === '') refuse(column, 'must not be empty')
    if (cell.length > MAX_ID_LENGTH) {
      refuse(column, `must have at most ${MAX_ID_LENGTH} characters`)
    }
    return cell
  }
  const userId = read('userId')
  const operation = read('operation')
  const grant: TimedGrant = { roleId: read('roleId'), divisionId: read('divisionId') }
  const until = cells.get('until') ?? ''
  if (operation !== '' && operation !== 'grant' && operation !== 'revoke') {
    refuse('operation', 'must be grant or revoke')
  }
  if (until.length > MAX_ID_LENGTH) refuse('until', 'is no time')
  if (until !== '' && operation === 'revoke') refuse('until', 'is for a grant only')
  if (!sound) return
  const held = rowsOf(users, userId, row)
  if (operation === 'grant') {
    held.grant.push(until === '' ? grant : { ...grant, until })
    held.grantRows.push(row)
  } else {
    held.revoke.push(grant)
    held.revokeRows.push(row)
  }
}

function rowsOf(users: Map<string, Rows>, userId: string, row: number): Rows {
  // Emails compare without case, ids do not.
  const key = userId.includes('@') ? userId.toLowerCase() : userId
  let rows = users.get(key)
  if (!rows) {
    rows = { userId, row, grant: [], revoke: [], grantRows: [], revokeRows: [] }
    users.set(key, rows)
  }
  return rows
}

const PATH = /updates\/(\d+)(?:\/(grant|revoke)\/(\d+))?(?:\/([A-Za-z]+))?/g

function locateFailure(failure: Failure, users: readonly Rows[]): Failure {
  if (failure.code !== 'invalid') return failure
  const inRows = (text: string): string => {
    return text.replaceAll(PATH, (path, ...parts: string[]) => rowOf(parts, users) ?? path)
  }
  const faults = failure.faults?.map(({ field, message }) => {
    return { field: inRows(field), message: inRows(message) }
  })
  const field = failure.field === undefined ? undefined : inRows(failure.field)
  return new Failure('invalid', inRows(failure.message), { field, faults })
}

function rowOf(
  [update, list, line, column]: readonly (string | undefined)[],
  users: readonly Rows[],
): string | undefined {
  const rows = users[Number(update)]
  if (!rows) return undefined
  const numbers = list === 'grant' ? rows.grantRows : rows.revokeRows
  const row = list === undefined ? rows.row : (numbers[Number(line)] ?? rows.row)
  const isColumn = column !== undefined && COLUMNS.includes(column)
  return isColumn ? `row ${row} ${column}` : `row ${row}`
}
