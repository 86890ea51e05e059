import { printable } from './printable.ts'
import type { OutputStream } from './output-stream.ts'

const START_AND_CLEAR = '\r\u001b[2K'

/** One line on standard error that says how far work is; on a terminal only. */
export class Progress {
  readonly #stream: OutputStream
  #shown = false

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  show(text: string): void {
    const { columns = 80 } = this.#stream
    if (!this.#stream.isTerminal) return
    this.#shown = true
    // Shown at once or not at all: what is said is past by the time that a full pipe takes it.
    this.#write(START_AND_CLEAR + printable(text).slice(0, columns - 1))
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
