import { createHash } from 'node:crypto'

/** The one style of a report's page: for A4 paper, and legible without colour. */
export const REPORT_STYLE = `
@page { size: A4 landscape; margin: 14mm 12mm 16mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1120px; color: #1a1a1a; background: #fff;
  font: 13px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; }
h1 { margin: 0 0 2px; font-size: 24px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 26px 0 8px; font-size: 15px; }
header { border-bottom: 2px solid #1a1a1a; padding-bottom: 12px; margin-bottom: 14px; }
.organization { margin: 0; color: #555; font-size: 14px; }
dl { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: 3px 18px; margin: 12px 0 0; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.totals { display: flex; flex-wrap: wrap; gap: 10px; padding: 0; margin: 0; list-style: none; }
.totals li { border: 1px solid #bbb; border-radius: 4px; padding: 7px 14px; min-width: 110px; }
.totals strong { display: block; font-size: 20px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.totals span { color: #555; }
.notes { border-left: 3px solid #1a1a1a; margin: 14px 0; padding: 2px 0 2px 12px; }
.notes p { margin: 3px 0; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 18px 28px; }
figure { margin: 0; break-inside: avoid; }
.charts figure:first-child:not(:last-child) { grid-row: span 2; }
figcaption { font-weight: 600; margin-bottom: 4px; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: #1a1a1a; }
svg rect { fill: #3b5b8c; }
svg line { stroke: #1a1a1a; stroke-width: 1; }
table { width: 100%; border-collapse: collapse; font-size: 11.5px; }
thead { display: table-header-group; }
th { text-align: left; vertical-align: bottom; border-bottom: 1.5px solid #1a1a1a; padding: 4px 6px; }
td { vertical-align: top; border-bottom: 1px solid #d4d4d4; padding: 4px 6px; overflow-wrap: anywhere; }
tr { break-inside: avoid; }
td ul { margin: 0; padding: 0; list-style: none; }
td.sequence { text-align: right; font-variant-numeric: tabular-nums; }
td.time, td.sequence, td.outcome { white-space: nowrap; overflow-wrap: normal; }
td.time { font-variant-numeric: tabular-nums; }
td.action, td.userName { overflow-wrap: break-word; }
td.failed, td.refused { font-weight: 600; }
th.before, th.after, th.sources { width: 18%; }
th.details, th.message { width: 24%; }
footer { margin-top: 22px; border-top: 1px solid #1a1a1a; padding-top: 8px; font-size: 11px; break-inside: avoid; }
code { font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
@media print {
  body { padding: 0; max-width: none; font-size: 10.5px; }
  table { font-size: 9px; }
  svg rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media screen and (max-width: 720px) {
  .charts, dl { grid-template-columns: 1fr; }
}
`

const digest = createHash('sha256').update(REPORT_STYLE).digest('base64')

/** Nothing but the page's own style: no script, no image, nothing from elsewhere. */
export const REPORT_POLICY = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox`
