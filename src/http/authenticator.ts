import { Failure } from '../domain/failure.ts'
import { SCOPES } from '../domain/principal.ts'
import type { ApiKey, Principal } from '../domain/principal.ts'
import { createKeySet, sameText } from './api-keys.ts'
import { createTokenVerifier, looksLikeJwt } from './jwt.ts'
import type { JwtOptions } from './jwt.ts'

/** Tells who asks. */
export type Authenticator = {
  /**
   * The principal of an `Authorization` header: at once for keys and for tokens seen before. Throws
   * or rejects with `unauthenticated`, or `upstream-busy` when a token's issuer cannot be reached.
   * `connection` is what the header arrived on: the answer is remembered with it.
   */
  authenticate(
    authorization: string | undefined,
    connection: object,
  ): Principal | Promise<Principal>
}

/** An authenticator whose keys can be replaced while connections stay open. */
export type ReloadableAuthenticator = Authenticator & {
  /** Keys not among the new ones are refused from the next request on, on open connections too. */
  replaceKeys(keys: readonly ApiKey[]): void
}

export type AuthenticatorOptions = {
  readonly keys: readonly ApiKey[]
  readonly jwt?: JwtOptions | undefined
  /** Also take a key as the password of HTTP Basic, for people with a browser. */
  readonly acceptBasic?: boolean
}

type Remembered = {
  readonly header: string
  readonly principal: Principal
  /** Epoch milliseconds; Infinity for keys, which end only with their generation. */
  readonly until: number
  readonly generation: number
}

/** No key and no token that this service takes is as long as this. */
const MAX_CREDENTIALS_LENGTH = 8_192

const ANONYMOUS: Principal = { name: 'anonymous', scopes: new Set(SCOPES) }

/** `AUTH=none`: everyone may do everything. For loopback listeners only. */
export const openAuthenticator: Authenticator = { authenticate: () => ANONYMOUS }

export function createAuthenticator(options: AuthenticatorOptions): ReloadableAuthenticator {
  const tokens = options.jwt && createTokenVerifier(options.jwt)
  // A property of the connection: a WeakMap of sockets shows in every check's time.
  const memory = Symbol('caller')
  type Connection = { [memory]?: Remembered }
  let keys = createKeySet(options.keys)
  let generation = 0

  const remember = (
    connection: Connection,
    header: string,
    principal: Principal,
    until: number,
  ): Principal => {
    connection[memory] = { header, principal, until, generation }
    return principal
  }

  return {
    authenticate(header, connection) {
      if (header === undefined) throw refusal('credentials are required')
      const known = (connection as Connection)[memory]
      if (known && isCurrent(known, generation) && sameText(known.header, header)) {
        return known.principal
      }
      const secret = readSecret(header, options.acceptBasic === true)
      const key = keys.find(secret)
      if (key) return remember(connection, header, key, Infinity)
      if (!tokens || !looksLikeJwt(secret)) throw refusal('the key is not known')
      const token = tokens.remembered(secret)
      if (token) return remember(connection, header, token.principal, token.until)
      return tokens
        .verify(secret)
        .then(({ principal, until }) => remember(connection, header, principal, until))
    },
    replaceKeys(replacement) {
      keys = createKeySet(replacement)
      generation += 1
    },
  }
}

function isCurrent({ generation, until }: Remembered, current: number): boolean {
  return generation === current && (until === Infinity || until > Date.now())
}

function readSecret(header: string, acceptBasic: boolean): string {
  if (header.length <= MAX_CREDENTIALS_LENGTH) {
    const space = header.indexOf(' ')
    const scheme = header.slice(0, space).toLowerCase()
    const credentials = header.slice(space + 1).trim()
    if (scheme === 'bearer') return credentials
    if (scheme === 'basic' && acceptBasic) {
      const decoded = Buffer.from(credentials, 'base64').toString()
      return decoded.slice(decoded.indexOf(':') + 1)
    }
  }
  throw refusal('credentials of this kind are not taken')
}

function refusal(message: string): Failure {
  return new Failure('unauthenticated', message)
}
