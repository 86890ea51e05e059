import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const MAX_LENGTH = 128
/** Printable ASCII without spaces: what may go into a header and a log line as it is. */
const PRINTABLE = /^[\x21-\x7e]+$/

/** Paths of the AuthZEN standard, where ids are any text (Authorization API 1.0, 10.1.3). */
export const AUTHZEN_PATH = /^(https?:\/\/[^/]*)?\/access\//i
const MAX_AUTHZEN_LENGTH = 1_024
/** With spaces, which a header may hold; other bytes have no meaning that all parties share. */
const AUTHZEN_TEXT = /^[\x20-\x7e]+$/

/** Unique across processes by its prefix, within one by counting: a UUID for each would cost more. */
const prefix = `${randomBytes(9).toString('base64url')}-`
let counter = 0

/**
 * The caller's `X-Request-ID` when it is safe to echo, else a new one: up to 128 characters of
 * printable ASCII without spaces; on the paths of AuthZEN up to 1,024 with spaces.
 */
export function requestIdOf({ headers, url }: Pick<IncomingMessage, 'headers' | 'url'>): string {
  const given = headers['x-request-id']
  if (typeof given === 'string' && mayEcho(given, url)) return given
  counter += 1
  return prefix + counter.toString(36)
}

function mayEcho(id: string, url = ''): boolean {
  if (id.length <= MAX_LENGTH && PRINTABLE.test(id)) return true
  return id.length <= MAX_AUTHZEN_LENGTH && AUTHZEN_TEXT.test(id) && AUTHZEN_PATH.test(url)
}
