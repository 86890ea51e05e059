import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Secret } from '../domain/secret.ts'
import { adviseOnConnection } from './connection-advice.ts'
import { reader } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import { problemOf } from './service-problem.ts'
import type { Plane } from './service-problem.ts'
import { systemCode } from './system-code.ts'

/** Exchanges of one read at most, those apart that a rate refused. */
const MAX_ATTEMPTS = 3
/** Whoever is told to wait longer is told so, and not kept waiting. */
const MAX_PAUSE_SECONDS = 10
/** So long is waited, all in all, for a rate to have room again. */
const MAX_RATE_WAIT_MS = 5 * 60_000
const LEAST_RATE_PAUSE_SECONDS = 0.25
const MAX_PAGE = 1_000
/** Error codes of connections that ended under a request: a read may simply be sent again. */
const BROKEN_CONNECTION = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])
/** What may have passed a little later, when the answer says how much. */
const PASSING: ReadonlySet<FailureCode> = new Set([
  'rate-limited',
  'overloaded',
  'not-ready',
  'store-unavailable',
  'upstream-busy',
])

const READ: Attempts = { most: MAX_ATTEMPTS, mayRepeat: ({ code }) => PASSING.has(code) }
/** A rate is looked at before anything else: what it refused was not done. */
const CHANGE: Attempts = { most: MAX_ATTEMPTS, mayRepeat: ({ code }) => code === 'rate-limited' }
const NEVER_AGAIN: Attempts = { most: 1, mayRepeat: () => false }

type Query = Readonly<Record<string, string | number | boolean | undefined>>

export type ServiceClientOptions = {
  readonly plane: Plane
  /** Of the plane's root: paths are put behind it. */
  readonly url: URL
  /** Left out for what is open to all. */
  readonly key?: Secret | undefined
  readonly dispatcher: Dispatcher
  /** Bound of one exchange. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Is told why nothing happens for a while. */
  readonly onWait: (text: string) => void
}

export type Sent = {
  readonly query?: Query
  /** Sent as JSON; a text as what `type` says. */
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** False where waiting and asking again would hide what is asked for. */
  readonly retry?: boolean
  /** For what may take longer than a request should: the bound is at least this. */
  readonly leastTimeoutMs?: number
}

export type Listed = {
  readonly query?: Query
  /** Items at most; all without. */
  readonly limit?: number | undefined
}

/** What came of a request that changes something. */
export type Told<Value> = {
  readonly value: Value
  /** False where the service had it already (200), and did nothing. */
  readonly isNew: boolean
}

type Answer = { readonly status: number; readonly body: unknown }
/** One request, with its bound. */
type Exchange = {
  readonly requestId: string
  readonly timeoutMs: number
  readonly late: AbortSignal
}
type Response = Awaited<ReturnType<Dispatcher['request']>>
type Attempts = {
  readonly most: number
  readonly mayRepeat: (error: Failure) => boolean
}

/**
 * One plane of the service. Every answer is held to the members that its reader asks for. Reads that
 * meet a busy service or a broken connection are repeated a few times; what changes something only
 * where it was surely not done, or bears a key under which it is done once. Throws `Failure`, or the
 * signal's reason.
 */
export class ServiceClient {
  readonly #options: ServiceClientOptions

  constructor(options: ServiceClientOptions) {
    this.#options = options
  }

  get origin(): string {
    return this.#options.url.origin
  }

