import { setImmediate as nextTurn } from 'node:timers/promises'
import { MAX_REPORT_LENGTH } from '../domain/report-store.ts'
import { REPORT_COLUMNS } from '../domain/report.ts'
import type { ReportHead, ReportKind, ReportRow } from '../domain/report.ts'
import { writeReportText } from '../domain/report-text.ts'

const MAX_ROWS = 100_000
/** Room for the head, whose lists are short. */
const HEAD_LENGTH = 1024 * 1024
/** Rows made before checks on the same thread get their turn. */
const SLICE = 200

/** Rows as they are found, up to a bound in number and size. */
export class ReportContent {
  readonly #signal: AbortSignal
  readonly #columns: readonly string[]
  readonly #rows: (string | undefined)[] = []
  #length = 0
  #left = 0
  #truncated = false

  constructor(kind: ReportKind, signal: AbortSignal) {
    this.#signal = signal
    this.#columns = REPORT_COLUMNS[kind].map(({ name }) => name)
  }

  get truncated(): boolean {
    return this.#truncated
  }

  get rowCount(): number {
    return this.#left
  }

  /**
   * Adds a row and answers its place; undefined when there is no room for it, nor for any after it.
   * Throws the signal's reason once it is aborted.
   */
  async add(row: ReportRow): Promise<number | undefined> {
    if (this.#rows.length % SLICE === SLICE - 1) await nextTurn()
    this.#signal.throwIfAborted()
    if (this.#truncated) return undefined
    const members = this.#columns.map((name) => [name, row[name] ?? null] as const)
    const text = JSON.stringify(Object.fromEntries(members))
    const length = this.#length + text.length + 2
    if (this.#rows.length >= MAX_ROWS || length > MAX_REPORT_LENGTH - HEAD_LENGTH) {
      this.#truncated = true
      return undefined
    }
    this.#length = length
    this.#left += 1
    return this.#rows.push(text) - 1
  }

  /** Takes a row back: what it told is told by another. */
  remove(place: number): void {
    if (this.#rows[place] === undefined) return
    this.#rows[place] = undefined
    this.#left -= 1
  }

  write(head: ReportHead): string {
    const rows = this.#rows.filter((row) => row !== undefined)
    return writeReportText(head, rows)
  }
}
