import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import { LRUCache } from 'lru-cache'
import { Failure } from '../domain/failure.ts'
import { SCOPES } from '../domain/principal.ts'
import type { Principal, Scope } from '../domain/principal.ts'

export type JwtOptions = {
  readonly issuer: string
  readonly audience: string
  /** How long the issuer may take for each answer, in milliseconds; default 3,000. */
  readonly fetchTimeoutMs?: number | undefined
}

/** Who a token speaks for, and until when (epoch milliseconds) that may be remembered. */
type VerifiedToken = { readonly principal: Principal; readonly until: number }

export type TokenVerifier = {
  /** Known already and still good; undefined means {@link TokenVerifier.verify} has to look. */
  remembered(token: string): VerifiedToken | undefined
  /** Throws `unauthenticated` for a bad token, `upstream-busy` when the keys cannot be had. */
  verify(token: string): Promise<VerifiedToken>
}

/** Asymmetric only: with a symmetric one, whoever may verify could also sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
const CLOCK_TOLERANCE_SECONDS = 5
const MAX_REMEMBERED = 1_000
const MAX_REMEMBERED_MS = 5 * 60_000
const FETCH_TIMEOUT_MS = 3_000
/** Within this after a failed discovery the issuer is not asked again. */
const DISCOVERY_COOLDOWN_MS = 5_000
const KEYS_COOLDOWN_MS = 30_000
const KEYS_MAX_AGE_MS = 10 * 60_000
const NAME = /^[\x20-\x7e]{1,200}$/

/** Three parts with dots between: what is worth asking the issuer about. */
export function looksLikeJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)
}

/** Verifies access tokens of one OpenID issuer, whose keys are found through its discovery document. */
export function createTokenVerifier(options: JwtOptions): TokenVerifier {
  const { issuer, audience, fetchTimeoutMs = FETCH_TIMEOUT_MS } = options
  const verified = new LRUCache<string, VerifiedToken>({ max: MAX_REMEMBERED })
  const keys = createKeySource(issuer, fetchTimeoutMs)
  return {
    remembered(token) {
      const known = verified.get(token)
      return known && known.until > Date.now() ? known : undefined
    },
    async verify(token) {
      const payload = await verifyToken(token, await keys(), issuer, audience)
      const now = Date.now()
      const expiry = (payload.exp ?? 0) * 1000
      const result = {
        principal: principalOf(payload),
        until: Math.min(expiry, now + MAX_REMEMBERED_MS),
      }
      verified.set(token, result)
      return result
    },
  }
}

async function verifyToken(
  token: string,
  keys: JWTVerifyGetKey,
  issuer: string,
  audience: string,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp'],
    })
    return payload
  } catch (error) {
    throw isVerdict(error) ? refused(error) : unreachable(error)
  }
}

/** True when the token is at fault; false when the keys could not be read. */
function isVerdict(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return false
  // jose throws its bare base class when the key set's answer is not 200 or not JSON.
  return !(
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === 'ERR_JOSE_GENERIC'
  )
}

function refused(cause: unknown): Failure {
  return new Failure('unauthenticated', 'the token is not valid here', { cause })
}

function unreachable(cause: unknown): Failure {
  const message = "the issuer's keys cannot be read just now, so no token can be verified"
  return new Failure('upstream-busy', message, { cause, retryAfterSeconds: 5 })
}

function principalOf(payload: JWTPayload): Principal {
  const { sub, client_id: clientId, azp, scope, scp } = payload
  const name = [sub, clientId, azp].find((claim) => typeof claim === 'string' && NAME.test(claim))
  if (typeof name !== 'string') {
    throw new Failure('unauthenticated', 'the token names nobody: sub, client_id or azp is needed')
  }
  const granted = new Set(
    [scope, scp].flatMap((claim) => {
      if (typeof claim === 'string') return claim.split(' ')
      return Array.isArray(claim) ? (claim as unknown[]) : []
    }),
  )
  return { name, scopes: new Set(SCOPES.filter((known: Scope) => granted.has(known))) }
}

/** Finds the issuer's keys once; a failed attempt is repeated only after a pause. */
function createKeySource(issuer: string, timeoutMs: number): () => Promise<JWTVerifyGetKey> {
  let source: Promise<JWTVerifyGetKey> | undefined
  return () => {
    if (!source) {
      const attempt = discover(issuer, timeoutMs)
      source = attempt
      attempt.catch(() => {
        setTimeout(() => (source = undefined), DISCOVERY_COOLDOWN_MS).unref()
      })
    }
    return source
  }
}

async function discover(issuer: string, timeoutMs: number): Promise<JWTVerifyGetKey> {
  try {
    const address = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(address, { signal, redirect: 'error' })
    if (!response.ok) throw new Error(`discovery answered ${response.status}`)
    const document = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
    if (document.issuer !== issuer) throw new Error('discovery names another issuer')
    const keys = new URL(String(document.jwks_uri))
    // A downgrade would let whoever is on the wire choose the keys.
    if (keys.protocol !== new URL(issuer).protocol && keys.protocol !== 'https:') {
      throw new Error('discovery names keys of another protocol')
    }
    return createRemoteJWKSet(keys, {
      timeoutDuration: timeoutMs,
      cooldownDuration: KEYS_COOLDOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
    })
  } catch (error) {
    throw unreachable(error)
  }
}
