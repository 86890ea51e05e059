import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Failure } from '../../domain/failure.ts'

/** Where a search goes on: in which matrix, from which position, and with how many hits a page. */
type PagePlace = {
  readonly revision: number
  readonly position: number
  readonly limit: number
}

/** Gives out page tokens, and reads those that it gave. */
export type PageTokens = {
  write(place: PagePlace, question: unknown): string
  /** Throws `invalid` for a token that was changed, is too old, or is of another question. */
  read(token: string, question: unknown): PagePlace
}

/** As long as an old matrix is held. */
const MAX_AGE_MS = 15 * 60_000
const MAX_TOKEN_LENGTH = 512
const KEY_BYTES = 32
const KEY_NAME_LENGTH = 8

/**
 * Tokens signed with a key of this process. Which revision and position a token names is for nobody
 * else to choose: old matrices hold what has been taken away since.
 */
export function createPageTokens(now: () => number = Date.now): PageTokens {
  const key = randomBytes(KEY_BYTES)
  // Tells a token of another process, or of the one before a restart, from one that was changed.
  const keyName = randomBytes(KEY_BYTES).toString('base64url').slice(0, KEY_NAME_LENGTH)
  const sign = (text: string): Buffer => createHmac('sha256', key).update(text).digest()
  return {
    write({ revision, position, limit }, question) {
      const place = [revision, position, limit, now() + MAX_AGE_MS, fingerprint(question)]
      const text = `${keyName}.${Buffer.from(place.join('.')).toString('base64url')}`
      return `${text}.${sign(text).toString('base64url')}`
    },
    read(token, question) {
      const [name = '', place = '', signature = '', ...more] =
        token.length <= MAX_TOKEN_LENGTH ? token.split('.') : []
      if (signature === '' || more.length > 0) throw refused('is not one that was given here')
      if (name !== keyName) throw refused('has expired: begin the search again')
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(`${name}.${place}`)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw refused('is not one that was given here')
      }
      const parts = Buffer.from(place, 'base64url').toString('latin1').split('.')
      const [revision, position, limit, expiresAt] = parts.map(Number) as [
        number,
        number,
        number,
        number,
      ]
      if (now() > expiresAt) throw refused('has expired: begin the search again')
      if (parts[4] !== fingerprint(question)) {
        throw refused('is of another search: nothing but the token may change between pages')
      }
      return { revision, position, limit }
    },
  }
}

function refused(message: string): Failure {
  return new Failure('invalid', `page/token ${message}`, { field: 'page/token' })
}

/** The same for the same question, in whatever order its members stand. */
function fingerprint(question: unknown): string {
  const text = JSON.stringify(question, (_name, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(entries)
  })
  return createHash('sha256').update(text).digest('base64url')
}