  /** Reads a thing. */
  async get<Value>(path: string, read: Reader<Value>, sent: Sent = {}): Promise<Value> {
    const attempts = sent.retry === false ? NEVER_AGAIN : READ
    return (await this.#ask('GET', path, read, sent, attempts)).value
  }

  /** Asks a question that is too long for a URL: it changes nothing, and may be asked again. */
  async query<Value>(path: string, read: Reader<Value>, sent: Sent): Promise<Value> {
    return (await this.#ask('POST', path, read, sent, READ)).value
  }

  /** Changes something: done once. */
  async post<Value>(path: string, read: Reader<Value>, sent: Sent = {}): Promise<Value> {
    return (await this.#ask('POST', path, read, sent, CHANGE)).value
  }

  /** The same, telling whether the service had it already. */
  async send<Value>(path: string, read: Reader<Value>, sent: Sent = {}): Promise<Told<Value>> {
    const keyed = sent.headers?.['idempotency-key'] !== undefined
    const { status, value } = await this.#ask('POST', path, read, sent, keyed ? READ : CHANGE)
    return { value, isNew: status !== 200 }
  }

  /** A file as it comes, in pieces; asked for once. A connection that ends early is an error. */
  async *text(path: string, sent: Sent = {}): AsyncGenerator<string> {
    const exchange = this.#begin(sent)
    try {
      const { body } = await this.#request('GET', path, sent, exchange)
      body.setEncoding('utf8')
      for await (const piece of body) yield piece as string
    } catch (error) {
      throw this.#failureOf(error, exchange)
    }
  }

  /**
   * The items of a listing, page after page to the end, or to `limit` items. Throws
   * `upstream-broken` when a cursor comes twice: the listing would go round for ever.
   */
  async *items<Value>(
    path: string,
    readItem: Reader<Value>,
    { query = {}, limit = Infinity }: Listed = {},
  ): AsyncGenerator<Value> {
    const seen = new Set<string>()
    let left = limit
    let cursor: string | undefined
    while (left > 0) {
      const page = { ...query, limit: Math.min(left, MAX_PAGE), cursor }
      const { items, nextCursor } = await this.get(path, readPage, { query: page })
      for (const item of items.slice(0, left)) yield readItem(item, `an item of ${path}`)
      left -= items.length
      if (nextCursor === undefined) return
      if (seen.has(nextCursor)) {
        throw new Failure(
          'upstream-broken',
          `${path} gave the same page twice: nothing is complete`,
        )
      }
      seen.add(nextCursor)
      cursor = nextCursor
    }
  }

  async #ask<Value>(
    method: 'GET' | 'POST',
    path: string,
    read: Reader<Value>,
    sent: Sent,
    attempts: Attempts,
  ): Promise<{ readonly status: number; readonly value: Value }> {
    const giveUpAt = performance.now() + MAX_RATE_WAIT_MS
    for (let attempt = 1; ;) {
      try {
        const { status, body } = await this.#exchange(method, path, sent)
        return { status, value: read(body, `the answer to ${method} ${path}`) }
      } catch (error) {
        // A rate says when there is room: that is bounded by time, and no attempt that failed.
        const isLimited = isRateLimited(error) && performance.now() < giveUpAt
        const mayRepeat = attempts.most > 1 && (isLimited || attempt < attempts.most)
        const pause = mayRepeat ? pauseAfter(error, attempts) : undefined
        if (pause === undefined) throw error
        if (!isLimited) attempt += 1
        this.#options.onWait(`${(error as Failure).message}; asking again in ${pause} s`)
        const { signal } = this.#options
        await delay(pause * 1_000, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }

  async #exchange(method: 'GET' | 'POST', path: string, sent: Sent): Promise<Answer> {
    const exchange = this.#begin(sent)
    try {
      const {
        statusCode: status,
        headers,
        body,
      } = await this.#request(...([method, path, sent, exchange] as const))
      const value = parseJson(await body.text())
      if (value === undefined) throw this.#notJson(headers['content-type']?.toString())
      return { status, body: value }
    } catch (error) {
      throw this.#failureOf(error, exchange)
    }
  }

  #begin({ leastTimeoutMs = 0 }: Sent): Exchange {
    const timeoutMs = Math.max(this.#options.timeoutMs, leastTimeoutMs)
    const requestId = `permctl-${randomBytes(9).toString('base64url')}`
    return { requestId, timeoutMs, late: AbortSignal.timeout(timeoutMs) }
  }

  /** The answer of a request that went well, its body unread. */
  async #request(
    method: 'GET' | 'POST',
    path: string,
    sent: Sent,
    { requestId, late }: Exchange,
  ): Promise<Response> {
    const { dispatcher, signal, url, plane } = this.#options
    const response = await dispatcher.request({
      origin: url.origin,
      path: url.pathname.replace(/\/$/, '') + path + queryText(sent.query),
      method,
      headers: this.#headers(requestId, sent),
      body: bodyText(sent),
      signal: AbortSignal.any([signal, late]),
      // Bounded as a whole: the library's own bounds are shorter than what may be asked for.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const { statusCode: status, headers } = response
    if (status >= 200 && status < 300) return response
    const body = parseJson(await response.body.text())
    const answer = {
      ...{ status, body },
      retryAfter: headers['retry-after']?.toString(),
      location: headers['location']?.toString(),
      contentType: headers['content-type']?.toString(),
    }
    throw problemOf(answer, { plane, origin: url.origin, requestId })
  }

  /** What went wrong, as a failure; throws the signal's reason when that was it. */
  #failureOf(error: unknown, { late, timeoutMs }: Exchange): Failure {
    if (error instanceof Failure) return error
    this.#options.signal.throwIfAborted()
    return this.#unreachable(error, late.aborted ? timeoutMs : undefined)
  }

  #headers(requestId: string, { body, type, headers }: Sent): Record<string, string> {
    const { key } = this.#options
    return {
      accept: 'application/json',
      'x-request-id': requestId,
      ...(key === undefined ? {} : { authorization: `Bearer ${key.reveal()}` }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      ...headers,
    }
  }

  /** A success that is not of the service: a portal, a proxy's own page. */
  #notJson(type = 'no content type'): Failure {
    const { plane, url } = this.#options
    const advice = `does PERMCTL_${plane.toUpperCase()}_URL lead to the service?`
    const message = `the ${plane} plane at ${url.origin} answered no JSON (${type.slice(0, 100)}): ${advice}`
    return new Failure('upstream-broken', message)
  }

  /** Only a code is told: what the library throws may hold the request. */
  #unreachable(error: unknown, timeoutMs: number | undefined): Failure {
    const { plane, url } = this.#options
    const where = `the ${plane} plane at ${url.origin}`
    if (timeoutMs !== undefined) {
      const message = `${where} gave no answer within ${timeoutMs / 1_000} s (--timeout)`
      return new Failure('upstream-busy', message)
    }
    const code = systemCode(error)
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
      return new Failure('upstream-broken', `${where} answered more than can be taken`)
    }
    const variable = `PERMCTL_${plane.toUpperCase()}_URL`
    const advice = adviseOnConnection(code, { variable, url, authority: 'NODE_EXTRA_CA_CERTS' })
    const retry = BROKEN_CONNECTION.has(code) ? { retryAfterSeconds: 1 } : {}
    return new Failure('upstream-busy', `${where} cannot be reached (${code}): ${advice}`, retry)
  }
}

const readPage = reader({ items: 'list', nextCursor: 'string?' })

/** Seconds to wait before a request is repeated; undefined for what waiting does not mend. */
function pauseAfter(error: unknown, { mayRepeat }: Attempts): number | undefined {
  if (!(error instanceof Failure) || !mayRepeat(error)) return undefined
  const { retryAfterSeconds: seconds } = error
  if (seconds === undefined || seconds > MAX_PAUSE_SECONDS) return undefined
  return Math.max(seconds, isRateLimited(error) ? LEAST_RATE_PAUSE_SECONDS : 0)
}

function isRateLimited(error: unknown): boolean {
  return error instanceof Failure && error.code === 'rate-limited'
}

function queryText(query: Query = {}): string {
  const text = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) text.set(name, String(value))
  }
  return text.size === 0 ? '' : `?${text.toString()}`
}

function bodyText({ body, type }: Sent): string | null {
  if (body === undefined) return null
  return type !== undefined && typeof body === 'string' ? body : JSON.stringify(body)
}

/** Undefined for what is no JSON: a reader says what is missing then. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
