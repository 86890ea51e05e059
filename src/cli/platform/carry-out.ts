import { PassThrough } from 'node:stream'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { exitCodeOfOutcomes, outcomeColumns, outcomeRow, summaryOf } from './outcome-rows.ts'
import type { EndedItem, OutcomeRow } from './outcome-rows.ts'

/** What a command is to bring about, thing by thing. */
export type Undertaking<Item> = {
  /** Heads the column of names: `email`, `queue`. */
  readonly what: string
  /** In messages: `user`. */
  readonly thing: string
  readonly items: readonly Item[]
  readonly nameOf: (item: Item) => string
  /** Items under way together; they are begun in their order. */
  readonly concurrency: number
  readonly run: (how: RunItems<Item>) => Promise<void>
}

type RunItems<Item> = {
  /** Once aborted no further item is begun. */
  readonly stop: AbortSignal
  /** Once aborted what is in hand ends too, whatever it waits for. */
  readonly signal: AbortSignal
  readonly onEnd: (item: Item, ended: EndedItem) => void
}

/** How long an interruption waits for what is in hand: a platform that is busy may take minutes. */
const FINISHING_MS = 10_000
const RESUME = 'run the same command again to go on'

/**
 * Does it and prints what became of each thing: NDJSON and CSV as it ends, so that what is done is
 * told whatever comes next; a table and JSON when all is over, in the order of the file. An
 * interruption finishes what is in hand and is thrown once all is told; output that cannot be
 * written ends it in the same way.
 */
export function carryOut<Item>(
  session: Session,
  undertaking: Undertaking<Item>,
): Promise<ExitCode> {
  return new CarryOut(session, undertaking).run()
}

class CarryOut<Item> {
  readonly #session: Session
  readonly #undertaking: Undertaking<Item>
  readonly #ended = new Map<Item, OutcomeRow>()
  /** Rows that are printed as they come; undefined for forms that need all of them. */
  readonly #live: PassThrough | undefined
  /** Known once somebody has interrupted. */
  #inHand: readonly Item[] = []
  readonly #cutOff = new AbortController()

  constructor(session: Session, undertaking: Undertaking<Item>) {
    this.#session = session
    this.#undertaking = undertaking
    const { format } = session.output
    const asTheyEnd = format === 'ndjson' || format === 'csv'
    this.#live = asTheyEnd ? new PassThrough({ objectMode: true }) : undefined
  }

  async run(): Promise<ExitCode> {
    const { what } = this.#undertaking
    const { output } = this.#session
    this.#session.resumeWith(`what is done stays done: ${RESUME}`)
    const unwritable = new AbortController()
    const printed = this.#live && output.rows(this.#live, outcomeColumns(what), { live: true })
    printed?.catch((error: unknown) => unwritable.abort(error))
    const stop = AbortSignal.any([this.#session.signal, unwritable.signal])
    let broken: { readonly error: unknown } | undefined
    {
      using _ = this.#session.onEndAtOnce(() => this.#tellAtOnce())
      broken = await this.#runItems(stop).catch((error: unknown) => ({ error }))
    }
    const rows = this.#rows()
    if (printed === undefined) await output.rows(rows, outcomeColumns(what))
    else {
      for (const row of this.#openRows().values()) this.#print(row)
      this.#live?.end()
      await printed
    }
    if (broken) throw broken.error
    return await this.#conclude(rows)
  }

  async #runItems(stop: AbortSignal): Promise<undefined> {
    let timer: NodeJS.Timeout | undefined
    const finish = (): void => {
      this.#inHand = this.#openItems().slice(0, this.#undertaking.concurrency)
      timer = setTimeout(() => this.#cutOff.abort(stop.reason), FINISHING_MS)
      if (this.#session.signal.aborted) void this.#session.note(this.#finishing())
    }
    stop.addEventListener('abort', finish)
    try {
      await this.#undertaking.run({
        stop,
        signal: this.#cutOff.signal,
        onEnd: (item, ended) => this.#end(item, ended),
      })
    } catch (error) {
      if (this.#cutOff.signal.aborted) return
      this.#inHand = this.#openItems().slice(0, this.#undertaking.concurrency)
      throw error
    } finally {
      stop.removeEventListener('abort', finish)
      clearTimeout(timer)
    }
  }

  #finishing(): string {
    const { length } = this.#inHand
    const things = length === 1 ? this.#undertaking.thing : `${this.#undertaking.thing}s`
    return `finishing ${length} ${things} in hand, for ${FINISHING_MS / 1_000} seconds at most; press Ctrl-C again to end at once`
  }

  #end(item: Item, ended: EndedItem): void {
    const { items, nameOf, thing } = this.#undertaking
    const row = outcomeRow(nameOf(item), ended)
    this.#ended.set(item, row)
    this.#print(row)
    this.#session.progress.show(`${this.#ended.size} of ${items.length} ${thing}s`)
  }

  #rows(): readonly OutcomeRow[] {
    const open = this.#openRows()
    return this.#undertaking.items.flatMap((item) => this.#ended.get(item) ?? open.get(item) ?? [])
  }

  /** Items are begun in their order: of those that have not ended the first ones are in hand. */
  #openItems(): readonly Item[] {
    return this.#undertaking.items.filter((item) => !this.#ended.has(item))
  }

  #openRows(): ReadonlyMap<Item, OutcomeRow> {
    const inHand = new Set(this.#inHand)
    const rows = this.#openItems().map((item): [Item, OutcomeRow] => {
      const outcome = inHand.has(item) ? 'interrupted' : 'not-started'
      return [item, { name: this.#undertaking.nameOf(item), outcome, changes: [] }]
    })
    return new Map(rows)
  }

  #print(row: OutcomeRow): void {
    if (this.#live?.destroyed === false) this.#live.write(row)
  }

  #tellAtOnce(): void {
    const { output } = this.#session
    const columns = outcomeColumns(this.#undertaking.what)
    const headed = this.#live === undefined || this.#ended.size === 0
    const rows = this.#rows()
    output.rowsAtOnce(this.#live ? [...this.#openRows().values()] : rows, columns, { headed })
    this.#session.resumeWith(summaryOf(rows, RESUME))
  }

  async #conclude(rows: readonly OutcomeRow[]): Promise<ExitCode> {
    const { signal } = this.#session
    if (signal.aborted) {
      this.#session.resumeWith(summaryOf(rows, RESUME))
      throw signal.reason
    }
    const exitCode = exitCodeOfOutcomes(rows)
    const next = 'run the same command again once the errors are mended'
    const summary = summaryOf(rows, next)
    if (summary !== next) await this.#session.note(summary)
    return exitCode
  }
}
