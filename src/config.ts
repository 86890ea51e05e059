import { join } from 'node:path'
import { validateDetailed } from 'node-cron'
import type { EventTarget } from './domain/delivery.ts'
import { Failure } from './domain/failure.ts'
import { ADMIN_SCOPES, CHECK_SCOPES, parseApiKeys } from './domain/principal.ts'
import type { ApiKey, Scope } from './domain/principal.ts'
import { resolveRegion } from './domain/region.ts'
import { parseResourceTypes } from './domain/resource-types.ts'
import type { ResourceTypes } from './domain/resource-types.ts'
import { DEFAULT_ROLE_RULES } from './domain/role-rules.ts'
import type { RoleRule } from './domain/role-rules.ts'
import { Secret } from './domain/secret.ts'
import { readEnvironment } from './environment.ts'
import type { Environment, RawEnvironment } from './environment.ts'
import { readRoleRules } from './role-rules-file.ts'

/** Keys as they were at start, and the file to read again when it changes. */
export type KeySource = {
  readonly keys: readonly ApiKey[]
  readonly file: string | undefined
  readonly scopes: readonly Scope[]
}

/** Where role changes and the audit trail are kept. A path is as given: relative to the process. */
type Database =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: Secret }

export type Config = {
  readonly genesys: {
    readonly clientId: string
    readonly clientSecret: Secret
    /** Changes roles; the first client does without one. */
    readonly writeClient: { readonly id: string; readonly secret: Secret } | undefined
    readonly region: string
    readonly baseUrl: string | undefined
    readonly organizationId: string | undefined
    readonly requestsPerMinute: number
  }
  readonly check: {
    readonly host: string
    readonly port: number
    readonly rateLimit: number
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  }
  readonly authzen: {
    /** Its path has no slash at its end, and only what a route can be registered with. */
    readonly publicUrl: URL | undefined
    readonly resourceTypes: ResourceTypes
    readonly signingKeyFile: string | undefined
  }
  readonly admin: { readonly host: string; readonly port: number }
  readonly auth: {
    readonly none: boolean
    readonly checkKeys: KeySource
    readonly adminKeys: KeySource
    readonly jwt: { readonly issuer: string; readonly audience: string } | undefined
  }
  readonly rebuild: { readonly cron: string; readonly maxShrinkPercent: number }
  readonly maxSnapshotAgeSeconds: number
  readonly dataDir: string
  readonly database: Database
  readonly roleRules: readonly RoleRule[]
  /** 0 for ever. */
  readonly auditRetentionDays: number
  readonly maxEnvironments: number
  readonly webhooks: {
    /** Where events go; they may hold tokens. */
    readonly addresses: Readonly<Partial<Record<EventTarget, Secret>>>
    /** At least one where there is an address; two while it is changed. */
    readonly secrets: readonly Secret[]
  }
  readonly logLevel: string
}

/**
 * Reads the environment, once, and the files that it names. Throws one `invalid` that names every
 * variable at fault; no value of a secret is ever in it.
 */
export function readConfig(env: RawEnvironment): Config {
  const faults: string[] = []
  const environment = readEnvironment(env, faults)
  checkTogether(environment, faults)
  const auth = readKeys(environment, env, faults)
  const database = readDatabase(environment, faults)
  const roleRules = readRules(environment, faults)
  if (faults.length > 0) throw new Failure('invalid', `configuration: ${faults.join('; ')}`)
  return toConfig(environment, { auth, database, roleRules })
}

function checkTogether(environment: Environment, faults: string[]): void {
  const check = (name: keyof Environment, verify: (value: string) => string | undefined): void => {
    const value = environment[name]
    const fault = typeof value === 'string' ? verify(value) : undefined
    if (fault !== undefined) faults.push(`${name} ${fault}`)
  }
  check('GENESYS_BASE_URL', (value) =>
    isHttpUrl(value) ? undefined : 'must be an http or https URL without user, query or fragment',
  )
  check('JWT_ISSUER', (value) =>
    isHttpUrl(value) ? undefined : 'must be an http or https URL without user, query or fragment',
  )
  check('GENESYS_REGION', (value) =>
    resolveRegion(value) === undefined ? 'is no region of Genesys Cloud' : undefined,
  )
  check('REBUILD_CRON', (value) => {
    const { valid, errors } = validateDetailed(value)
    return valid ? undefined : `is no cron expression (${errors[0]?.message ?? 'unreadable'})`
  })
  if ((environment.JWT_ISSUER === undefined) !== (environment.JWT_AUDIENCE === undefined)) {
    faults.push('JWT_ISSUER and JWT_AUDIENCE must be set together')
  }
  const { GENESYS_WRITE_CLIENT_ID: writer, GENESYS_WRITE_CLIENT_SECRET: secret } = environment
  if ((writer === undefined) !== (secret === undefined)) {
    faults.push('GENESYS_WRITE_CLIENT_ID and GENESYS_WRITE_CLIENT_SECRET must be set together')
  }
  if ((environment.TLS_CERT_FILE === undefined) !== (environment.TLS_KEY_FILE === undefined)) {
    faults.push('TLS_CERT_FILE and TLS_KEY_FILE must be set together')
  }
  check('PUBLIC_URL', publicUrlFault)
  check('AUTHZEN_RESOURCE_TYPES', (value) => {
    try {
      parseResourceTypes(value)
    } catch (error) {
      return `cannot be read: ${(error as Error).message}`
    }
  })
  checkWebhooks(environment, faults)
  checkAuth(environment, faults)
}

