import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { JsonWebKeyInput, KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { calculateJwkThumbprint, SignJWT } from 'jose'
import type { JWK } from 'jose'
import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import { Secret } from '../../domain/secret.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetadataSchema } from './authzen-schemas.ts'

/** Where metadata is found, before the path of the public URL. */
export const WELL_KNOWN = '/.well-known/authzen-configuration'

/** What this service does beyond the standard; names of its own, for none are registered yet. */
const CAPABILITIES = [
  // `context.options.explain` in a request, `paths` in the answer.
  'urn:genesys-permission-check:capability:explain',
  // All pages of a search come from one revision of the matrix.
  'urn:genesys-permission-check:capability:revision-paging',
]

/** The metadata of a decision point, and the path under which it is found. */
export type Metadata = {
  readonly path: string
  readonly parameters: Static<typeof MetadataSchema>
}

export type MetadataOptions = {
  /** Base of every address; the standard takes https alone, for callers trust the rest by it. */
  readonly publicUrl: URL | undefined
  /** Path of a private key, PEM or JWK, that signs the metadata too. */
  readonly signingKeyFile: string | undefined
}

/**
 * The metadata, or undefined with a line in the log that says why. Throws `invalid` for a key that
 * nothing can be signed with.
 */
export async function openMetadata(
  { publicUrl, signingKeyFile }: MetadataOptions,
  logger: Pick<Logger, 'info'>,
): Promise<Metadata | undefined> {
  if (publicUrl?.protocol === 'https:') {
    const key = signingKeyFile === undefined ? undefined : await readSecret(signingKeyFile)
    return await createMetadata(publicUrl, key)
  }
  const reason = publicUrl === undefined ? 'is not set' : 'is not an https URL'
  logger.info({ publicUrl: publicUrl?.href }, `there is no AuthZEN metadata: PUBLIC_URL ${reason}`)
  return undefined
}

async function readSecret(path: string): Promise<Secret> {
  try {
    return new Secret(await readFile(path, 'utf8'))
  } catch (error) {
    throw unusable(`cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** Nothing in it comes from a request. */
async function createMetadata(
  { origin, pathname }: URL,
  signingKey: Secret | undefined,
): Promise<Metadata> {
  // A URL always has a path; the address of a decision point ends without a slash.
  const path = pathname === '/' ? '' : pathname
  const base = origin + path
  const parameters = {
    policy_decision_point: base,
    access_evaluation_endpoint: `${base}/access/v1/evaluation`,
    access_evaluations_endpoint: `${base}/access/v1/evaluations`,
    search_subject_endpoint: `${base}/access/v1/search/subject`,
    search_resource_endpoint: `${base}/access/v1/search/resource`,
    search_action_endpoint: `${base}/access/v1/search/action`,
    capabilities: CAPABILITIES,
  }
  const signed = signingKey && { signed_metadata: await sign(parameters, base, signingKey) }
  return { path: WELL_KNOWN + path, parameters: { ...parameters, ...signed } }
}

/**
 * A JWS with the public key in its header: whoever verifies it needs no other address, and trusts
 * the key by its thumbprint, the `kid`.
 */
async function sign(parameters: object, issuer: string, secret: Secret): Promise<string> {
  const { key, alg } = readSigningKey(secret)
  const jwk = createPublicKey(key).export({ format: 'jwk' }) as JWK
  return await new SignJWT({ ...parameters })
    .setProtectedHeader({ alg, typ: 'JWT', kid: await calculateJwkThumbprint(jwk), jwk })
    .setIssuer(issuer)
    .setIssuedAt()
    .sign(key)
}

const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
/** Below this an RSA signature is not worth having (RFC 7518, 3.3). */
const MIN_RSA_BITS = 2_048

function readSigningKey(secret: Secret): { key: KeyObject; alg: string } {
  const key = parseKey(secret.reveal())
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ed25519') return { key, alg: 'EdDSA' }
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return { key, alg: 'PS256' }
  const alg = type === 'ec' ? CURVE_ALGORITHMS[details?.namedCurve ?? ''] : undefined
  if (alg !== undefined) return { key, alg }
  throw unusable('holds a key of a kind that is not signed with')
}

function parseKey(text: string): KeyObject {
  try {
    if (!text.trimStart().startsWith('{')) return createPrivateKey(text)
    const key = JSON.parse(text) as JsonWebKeyInput['key']
    return createPrivateKey({ key, format: 'jwk' })
  } catch {
    // Without the cause: it may quote the key.
    throw unusable('holds no private key in PEM or JWK')
  }
}

function unusable(words: string): Failure {
  return new Failure('invalid', `configuration: AUTHZEN_SIGNING_KEY_FILE ${words}`)
}
