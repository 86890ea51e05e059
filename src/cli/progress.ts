import { cutToWidth } from './display-width.ts'
import { printable } from './printable.ts'
import type { OutputStream } from './output-stream.ts'

const START_AND_CLEAR = '\r\u001b[2K'

/**
 * One line on standard error that says how far work is; on a terminal only that can take a line back.
 */
export class Progress {
  readonly #stream: OutputStream
  readonly #isDumb: boolean
  #shown = false

  /** `terminal` is its name, as in `TERM`. */
  constructor(stream: OutputStream, terminal: string | undefined) {
    this.#stream = stream
    this.#isDumb = terminal === 'dumb'
  }

  show(text: string): void {
    const { columns = 80 } = this.#stream
    if (!this.#stream.isTerminal || this.#isDumb) return
    this.#shown = true
    // Shown at once or not at all: what is said is past by the time that a full pipe takes it.
    this.#write(START_AND_CLEAR + cutToWidth(printable(text), columns - 1))
  }

  clear(): void {
    if (!this.#shown) return
    this.#shown = false
    this.#write(START_AND_CLEAR)
  }

  #write(text: string): void {
    this.#stream.write(text).catch(() => undefined)
  }
}
