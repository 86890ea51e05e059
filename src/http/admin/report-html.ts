import { REPORT_COLUMNS } from '../../domain/report.ts'
import type { ReportCell, ReportColumn, ReportHead, ReportRow } from '../../domain/report.ts'
import { readReportHead, readReportRows } from '../../domain/report-text.ts'
import { escapeHtml } from './escape-html.ts'
import { renderChart } from './report-charts.ts'
import { REPORT_STYLE } from './report-style.ts'

/** Nobody prints more; the CSV has all rows. */
const MAX_PRINTED_ROWS = 5_000
/** Rows in one piece of the answer. */
const PIECE_ROWS = 100

/** A report as one page for people and paper: no script, nothing from elsewhere. */
export function* renderHtml(text: string): Generator<string> {
  const head = readReportHead(text)
  const columns = REPORT_COLUMNS[head.kind].filter(({ printed }) => printed)
  yield beginning(head)
  const titles = columns.map(({ name, title }) => `<th class="${name}">${escapeHtml(title)}</th>`)
  yield `<table><thead><tr>${titles.join('')}</tr></thead><tbody>`
  let printed = 0
  let left = false
  let piece = ''
  for (const row of readReportRows(text)) {
    left = printed === MAX_PRINTED_ROWS
    if (left) break
    printed += 1
    piece += renderRow(row, columns)
    if (printed % PIECE_ROWS > 0) continue
    yield piece
    piece = ''
  }
  if (printed === 0) piece = `<tr><td colspan="${columns.length}">Nothing was found.</td></tr>`
  yield `${piece}</tbody></table>`
  if (left) {
    yield `<p>Only the first ${MAX_PRINTED_ROWS} rows are printed: CSV and JSON have more.</p>`
  }
  yield ending(head)
}

function beginning(head: ReportHead): string {
  const { title, organization, notes, totals, charts, truncated } = head
  const told = Object.entries(totals).map(([name, count]) => {
    return `<li><strong>${count}</strong><span>${escapeHtml(words(name))}</span></li>`
  })
  const cut = 'The report was cut: only the first rows are told, and the totals count them alone.'
  const remarks = [...(truncated ? [cut] : []), ...notes]
  const drawn = charts.map(renderChart).join('')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width"><style>${REPORT_STYLE}</style></head><body>
<header><p class="organization">${escapeHtml(organization.name || organization.id)}</p>
<h1>${escapeHtml(title)}</h1>${facts(head)}</header>
<ul class="totals">${told.join('')}</ul>
${remarks.length === 0 ? '' : `<div class="notes">${remarks.map(paragraph).join('')}</div>`}
${drawn === '' ? '' : `<h2>At a glance</h2><div class="charts">${drawn}</div>`}
<h2>In full</h2>
`
}

function facts(head: ReportHead): string {
  const { period, generatedAt, requestedBy, revision, asOf } = head
  const { from, to } = period
  const between =
    from === null && to === null
      ? 'now'
      : `${from === null ? 'the beginning' : minute(from)} to ${to === null ? 'now' : minute(to)}`
  const matrix = revision === null ? 'none' : `revision ${revision}`
  const lines = [
    ['Period (UTC)', between],
    ['Made at', minute(generatedAt)],
    ['Requested by', requestedBy],
    ['Matrix', asOf === null ? matrix : `${matrix}, as of ${minute(asOf)}`],
  ]
  const pairs = lines.map(([name = '', value = '']) => {
    return `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`
  })
  return `<dl>${pairs.join('')}</dl>`
}

function ending({ chain, generatedAt }: ReportHead): string {
  return `<footer>Audit chain when this was made (${minute(generatedAt)} UTC): ${chain.count} entries, the last one's hash is
<code>${escapeHtml(chain.hash)}</code>. Entry ${chain.count} of the trail must have this hash for ever; <code>GET /admin/v1/audit/verification</code> recomputes the chain.</footer></body></html>
`
}

function renderRow(row: ReportRow, columns: readonly ReportColumn[]): string {
  const cells = columns.map(({ name }) => {
    const value = row[name] ?? null
    const mark = name === 'outcome' && typeof value === 'string' ? ` ${escapeHtml(value)}` : ''
    return `<td class="${name}${mark}">${renderCell(name, value)}</td>`
  })
  return `<tr>${cells.join('')}</tr>\n`
}

function renderCell(name: string, value: ReportCell): string {
  if (value === null) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') {
    if (value.length === 0) return '–'
    return `<ul>${value.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`
  }
  if (name === 'time') return escapeHtml(value.slice(0, 19).replace('T', ' '))
  return escapeHtml(name === 'action' ? value.replaceAll('_', ' ') : value)
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`
}

/** `heldThen` → `held then`. */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function minute(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}
