import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `node bench/write-figures.ts`: puts the figures of the latest bench into the README. */

const START = '<!-- figures:start -->'
const END = '<!-- figures:end -->'
const ROOT = join(import.meta.dirname, '..')

/** What `bench/main.ts` writes. */
type Report = {
  readonly takenAt: string
  readonly node: string
  readonly cpu?: string
  readonly figures: readonly {
    readonly name: string
    readonly value: number
    readonly unit: string
    readonly goal?: string
    readonly reached?: boolean
  }[]
}

/** The report as a table, laid out as the formatter would. */
function figuresTable({ takenAt, node, cpu, figures }: Report): string {
  const head = ['figure', 'value', 'goal', '']
  const body = figures.map((figure) => {
    const { name, goal = '', reached } = figure
    const mark = reached === undefined ? '' : reached ? 'reached' : 'missed'
    return [name, `${shown(figure.value)} ${figure.unit}`, goalText(goal), mark]
  })
  const widths = head.map((title, column) => {
    return Math.max(3, title.length, ...body.map((row) => row[column]?.length ?? 0))
  })
  const line = (cells: readonly string[]): string => {
    return `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  }
  const rule = line(widths.map((width) => '-'.repeat(width)))
  const taken = `Last taken ${takenAt.slice(0, 10)} on Node ${node}${cpu ? `, ${cpu}` : ''}.`
  return [taken, '', line(head), rule, ...body.map(line)].join('\n')
}

function shown(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 })
}

function goalText(goal: string): string {
  const [, sign, limit] = /^([<>]=) (.+)$/.exec(goal) ?? []
  if (sign === undefined) return goal
  return `${sign === '<=' ? 'at most' : 'at least'} ${shown(Number(limit))}`
}

/** A text with the report's figures between its markers. */
export function withFigures(text: string, report: Report): string {
  const [before, rest] = text.split(START)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error('there are no figure markers')
  return `${before}${START}\n\n${figuresTable(report)}\n\n${END}${after}`
}

/** Writes the latest report into the README. */
export function writeFigures(): void {
  const readme = join(ROOT, 'README.md')
  const latest = readFileSync(join(ROOT, 'bench', 'results', 'latest.json'), 'utf8')
  const text = withFigures(readFileSync(readme, 'utf8'), JSON.parse(latest) as Report)
  writeFileSync(readme, text)
}

if (import.meta.main) writeFigures()
