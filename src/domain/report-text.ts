import type { ReportHead, ReportRow } from './report.ts'

/**
 * A report as text: JSON, `{…head, "rows": [...]}`, with the head on the first line and each row on
 * its own, so that a big one can be read line by line.
 */

const ROWS = ',"rows":['
const END = ']}'

/** `rows` are rows as JSON, without line ends: JSON needs none. */
export function writeReportText(head: ReportHead, rows: readonly string[]): string {
  const first = JSON.stringify(head).slice(0, -1) + ROWS
  return `${first}\n${rows.join(',\n')}\n${END}`
}

/** Throws for what {@link writeReportText} has not written. */
export function readReportHead(text: string): ReportHead {
  const line = text.slice(0, text.indexOf('\n'))
  return JSON.parse(`${line.slice(0, -ROWS.length)}}`) as ReportHead
}

/** Parses one row after the other, as they are asked for. */
export function* readReportRows(text: string): Generator<ReportRow> {
  let start = text.indexOf('\n') + 1
  const last = text.length - END.length
  while (start < last) {
    const end = text.indexOf('\n', start)
    const comma = text[end - 1] === ',' ? 1 : 0
    if (end > start) yield JSON.parse(text.slice(start, end - comma)) as ReportRow
    start = end + 1
  }
}
