import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import { Failure } from '../domain/failure.ts'

/** A stream to write to; terminals know more. */
export type Sink = Writable & { readonly isTTY?: boolean; readonly columns?: number }

type Style = Parameters<typeof styleText>[0]

/** A disk is full, or a device broken: what was printed is only a part. */
export class OutputFailure extends Failure {
  constructor(error: NodeJS.ErrnoException) {
    const { code = 'unknown' } = error
    super('upstream-broken', `the output cannot be written (${code}): what is there is a part`)
  }
}

/**
 * Standard output or error. A reader that has gone away (`permctl … | head`) is no error: what is
 * written from then on is dropped, and {@link closed} says so.
 */
export class OutputStream {
  readonly #sink: Sink
  #closed = false
  #error: NodeJS.ErrnoException | undefined

  constructor(sink: Sink) {
    this.#sink = sink
    sink.on('error', (error: NodeJS.ErrnoException) => {
      this.#closed = true
      if (error.code !== 'EPIPE') this.#error = error
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  get isTerminal(): boolean {
    return this.#sink.isTTY === true
  }

  /** Signs in a line of the terminal; undefined for what is none. */
  get columns(): number | undefined {
    return this.isTerminal ? this.#sink.columns : undefined
  }

  /**
   * Resolves when more may be written. Throws {@link OutputFailure} once something could not be:
   * what is behind the last write only {@link flush} tells.
   */
  async write(text: string): Promise<void> {
    if (this.#error) throw new OutputFailure(this.#error)
    if (this.#closed || text === '' || this.#sink.write(text)) return
    const settled = new AbortController()
    const { signal } = settled
    const ways = ['drain', 'close', 'error'].map((name) => once(this.#sink, name, { signal }))
    await Promise.race(ways).catch(() => undefined)
    settled.abort()
    await Promise.allSettled(ways)
  }

  /** Hands over what may still be said when the process is about to end; no error comes of it. */
  writeAtOnce(text: string): void {
    if (!this.#closed) this.#sink.write(text)
  }

  /** Resolves when all is written. Throws {@link OutputFailure} when a part of it could not be. */
  async flush(): Promise<void> {
    if (!this.#closed) {
      await new Promise<void>((resolve) => {
        this.#sink.write('', (error?: NodeJS.ErrnoException | null) => {
          if (error && error.code !== 'EPIPE') this.#error ??= error
          resolve()
        })
      })
    }
    if (this.#error) throw new OutputFailure(this.#error)
  }

  /** Colours and weight as the stream takes them: NO_COLOR and FORCE_COLOR are honoured. */
  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#sink })
  }
}
