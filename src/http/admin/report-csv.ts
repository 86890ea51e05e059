import { REPORT_COLUMNS } from '../../domain/report.ts'
import type { ReportCell } from '../../domain/report.ts'
import { readReportHead, readReportRows } from '../../domain/report-text.ts'

/** Lines go out in pieces of about this many characters. */
const PIECE = 32 * 1024
/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[\s]*[=+\-@\t\r]/

/**
 * A report as CSV (RFC 4180) with a byte order mark, for spreadsheets. Cells that one would run as a
 * formula begin with an apostrophe. The last line holds the end of the audit chain.
 */
export function* renderCsv(text: string): Generator<string> {
  const head = readReportHead(text)
  const columns = REPORT_COLUMNS[head.kind]
  let piece = `\ufeff${columns.map(({ name }) => name).join(',')}\r\n`
  for (const row of readReportRows(text)) {
    piece += `${columns.map(({ name }) => cell(row[name] ?? null)).join(',')}\r\n`
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
  }
  const { count, hash } = head.chain
  yield `${piece}${cell(`audit chain: ${count} entries, head ${hash}`)}\r\n`
}

function cell(value: ReportCell): string {
  if (value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : value.join('\n')
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