/**
 * The metadata is found below the path: a star would be a wildcard there, and what is percent-encoded
 * would never be met, for requests are decoded before they are routed.
 */
const PUBLIC_PATH = /^(\/[A-Za-z0-9._~:@-]+)*$/

function publicUrlFault(value: string): string | undefined {
  if (!isHttpUrl(value)) return 'must be an https URL without user, query or fragment'
  // The address of a decision point is compared byte for byte by whoever reads the metadata.
  if (value.trimEnd().endsWith('/')) return 'must be an https URL without a slash at its end'
  const { pathname } = new URL(value)
  return pathname === '/' || PUBLIC_PATH.test(pathname)
    ? undefined
    : 'must be an https URL whose path has only letters, digits and - . _ ~ : @ between its slashes'
}

const WEBHOOK_URLS = ['GENESYS_SIM_CALLBACK_URL', 'MONITORING_WEBHOOK_URL'] as const
/** The one in use, and the one that follows or went before it. */
const MAX_WEBHOOK_SECRETS = 2
/** What the Standard Webhooks convention asks of a key. */
const KEY_BYTES = { least: 24, most: 64 }

function checkWebhooks(environment: Environment, faults: string[]): void {
  for (const name of WEBHOOK_URLS) {
    const address = environment[name]
    if (address === undefined) continue
    if (!isWebhookUrl(address)) {
      faults.push(`${name} must be an http or https URL without user and fragment`)
    }
    if (environment.WEBHOOK_SECRET === undefined) {
      faults.push(`WEBHOOK_SECRET is missing: ${name} is set`)
    }
  }
  const { WEBHOOK_SECRET: given } = environment
  if (given === undefined) return
  const secrets = webhookSecretsOf(given)
  if (secrets.length > MAX_WEBHOOK_SECRETS || !secrets.every(isWebhookSecret)) {
    faults.push(
      'WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes in Base64, or two of them with a comma between',
    )
  }
}

function webhookSecretsOf(text: string): string[] {
  return text.split(',').map((secret) => secret.trim())
}

