import type { ReportChart } from '../../domain/report.ts'
import { escapeHtml } from './escape-html.ts'

/** More bars than this stand upright, without a label for each. */
const MAX_LYING = 14
const WIDTH = 640
const LABEL = 170
const LINE = 22
const HEIGHT = 150

/** A bar chart as inline SVG; empty for nothing to show. The figures stand in it as text. */
export function renderChart(chart: ReportChart): string {
  if (chart.bars.length === 0) return ''
  const drawing = chart.bars.length > MAX_LYING ? upright(chart) : lying(chart)
  const title = escapeHtml(chart.title)
  return `<figure><figcaption>${title}</figcaption>${drawing}</figure>`
}

function lying({ title, bars }: ReportChart): string {
  const most = greatest(bars)
  const room = WIDTH - LABEL - 60
  const lines = bars.map(({ label, count }, index) => {
    const y = index * LINE
    const width = ((count / most) * room).toFixed(1)
    const text = label.length > 24 ? `${label.slice(0, 23)}…` : label
    return (
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escapeHtml(text)}</text>` +
      `<rect x="${LABEL}" y="${y + 4}" width="${width}" height="14"/>` +
      `<text x="${(LABEL + Number(width) + 6).toFixed(1)}" y="${y + 15}">${count}</text>`
    )
  })
  return svg(title, bars.length * LINE, lines)
}

function upright({ title, bars }: ReportChart): string {
  const most = greatest(bars)
  const step = (WIDTH - 40) / bars.length
  const drawn = bars.map(({ label, count }, index) => {
    const height = (count / most) * (HEIGHT - 10)
    const x = (40 + index * step).toFixed(2)
    const y = (HEIGHT - height).toFixed(1)
    const hint = `<title>${escapeHtml(`${label}: ${count}`)}</title>`
    const size = `width="${(step * 0.8).toFixed(2)}" height="${height.toFixed(1)}"`
    return `<rect x="${x}" y="${y}" ${size}>${hint}</rect>`
  })
  const first = escapeHtml(bars[0]?.label ?? '')
  const last = escapeHtml(bars.at(-1)?.label ?? '')
  return svg(title, HEIGHT + 20, [
    `<text x="34" y="12" text-anchor="end">${most}</text>`,
    `<text x="34" y="${HEIGHT}" text-anchor="end">0</text>`,
    `<line x1="40" y1="${HEIGHT}" x2="${WIDTH}" y2="${HEIGHT}"/>`,
    ...drawn,
    `<text x="40" y="${HEIGHT + 15}">${first}</text>`,
    `<text x="${WIDTH}" y="${HEIGHT + 15}" text-anchor="end">${last}</text>`,
  ])
}

function svg(title: string, height: number, parts: readonly string[]): string {
  const box = `viewBox="0 0 ${WIDTH} ${height}"`
  return `<svg ${box} role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg>`
}

function greatest(bars: ReportChart['bars']): number {
  return Math.max(1, ...bars.map(({ count }) => count))
}
