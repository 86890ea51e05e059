import { stringify } from 'csv-stringify/sync'
import { guardFormula } from './formula-guard.ts'
import type { OutputStream } from './output-stream.ts'
import { printable, printableJson, printableLines } from './printable.ts'
import type { Progress } from './progress.ts'
import { cellText, renderRecord, renderTable } from './table-text.ts'
import type { Column } from './table-text.ts'

export const FORMATS = ['table', 'json', 'csv', 'ndjson'] as const
export type Format = (typeof FORMATS)[number]

/** Rows that are laid out together: a longer listing is several tables, and never all in memory. */
const TABLE_ROWS = 1_000
const CSV_ROWS = 100

export type DocumentView<Value> = {
  readonly columns: readonly Column<Value>[]
  /** The table form, in lines, where columns are not how a person would say it. */
  readonly text?: (value: Value) => readonly string[]
}

export type Listing<Row> = {
  readonly name: string
  readonly rows: AsyncIterable<Row> | Iterable<Row>
  readonly columns: readonly Column<Row>[]
}

/**
 * What a command found, on standard output, in the form asked for. JSON and NDJSON hold the values
 * as they are, tables and CSV their columns. Nothing that a terminal would act on gets out raw.
 */
export class Output {
  readonly #stream: OutputStream
  readonly #progress: Progress
  readonly format: Format

  constructor(stream: OutputStream, progress: Progress, format: Format) {
    this.#stream = stream
    this.#progress = progress
    this.format = format
  }

  /**
   * A listing, written as it comes. Ends early, quietly, when nobody reads any longer: whatever
   * changes something must not be done inside the iterable. With `live` CSV too is written row by
   * row.
   */
  async rows<Row>(
    rows: AsyncIterable<Row> | Iterable<Row>,
    columns: readonly Column<Row>[],
    { live = false }: { readonly live?: boolean } = {},
  ): Promise<void> {
    switch (this.format) {
      case 'json':
        return await this.#jsonRows(rows)
      case 'ndjson':
        for await (const row of rows) {
          await this.#write(`${printableJson(row)}\n`)
          if (this.#stream.closed) return
        }
        return
      case 'csv':
        return await this.#csvRows(rows, columns, live ? 1 : CSV_ROWS)
      case 'table':
        for await (const some of inPieces(rows, TABLE_ROWS)) {
          await this.#write(renderTable(some, columns, this.#stream))
          if (this.#stream.closed) return
        }
    }
  }

  /**
   * Rows that are all known, written before this returns and whatever comes of it: the process is
   * about to end.
   * @param headed false where the rows go on from others
   */
  rowsAtOnce<Row>(
    rows: readonly Row[],
    columns: readonly Column<Row>[],
    { headed = true }: { readonly headed?: boolean } = {},
  ): void {
    this.#stream.writeAtOnce(this.#textOf(rows, columns, headed))
  }

  /** Resolves when all is written; throws when it cannot be. */
  flush(): Promise<void> {
    return this.#stream.flush()
  }

  #textOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[], headed: boolean): string {
    const lines = rows.map((row) => printableJson(row))
    switch (this.format) {
      case 'json':
        return `[\n${lines.join(',\n')}\n]\n`
      case 'ndjson':
        return lines.map((line) => `${line}\n`).join('')
      case 'csv':
        return (
          (headed ? csvLines([columns.map(({ name }) => name)]) : '') + this.#csvText(rows, columns)
        )
      case 'table':
        return renderTable(rows, columns, this.#stream)
    }
  }

  /** One thing. */
  async document<Value>(value: Value, { columns, text }: DocumentView<Value>): Promise<void> {
    switch (this.format) {
      case 'json':
        return await this.#write(`${printableJson(value, 2)}\n`)
      case 'ndjson':
        return await this.#write(`${printableJson(value)}\n`)
      case 'csv':
        return await this.#csvRows([value], columns)
      case 'table': {
        const lines = text?.(value)
        if (!lines) return await this.#write(renderRecord(value, columns, this.#stream))
        return await this.#write(lines.map((line) => `${printableLines(line)}\n`).join(''))
      }
    }
  }

  /**
   * One thing with a long list in it. JSON is the thing with the list as its member `name`; NDJSON
   * and CSV are the list alone; a table follows the thing.
   */
  async listing<Value extends object, Row>(
    head: Value,
    view: DocumentView<Value>,
    { name, rows, columns }: Listing<Row>,
  ): Promise<void> {
    if (this.format === 'json') {
      const members = printableJson(head).slice(0, -1)
      await this.#write(`${members}${members === '{' ? '' : ','}${JSON.stringify(name)}:`)
      await this.#jsonRows(rows, '}')
      return
    }
    if (this.format === 'table') {
      await this.document(head, view)
      await this.#write('\n')
    }
    await this.rows(rows, columns)
  }

  /** A file as the service wrote it. Only a terminal gets it without what it would act on. */
  async text(pieces: AsyncIterable<string>): Promise<void> {
    for await (const piece of pieces) {
      const safe = this.#stream.isTerminal ? printableLines(piece.replaceAll('\r\n', '\n')) : piece
      await this.#write(safe)
      if (this.#stream.closed) return
    }
  }

  async #jsonRows<Row>(rows: AsyncIterable<Row> | Iterable<Row>, end = ''): Promise<void> {
    let before = '['
    for await (const row of rows) {
      await this.#write(`${before}\n${printableJson(row)}`)
      if (this.#stream.closed) return
      before = ','
    }
    // What failed on the way is left without its end: no part passes for the whole.
    await this.#write(before === '[' ? `[]${end}\n` : `\n]${end}\n`)
  }

  async #csvRows<Row>(
    rows: AsyncIterable<Row> | Iterable<Row>,
    columns: readonly Column<Row>[],
    pieceRows = CSV_ROWS,
  ): Promise<void> {
    // With the first rows, not before: a listing that fails at once has printed nothing.
    let head = csvLines([columns.map(({ name }) => name)])
    for await (const some of inPieces(rows, pieceRows)) {
      await this.#write(head + this.#csvText(some, columns))
      if (this.#stream.closed) return
      head = ''
    }
    await this.#write(head)
  }

  #csvText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
    return csvLines(rows.map((row) => columns.map(({ value }) => this.#csvCell(value(row)))))
  }

  #csvCell(cell: ReturnType<Column<never>['value']>): string | number {
    if (typeof cell === 'number') return cell
    const text = cellText(cell, '\n')
    return this.#stream.isTerminal ? printable(text) : text
  }

  async #write(text: string): Promise<void> {
    this.#progress.clear()
    await this.#stream.write(text)
  }
}

/** RFC 4180; cells that a spreadsheet would run as a formula begin with an apostrophe. */
function csvLines(cells: readonly (readonly (string | number)[])[]): string {
  // Numbers are no formulas, whatever they begin with.
  const safe = cells.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell : guardFormula(cell))),
  )
  // The library alone would leave a bare line feed unquoted.
  return stringify(safe, { record_delimiter: 'windows', quoted_match: /[\r\n]/ })
}

async function* inPieces<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  size: number,
): AsyncGenerator<readonly Row[]> {
  let piece: Row[] = []
  try {
    for await (const row of rows) {
      piece.push(row)
      if (piece.length < size) continue
      yield piece
      piece = []
    }
  } catch (error) {
    // What came before a failure is printed in every form.
    if (piece.length > 0) yield piece
    throw error
  }
  if (piece.length > 0) yield piece
}
