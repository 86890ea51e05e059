import Table from 'cli-table3'
import type { OutputStream } from './output-stream.ts'
import { displayWidth } from './display-width.ts'
import { printable } from './printable.ts'

/** What stands in a column. A list is one entry a line in a terminal. */
export type Cell = string | number | boolean | readonly string[] | null | undefined

export type Column<Row> = {
  /** Heading of tables and of CSV. */
  readonly name: string
  readonly value: (row: Row) => Cell
  /** Never cut to the width of a terminal: part of an id or of a permission is of no use. */
  readonly whole?: true
  /** Goes on in the next line where it has no room, as what has to be read to its end. */
  readonly wrap?: true
}

/** The columns of a part, as columns of the whole. */
export function columnsOf<Whole, Part>(
  columns: readonly Column<Part>[],
  partOf: (whole: Whole) => Part,
): readonly Column<Whole>[] {
  return columns.map((column) => ({ ...column, value: (whole) => column.value(partOf(whole)) }))
}

/** Signs between columns. */
const GAP = 2
/** A column is not made narrower than this. */
const LEAST_WIDTH = 6

const BARE = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '' },
  middle: '',
}

/**
 * Rows under headings. On a terminal cut or wrapped to its width and without columns that are empty;
 * one below the other where the columns have no room beside each other. Elsewhere one line a row,
 * nothing cut.
 */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  stream: OutputStream,
): string {
  const shown = stream.isTerminal
    ? columns.filter(({ value }) => rows.some((row) => cellText(value(row), '') !== ''))
    : columns
  const cells = rows.map((row) => shown.map(({ value }) => show(value(row), stream)))
  const head = shown.map(({ name }) => name)
  const natural = naturalWidths([head, ...cells])
  const least = shown.map(({ whole, wrap }, index) => {
    if (whole === true) return natural[index] ?? 0
    if (wrap !== true) return LEAST_WIDTH
    return Math.max(LEAST_WIDTH, ...cells.map((row) => longestWord(row[index] ?? '')))
  })
  const widths = fit(natural, stream.columns, least)
  if (!widths) return rows.map((row) => renderRecord(row, shown, stream)).join('\n')
  const styled = head.map((name) => stream.style('bold', name))
  const laid = cells.map((row) =>
    row.map((content, index) => {
      return { content, wordWrap: shown[index]?.wrap === true }
    }),
  )
  return lay([styled, ...laid], widths)
}

/** One thing: a line for each column that has something in it, nothing cut. */
export function renderRecord<Value>(
  value: Value,
  columns: readonly Column<Value>[],
  stream: OutputStream,
): string {
  const lines = columns.map(({ name, value: read }) => [name, show(read(value), stream)] as const)
  const filled = lines.filter(([, text]) => text !== '')
  const styled = filled.map(([name, text]) => [stream.style('bold', name), text])
  return lay(styled, naturalWidths(filled))
}

/** A cell as text; `between` stands between the entries of a list. */
export function cellText(cell: Cell, between: string): string {
  if (cell === null || cell === undefined) return ''
  return typeof cell === 'object' ? cell.join(between) : String(cell)
}

function show(cell: Cell, stream: OutputStream): string {
  if (typeof cell !== 'object' || cell === null) return printable(cellText(cell, ''))
  return cell.map(printable).join(stream.isTerminal ? '\n' : '; ')
}

type LaidCell = string | { readonly content: string; readonly wordWrap: boolean }

function lay(cells: readonly (readonly LaidCell[])[], widths: readonly number[]): string {
  const table = new Table({
    chars: BARE,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP, compact: true },
    // The gap is a part of the column; what is wider is cut, with an ellipsis.
    colWidths: widths.map((width) => width + GAP),
  })
  for (const row of cells) table.push([...row])
  const lines = table.toString().split('\n')
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

function naturalWidths(cells: readonly (readonly string[])[]): readonly number[] {
  const widths: number[] = []
  for (const row of cells) {
    for (const [index, text] of row.entries()) {
      const width = Math.max(...text.split('\n').map(displayWidth))
      widths[index] = Math.max(widths[index] ?? 0, width)
    }
  }
  return widths
}

/** Width of the longest part that a line cannot be broken in. */
function longestWord(text: string): number {
  return text.split(/\s+/).reduce((longest, word) => Math.max(longest, displayWidth(word)), 0)
}

/**
 * Widths with which all columns have room on a terminal: the widest give way, none beyond its least
 * width. Undefined where that is not enough.
 */
function fit(
  natural: readonly number[],
  available: number | undefined,
  least: readonly number[],
): readonly number[] | undefined {
  const widths = [...natural]
  if (available === undefined) return widths
  let excess = widths.reduce((sum, width) => sum + width + GAP, -GAP) - available
  for (; excess > 0; excess -= 1) {
    const widest = widestOf(widths, least)
    if (widest < 0) return undefined
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

/** The widest column that may still give way; -1 when there is none. */
function widestOf(widths: readonly number[], least: readonly number[]): number {
  let widest = -1
  for (const [index, width] of widths.entries()) {
    if (width <= (least[index] ?? 0)) continue
    if (width > (widths[widest] ?? 0)) widest = index
  }
  return widest
}
