import { errors } from 'undici'
import type { Dispatcher } from 'undici'

/** One HTTP request, complete but for who pays for it. */
export type OutgoingRequest = {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** What came of sending a request once. */
export type Exchange =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** Parsed JSON; undefined for an empty body, and for an error page that is no JSON. */
      readonly body: unknown
      readonly retryAfter: string | undefined
      readonly correlationId: string
    }
  /** `unsent`: no connection came about, so nothing can have been executed. */
  | { readonly kind: 'network'; readonly unsent: boolean; readonly errorCode: string }
  /** A success whose body cannot be read; `oversized`: it is larger than what we take. */
  | {
      readonly kind: 'malformed'
      readonly status: number
      readonly why: string
      readonly correlationId?: string
      readonly oversized?: boolean
    }

/** Errors from before a request is on its way. */
const UNSENT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * Sends a request once and reads the answer to its end. Redirects are answers like any other. Throws
 * nothing but the signal's reason: what the libraries throw holds the request's headers.
 */
export async function exchange(
  dispatcher: Dispatcher,
  request: OutgoingRequest,
  signal: AbortSignal,
): Promise<Exchange> {
  const { method, url, headers, body } = request
  try {
    const response = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers,
      body: body ?? null,
      signal,
    })
    const text = await response.body.text()
    const credentials = headers['authorization']?.split(' ')[1] ?? ''
    return readAnswer(response.statusCode, response.headers, text, credentials)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      return {
        kind: 'malformed',
        status: 200,
        why: 'an answer larger than 64 MiB',
        oversized: true,
      }
    }
    const errorCode = systemCode(error)
    return { kind: 'network', unsent: UNSENT_CODES.has(errorCode), errorCode }
  }
}

/** @param credentials are blotted out of an error: its page may repeat what it was sent */
function readAnswer(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  text: string,
  credentials: string,
): Exchange {
  const blot = (told: string): string =>
    status < 400 || credentials === '' ? told : told.replaceAll(credentials, '[secret]')
  const body = parseJson(blot(text))
  const correlationId = bounded(blot(single(headers['inin-correlation-id']) ?? ''))
  if (status >= 200 && status < 300 && body === BROKEN) {
    return { kind: 'malformed', status, why: 'an answer that is no JSON', correlationId }
  }
  return {
    kind: 'answered',
    status,
    body: body === BROKEN ? undefined : body,
    retryAfter: single(headers['retry-after']),
    correlationId,
  }
}

const BROKEN = Symbol('no JSON')

function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return BROKEN
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** The code of the first error in the chain that has one. */
function systemCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    if ('code' in at && typeof at.code === 'string') return bounded(at.code)
    at = at instanceof AggregateError ? (at.errors as unknown[])[0] : at.cause
  }
  return 'unknown'
}

/** What others wrote is shown in part, and printable. */
export function bounded(text: string, length = 200): string {
  const printable = text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ').trim()
  const shown = printable.length > length ? `${printable.slice(0, length)}…` : printable
  // Half a character is no text to databases and to canonical JSON.
  return shown.toWellFormed()
}
