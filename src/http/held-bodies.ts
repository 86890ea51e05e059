import type { ServerResponse } from 'node:http'
import { Failure } from '../domain/failure.ts'

const MAX_BYTES = 64 * 1024 * 1024
const RETRY_AFTER_SECONDS = 2

/** What is held of one body. */
export type HeldBody = {
  /** Counts what has arrived. Throws `overloaded`, with nothing counted, when there is no room. */
  readonly add: (bytes: number) => void
  /** To be called when the body is needed no more; may be called again. */
  readonly release: () => void
}

/**
 * Large bodies that are being received, or wait until it is their turn to be read: as bytes, for what
 * a body is made into takes many times its room. What a caller only announces does not count, so that
 * slow senders keep nobody out.
 */
export class HeldBodies {
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  /**
   * Begins to hold the body of a request, until its response ends at the latest. Throws `overloaded`
   * when there is no room for it already.
   *
   * @param announced its `Content-Length`; anything else where there is none
   */
  hold(response: ServerResponse, announced: number): HeldBody {
    this.#requireRoom(announced > 0 ? announced : 0)
    let held = 0
    let released = false
    const body: HeldBody = {
      add: (bytes) => {
        if (released) return
        this.#requireRoom(bytes)
        held += bytes
        this.#bytes += bytes
      },
      release: () => {
        released = true
        this.#bytes -= held
        held = 0
      },
    }
    response.once('close', body.release)
    return body
  }

  #requireRoom(bytes: number): void {
    if (this.#bytes + bytes <= this.#maxBytes) return
    const message = 'too many large requests wait for their turn'
    throw new Failure('overloaded', message, { retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}
