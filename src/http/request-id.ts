import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const MAX_LENGTH = 128
/** Printable ASCII without spaces: what may go into a header and a log line as it is. */
const PRINTABLE = /^[\x21-\x7e]+$/

/** Unique across processes by its prefix, within one by counting: a UUID for each would cost more. */
const prefix = `${randomBytes(9).toString('base64url')}-`
let counter = 0

/** The caller's `X-Request-ID` when it is safe to echo, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id']
  if (typeof given === 'string' && given.length <= MAX_LENGTH && PRINTABLE.test(given)) return given
  counter += 1
  return prefix + counter.toString(36)
}
