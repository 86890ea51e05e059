import type { ReportHead, ReportRow } from './report.ts'

/**
 * A report as text: JSON, `{…head, "rows": [...]}`, with the head on the first line and each row on
 * its own. It is made, kept and read in pieces of whole lines, which are never one text: it may have
 * 64 Mi characters.
 */

const ROWS = ',"rows":['
const END = ']}'
/** A piece is at most so long, unless one row is longer. */
const PIECE_LENGTH = 256 * 1024

/** `rows` are rows as JSON, without line ends: JSON needs none. */
export function* writeReportText(head: ReportHead, rows: readonly string[]): Generator<string> {
  let piece = `${JSON.stringify(head).slice(0, -1)}${ROWS}\n`
  for (const [index, row] of rows.entries()) {
    if (piece.length + row.length > PIECE_LENGTH) {
      yield piece
      piece = ''
    }
    piece += index < rows.length - 1 ? `${row},\n` : `${row}\n`
  }
  yield piece + END
}

export type OpenReport = {
  readonly head: ReportHead
  /** Parsed piece by piece, as they are asked for. */
  readonly rows: AsyncGenerator<readonly ReportRow[]>
}

/** Throws for what {@link writeReportText} has not written. */
export async function openReportText(pieces: AsyncIterable<string>): Promise<OpenReport> {
  const iterator = pieces[Symbol.asyncIterator]()
  const first = await iterator.next()
  const text = first.done === true ? '' : first.value
  const end = text.indexOf('\n')
  const head = JSON.parse(`${text.slice(0, end - ROWS.length)}}`) as ReportHead
  return { head, rows: readRows(text.slice(end + 1), iterator) }
}

async function* readRows(
  first: string,
  pieces: AsyncIterator<string>,
): AsyncGenerator<readonly ReportRow[]> {
  try {
    yield rowsIn(first)
    for (;;) {
      const piece = await pieces.next()
      if (piece.done === true) return
      yield rowsIn(piece.value)
    }
  } finally {
    await pieces.return?.()
  }
}

function rowsIn(piece: string): ReportRow[] {
  const lines = piece.split('\n').filter((line) => line !== '' && line !== END)
  return lines.map((line) => {
    return JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line) as ReportRow
  })
}
