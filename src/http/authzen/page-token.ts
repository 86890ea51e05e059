import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Failure } from '../../domain/failure.ts'

/** What a request says of its page besides the token, as it was sent. */
type PageAsked = { readonly limit: number | undefined; readonly properties: unknown }

/** What the first request of a search said of its page; the properties as their fingerprint. */
export type FirstPage = { readonly limit: number | undefined; readonly properties: string }

/** Where a search goes on: in which matrix, from which position, and with what pages. */
type PagePlace = {
  readonly revision: number
  readonly position: number
  readonly page: FirstPage
}

/** Gives out page tokens, and reads those that it gave. */
export type PageTokens = {
  write(place: PagePlace, question: unknown): string
  /**
   * Throws `invalid` for a token that was changed, is too old, or is of another question. A request
   * that says nothing of limit or properties has those of the first; what it says must be the same.
   */
  read(token: string, question: unknown, asked: PageAsked): PagePlace
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
    write({ revision, position, page }, question) {
      const place: TokenPlace = [
        revision,
        position,
        now() + MAX_AGE_MS,
        fingerprint(question),
        page.limit ?? null,
        page.properties,
      ]
      const text = `${keyName}.${Buffer.from(JSON.stringify(place)).toString('base64url')}`
      return `${text}.${sign(text).toString('base64url')}`
    },
    read(token, question, asked) {
      const [name = '', place = '', signature = '', ...more] =
        token.length <= MAX_TOKEN_LENGTH ? token.split('.') : []
      if (signature === '' || more.length > 0) throw refused('is not one that was given here')
      if (name !== keyName) throw refused('has expired: begin the search again')
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(`${name}.${place}`)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw refused('is not one that was given here')
      }
      const [revision, position, expiresAt, searched, limit, properties] = JSON.parse(
        Buffer.from(place, 'base64url').toString(),
      ) as TokenPlace
      if (now() > expiresAt) throw refused('has expired: begin the search again')
      if (searched !== fingerprint(question)) {
        throw refused('is of another search: nothing but the token may change between pages')
      }
      if (asked.limit !== undefined && asked.limit !== limit) throw changed('page/limit')
      if (asked.properties !== undefined && fingerprint(asked.properties) !== properties) {
        throw changed('page/properties')
      }
      return { revision, position, page: { limit: limit ?? undefined, properties } }
    },
  }
}

/** What tokens are to keep of the first request's page. */
export function firstPage({ limit, properties = null }: PageAsked): FirstPage {
  return { limit, properties: fingerprint(properties) }
}

/** Revision, position, time of expiry, fingerprint of the question; limit, fingerprint of properties. */
type TokenPlace = [number, number, number, string, number | null, string]

function changed(field: string): Failure {
  return new Failure('invalid', `${field} must stay the same from page to page`, { field })
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
