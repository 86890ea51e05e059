import type { ReportChart } from '../domain/report.ts'

/** More than these are added up under the last bar: a chart is looked at, not searched. */
const MAX_BARS = 12
/** Labels come from the trail: a bound on how many are kept apart. */
const MAX_LABELS = 10_000
const OTHERS = 'others'
const MAX_DAYS = 92
const DAY_MS = 86_400_000

/** Counts by label. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(label: string, by = 1): void {
    const known = this.#counts.has(label) || this.#counts.size < MAX_LABELS
    const key = known ? label : OTHERS
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by)
  }

  /** The most frequent first. */
  chart(title: string): ReportChart {
    const counted = [...this.#counts].filter(([, count]) => count > 0)
    const sorted = counted.sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    const bars = sorted.slice(0, MAX_BARS).map(([label, count]) => ({ label, count }))
    const rest = sorted.slice(MAX_BARS)
    const others = rest.reduce((sum, [, count]) => sum + count, 0)
    if (rest.length > 0) bars.push({ label: `${OTHERS} (${rest.length})`, count: others })
    return { title, bars }
  }

  /**
   * Labels are days (`2026-11-21`); days between the first and the last without a count get a bar
   * too. A longer time is told by month.
   */
  dayChart(title: string): ReportChart {
    const days = [...this.#counts.keys()].filter((day) => day !== OTHERS).sort()
    const first = Date.parse(days[0] ?? '')
    const last = Date.parse(days.at(-1) ?? '')
    if (Number.isNaN(first) || Number.isNaN(last)) return { title, bars: [] }
    const length = (last - first) / DAY_MS + 1
    if (length > MAX_DAYS) return this.#monthChart(title)
    const bars = Array.from({ length }, (_, index) => {
      const label = new Date(first + index * DAY_MS).toISOString().slice(0, 10)
      return { label, count: this.#counts.get(label) ?? 0 }
    })
    return { title, bars }
  }

  #monthChart(title: string): ReportChart {
    const months = new Map<string, number>()
    for (const [day, count] of [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const month = day.slice(0, 7)
      months.set(month, (months.get(month) ?? 0) + count)
    }
    const bars = [...months].map(([label, count]) => ({ label, count }))
    return { title: `${title} (by month)`, bars }
  }
}