function isWebhookSecret(secret: string): boolean {
  const [, text = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  const { length } = Buffer.from(text, 'base64')
  return text.length % 4 === 0 && length >= KEY_BYTES.least && length <= KEY_BYTES.most
}

function isWebhookUrl(value: string): boolean {
  const url = URL.parse(value)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
  return url.username === '' && url.password === '' && url.hash === ''
}

function checkAuth(environment: Environment, faults: string[]): void {
  const { AUTH, CHECK_API_KEYS, ADMIN_API_KEYS, JWT_ISSUER } = environment
  const named = CHECK_API_KEYS ?? ADMIN_API_KEYS ?? JWT_ISSUER
  if (AUTH === undefined && named === undefined) {
    faults.push(
      'CHECK_API_KEYS, ADMIN_API_KEYS or JWT_ISSUER is missing (or AUTH=none on loopback)',
    )
  }
  if (AUTH !== 'none') return
  if (named !== undefined) faults.push('AUTH=none contradicts the keys or issuer that are set')
  for (const name of ['HOST', 'ADMIN_HOST'] as const) {
    if (!isLoopback(environment[name])) faults.push(`AUTH=none needs ${name} to be loopback`)
  }
}

function readKeys(environment: Environment, env: RawEnvironment, faults: string[]): Config['auth'] {
  const source = (name: 'CHECK_API_KEYS' | 'ADMIN_API_KEYS', scopes: readonly Scope[]) => {
    const file = env[`${name}_FILE`] || undefined
    try {
      const keys = parseApiKeys(environment[name] ?? '', scopes)
      if (environment[name] !== undefined && keys.length === 0) faults.push(`${name} holds no key`)
      return { keys, file, scopes }
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`)
      return { keys: [], file, scopes }
    }
  }
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = environment
  return {
    none: environment.AUTH === 'none',
    checkKeys: source('CHECK_API_KEYS', CHECK_SCOPES),
    adminKeys: source('ADMIN_API_KEYS', ADMIN_SCOPES),
    jwt: issuer !== undefined && audience !== undefined ? { issuer, audience } : undefined,
  }
}

const DATABASE_FILE = 'genesys-permission-check.sqlite'
const DATABASE_FORMS = 'must be sqlite:PATH, or postgres:// with host and database'

/** `sqlite:` alone is the file in DATA_DIR, as no URL at all. */
function readDatabase(environment: Environment, faults: string[]): Database {
  const { DATABASE_URL: given = 'sqlite:', DATA_DIR } = environment
  const standard = { kind: 'sqlite', path: join(DATA_DIR, DATABASE_FILE) } as const
  const [, path] = /^sqlite:(?:\/\/(?=\/))?(.*)$/s.exec(given) ?? []
  if (path === '') return standard
  // A database in memory would forget the trail; a file name with such signs is a URL misread.
  if (path !== undefined && !/^:|^\/\/|[?#\0]/.test(path)) return { kind: 'sqlite', path }
  const url = URL.parse(given)
  const postgres = url?.protocol === 'postgres:' || url?.protocol === 'postgresql:'
  if (postgres && url.pathname.length > 1) return { kind: 'postgres', url: new Secret(given) }
  faults.push(`DATABASE_URL ${DATABASE_FORMS}`)
  return standard
}

function readRules(environment: Environment, faults: string[]): readonly RoleRule[] {
  const { ROLE_RULES_FILE: file } = environment
  if (file === undefined) return DEFAULT_ROLE_RULES
  const { rules, faults: found } = readRoleRules(file)
  for (const fault of found) faults.push(`ROLE_RULES_FILE ${fault}`)
  return rules
}

function toConfig(
  environment: Environment,
  read: Pick<Config, 'auth' | 'database' | 'roleRules'>,
): Config {
  const { GENESYS_WRITE_CLIENT_ID: writer, GENESYS_WRITE_CLIENT_SECRET: secret } = environment
  return {
    genesys: {
      clientId: environment.GENESYS_CLIENT_ID,
      clientSecret: new Secret(environment.GENESYS_CLIENT_SECRET),
      writeClient:
        writer !== undefined && secret !== undefined
          ? { id: writer, secret: new Secret(secret) }
          : undefined,
      region: environment.GENESYS_REGION,
      baseUrl: environment.GENESYS_BASE_URL,
      organizationId: environment.GENESYS_ORGANIZATION_ID,
      requestsPerMinute: environment.GENESYS_REQUESTS_PER_MINUTE,
    },
    check: {
      host: environment.HOST,
      port: environment.PORT,
      rateLimit: environment.RATE_LIMIT,
      tls: tlsFiles(environment),
    },
    authzen: {
      publicUrl: environment.PUBLIC_URL === undefined ? undefined : new URL(environment.PUBLIC_URL),
      resourceTypes: parseResourceTypes(environment.AUTHZEN_RESOURCE_TYPES ?? ''),
      signingKeyFile: environment.AUTHZEN_SIGNING_KEY_FILE,
    },
    admin: { host: environment.ADMIN_HOST, port: environment.ADMIN_PORT },
    rebuild: {
      cron: environment.REBUILD_CRON,
      maxShrinkPercent: environment.MAX_SHRINK_PERCENT,
    },
    maxSnapshotAgeSeconds: environment.MAX_SNAPSHOT_AGE_SECONDS,
    dataDir: environment.DATA_DIR,
    auditRetentionDays: environment.AUDIT_RETENTION_DAYS,
    maxEnvironments: environment.MAX_ENVIRONMENTS,
    webhooks: webhooksOf(environment),
    logLevel: environment.LOG_LEVEL,
    ...read,
  }
}

function tlsFiles({ TLS_CERT_FILE, TLS_KEY_FILE }: Environment): Config['check']['tls'] {
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return undefined
  return { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE }
}

function webhooksOf(environment: Environment): Config['webhooks'] {
  const { GENESYS_SIM_CALLBACK_URL: callback, MONITORING_WEBHOOK_URL: monitoring } = environment
  const { WEBHOOK_SECRET: given } = environment
  const secrets = given === undefined ? [] : webhookSecretsOf(given)
  return {
    addresses: {
      ...(callback === undefined ? {} : { callback: new Secret(callback) }),
      ...(monitoring === undefined ? {} : { monitoring: new Secret(monitoring) }),
    },
    secrets: secrets.map((secret) => new Secret(secret)),
  }
}

function isHttpUrl(value: string): boolean {
  const url = URL.parse(value)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}
