import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Failure } from '../domain/failure.ts'

/** Smaller answers are not counted: the parser takes no more requests than a few of those fill. */
const COUNTED_BYTES = 4 * 1024

export type UnreadLimits = {
  /** Bytes that may await reading over all connections of a listener. */
  readonly maxBytes: number
  /** How long a connection may take to read an answer. */
  readonly deadlineMs: number
}

const LIMITS: UnreadLimits = { maxBytes: 64 * 1024 * 1024, deadlineMs: 60_000 }

type Unread = { bytes: number; readonly timer: NodeJS.Timeout; readonly forget: () => void }

/**
 * Answers that were written and have not been read. Whoever asks and never reads would have the
 * service hold them without end: beyond a limit none is added, and a connection that takes too long
 * is cut.
 */
export class UnreadAnswers {
  readonly #limits: UnreadLimits
  readonly #bySocket = new Map<Socket, Unread>()
  #bytes = 0

  constructor(limits: UnreadLimits = LIMITS) {
    this.#limits = limits
  }

  /**
   * To be called with an answer's size before it is written. Throws `overloaded` when too much is
   * unread already; small answers are always let through.
   */
  add(response: ServerResponse, socket: Socket, bytes: number): void {
    if (bytes < COUNTED_BYTES || socket.destroyed) return
    if (this.#bytes + bytes > this.#limits.maxBytes) {
      const message = 'too much of what was answered has not been read yet'
      throw new Failure('overloaded', message, { retryAfterSeconds: 1 })
    }
    this.#bytes += bytes
    this.#unreadOf(socket).bytes += bytes
    response.once('close', () => this.#release(socket, bytes))
  }

  #unreadOf(socket: Socket): Unread {
    const known = this.#bySocket.get(socket)
    if (known) return known
    const timer = setTimeout(() => socket.destroy(), this.#limits.deadlineMs)
    // Answers that wait behind another one are not told when their connection ends.
    const forget = (): void => this.#release(socket, Infinity)
    const unread = { bytes: 0, timer: timer.unref(), forget }
    socket.once('close', forget)
    this.#bySocket.set(socket, unread)
    return unread
  }

  #release(socket: Socket, bytes: number): void {
    const unread = this.#bySocket.get(socket)
    if (!unread) return
    const released = Math.min(bytes, unread.bytes)
    unread.bytes -= released
    this.#bytes -= released
    if (unread.bytes > 0) {
      unread.timer.refresh()
      return
    }
    clearTimeout(unread.timer)
    socket.removeListener('close', unread.forget)
    this.#bySocket.delete(socket)
  }
}
