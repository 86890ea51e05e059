import { Failure } from './failure.ts'
import { Secret } from './secret.ts'

/** Everything that a caller may be allowed to ask of the service itself. */
export const SCOPES = ['check', 'admin:read', 'admin:write', 'metrics'] as const
export type Scope = (typeof SCOPES)[number]

/** Scopes of a key that names none: all of its plane. */
export const CHECK_SCOPES: readonly Scope[] = ['check']
export const ADMIN_SCOPES: readonly Scope[] = ['admin:read', 'admin:write', 'metrics']

/** Who asks. The name is a key's name or a token's subject; it is the actor in the audit trail. */
export type Principal = { readonly name: string; readonly scopes: ReadonlySet<Scope> }

export type ApiKey = Principal & { readonly secret: Secret }

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
/** Actors of the audit trail that are nobody's key: what the service and the platform do themselves. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['service', 'sunset', 'platform', 'schedule'])
/** What an Authorization header can carry as a bearer token (RFC 6750 §2.1). */
const SECRET = /^[A-Za-z0-9._~+/-]+=*$/

/**
 * Reads `name[:scope+scope]=secret,…`; line ends separate too. A name may come twice while its
 * secret is changed. Throws `invalid` that says which entry is at fault by position and name, never
 * by secret.
 */
export function parseApiKeys(text: string, plane: readonly Scope[]): ApiKey[] {
  const entries = text.split(/[,\r\n]+/).map((entry) => entry.trim())
  const keys = entries
    .filter((entry) => entry !== '')
    .map((entry, index) => parseApiKey(entry, index + 1, plane))
  const names = new Map<string, string>()
  for (const { name, secret } of keys) {
    const other = names.get(secret.reveal())
    if (other !== undefined && other !== name) {
      throw new Failure('invalid', `the keys ${other} and ${name} have the same secret`)
    }
    names.set(secret.reveal(), name)
  }
  return keys
}

function parseApiKey(entry: string, position: number, plane: readonly Scope[]): ApiKey {
  const equals = entry.indexOf('=')
  if (equals < 0) throw new Failure('invalid', `key ${position} is not name=secret`)
  const [name, scopeText] = splitOnce(entry.slice(0, equals), ':')
  const secret = entry.slice(equals + 1)
  if (!NAME.test(name)) {
    throw new Failure(
      'invalid',
      `key ${position} has a name that is not 1–64 of A-Z a-z 0-9 . _ @ -`,
    )
  }
  if (RESERVED_NAMES.has(name)) {
    throw new Failure(
      'invalid',
      `key ${position} has the name ${name}, under which the trail tells of what no key did`,
    )
  }
  if (!SECRET.test(secret) || secret.length > 512) {
    throw new Failure(
      'invalid',
      `key ${position} (${name}) has a secret that is empty, above 512 characters or no bearer token`,
    )
  }
  const scopes = scopeText === undefined ? plane : scopeText.split('+')
  const unknown = scopes.find((scope) => !plane.includes(scope as Scope))
  if (unknown !== undefined) {
    throw new Failure(
      'invalid',
      `key ${position} (${name}) has a scope that is none of ${plane.join(', ')}`,
    )
  }
  return { name, scopes: new Set(scopes as readonly Scope[]), secret: new Secret(secret) }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
