import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Failure } from '../domain/failure.ts'

/** Smaller answers are not counted: the parser takes no more requests than a few of those fill. */
const COUNTED_BYTES = 4 * 1024
const MIB = 1024 * 1024

export type UnreadLimits = {
  /** Bytes that may await reading over all connections of a listener. */
  readonly maxBytes: number
  /** The same of one caller, over all its connections; a single answer may be larger. */
  readonly maxCallerBytes: number
  /** The same of one connection. */
  readonly maxSocketBytes: number
  /** How long a connection may take to read an answer. */
  readonly deadlineMs: number
}

const LIMITS: UnreadLimits = {
  maxBytes: 64 * MIB,
  maxCallerBytes: 16 * MIB,
  maxSocketBytes: 8 * MIB,
  deadlineMs: 60_000,
}

/** What a request tells of who is to read its answer; callers without a name share no count. */
type Asked = {
  readonly raw: { readonly socket: Socket }
  readonly principal: { readonly name: string } | null
}

type Answer = { readonly bytes: number; readonly caller: string | undefined }

type Unread = {
  bytes: number
  readonly answers: Set<Answer>
  readonly timer: NodeJS.Timeout
  readonly forget: () => void
}

/**
 * Answers that were written and have not been read. Whoever asks and never reads would have the
 * service hold them without end: beyond a limit none is added, and a connection that takes too long
 * is cut. No connection and no caller gets more than its share, so that others find room.
 */
export class UnreadAnswers {
  readonly #limits: UnreadLimits
  readonly #bySocket = new Map<Socket, Unread>()
  readonly #byCaller = new Map<string, number>()
  #bytes = 0

  constructor(limits: UnreadLimits = LIMITS) {
    this.#limits = limits
  }

  /**
   * To be called before work is done for a large answer. Throws `overloaded` when there would be no
   * room for it.
   */
  requireRoom(request: Asked): void {
    this.#requireRoom(request, COUNTED_BYTES)
  }

  /**
   * To be called with an answer's size before it is written. Throws `overloaded` when too much is
   * unread already; small answers are always let through.
   */
  add(response: ServerResponse, request: Asked, bytes: number): void {
    if (bytes < COUNTED_BYTES || request.raw.socket.destroyed) return
    this.#requireRoom(request, bytes)
    const { socket } = request.raw
    const answer = { bytes, caller: request.principal?.name }
    const unread = this.#unreadOf(socket)
    unread.answers.add(answer)
    unread.bytes += bytes
    this.#count(answer, bytes)
    response.once('close', () => this.#release(socket, answer))
  }

  #requireRoom({ raw, principal }: Asked, bytes: number): void {
    const { maxBytes, maxCallerBytes, maxSocketBytes } = this.#limits
    const ofSocket = this.#bySocket.get(raw.socket)?.bytes ?? 0
    const ofCaller = principal === null ? 0 : (this.#byCaller.get(principal.name) ?? 0)
    const fits =
      this.#bytes + bytes <= maxBytes &&
      // Whoever has read everything may have one answer, whatever its size.
      (ofSocket === 0 || ofSocket + bytes <= maxSocketBytes) &&
      (ofCaller === 0 || ofCaller + bytes <= maxCallerBytes)
    if (fits) return
    const message = 'too much of what was answered has not been read yet'
    throw new Failure('overloaded', message, { retryAfterSeconds: 1 })
  }

  #count({ caller }: Answer, bytes: number): void {
    this.#bytes += bytes
    if (caller === undefined) return
    const ofCaller = (this.#byCaller.get(caller) ?? 0) + bytes
    if (ofCaller > 0) this.#byCaller.set(caller, ofCaller)
    else this.#byCaller.delete(caller)
  }

  #unreadOf(socket: Socket): Unread {
    const known = this.#bySocket.get(socket)
    if (known) return known
    const timer = setTimeout(() => socket.destroy(), this.#limits.deadlineMs)
    // Answers that wait behind another one are not told when their connection ends.
    const forget = (): void => {
      for (const answer of [...unread.answers]) this.#release(socket, answer)
    }
    const unread: Unread = { bytes: 0, answers: new Set(), timer: timer.unref(), forget }
    socket.once('close', forget)
    this.#bySocket.set(socket, unread)
    return unread
  }

  #release(socket: Socket, answer: Answer): void {
    const unread = this.#bySocket.get(socket)
    if (!unread?.answers.delete(answer)) return
    unread.bytes -= answer.bytes
    this.#count(answer, -answer.bytes)
    if (unread.answers.size > 0) {
      unread.timer.refresh()
      return
    }
    clearTimeout(unread.timer)
    socket.removeListener('close', unread.forget)
    this.#bySocket.delete(socket)
  }
}
