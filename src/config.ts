import { readFileSync } from 'node:fs'
import { validateDetailed } from 'node-cron'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Value } from 'typebox/value'
import { Failure } from './domain/failure.ts'
import { ADMIN_SCOPES, CHECK_SCOPES, parseApiKeys } from './domain/principal.ts'
import type { ApiKey, Scope } from './domain/principal.ts'
import { resolveRegion } from './domain/region.ts'
import { parseResourceTypes } from './domain/resource-types.ts'
import type { ResourceTypes } from './domain/resource-types.ts'
import { Secret } from './domain/secret.ts'
import { isHttpUrl, isLoopback } from './domain/web-address.ts'

const text = (description: string) => Type.String({ minLength: 1, description })
const port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: value, description })

/**
 * Every variable that the service reads, as it stands in the environment. Those in
 * {@link SECRET_VARIABLES} may be given as `NAME_FILE` instead: the path of a file that holds it.
 */
export const Environment = Type.Object({
  GENESYS_CLIENT_ID: text('OAuth client (client credentials) that reads the organisation'),
  GENESYS_CLIENT_SECRET: text('Its secret'),
  GENESYS_REGION: Type.String({
    minLength: 1,
    default: 'us-east-1',
    description: 'Region: AWS name, SDK name or host',
  }),
  GENESYS_BASE_URL: Type.Optional(text('A gateway or simulator; login and API alike')),
  GENESYS_ORGANIZATION_ID: Type.Optional(text('When set, the organisation must be this one')),
  GENESYS_REQUESTS_PER_MINUTE: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 240,
    description: 'Requests to the platform within a minute, all uses together',
  }),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Check plane: address' }),
  PORT: port(8080, 'Check plane: port'),
  ADMIN_HOST: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description: 'Admin plane: address',
  }),
  ADMIN_PORT: port(8081, 'Admin plane: port'),
  PUBLIC_URL: Type.Optional(text('https URL under which callers reach the check plane')),
  TLS_CERT_FILE: Type.Optional(text('Check plane: path of its certificate chain in PEM')),
  TLS_KEY_FILE: Type.Optional(text('Check plane: path of its private key in PEM')),
  CHECK_API_KEYS: Type.Optional(text('Keys of the check plane: name[:scope+scope]=secret,…')),
  ADMIN_API_KEYS: Type.Optional(text('Keys of the admin plane: name[:scope+scope]=secret,…')),
  JWT_ISSUER: Type.Optional(text('Issuer of tokens that both planes accept')),
  JWT_AUDIENCE: Type.Optional(text('Audience that those tokens must have')),
  AUTH: Type.Optional(
    Type.Literal('none', { description: 'Everybody may do everything; loopback only' }),
  ),
  RATE_LIMIT: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 0,
    description: 'Requests a second and key on the check plane; 0 for no limit',
  }),
  REBUILD_CRON: Type.String({
    minLength: 1,
    default: '*/5 * * * *',
    description: 'When the matrix is rebuilt; a rebuild also runs at start',
  }),
  MAX_SNAPSHOT_AGE_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 31_536_000,
    default: 3_600,
    description: 'A matrix older than this is not served',
  }),
  MAX_SHRINK_PERCENT: Type.Integer({
    minimum: 0,
    maximum: 100,
    default: 30,
    description: 'Users or grants may fall by this much in one rebuild',
  }),
  DATA_DIR: Type.String({ minLength: 1, default: './data', description: 'Where snapshots are' }),
  AUTHZEN_RESOURCE_TYPES: Type.Optional(text('Own names of resource types: type=domain:entity,…')),
  AUTHZEN_SIGNING_KEY_FILE: Type.Optional(
    text('Path of a private key, PEM or JWK, that signs the AuthZEN metadata'),
  ),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) =>
      Type.Literal(level),
    ),
    { default: 'info', description: 'Least level that is logged' },
  ),
})
type Environment = Static<typeof Environment>

/** Variables that may come as `NAME_FILE`. */
export const SECRET_VARIABLES = [
  'GENESYS_CLIENT_SECRET',
  'CHECK_API_KEYS',
  'ADMIN_API_KEYS',
] as const

/** Keys as they were at start, and the file to read again when it changes. */
export type KeySource = {
  readonly keys: readonly ApiKey[]
  readonly file: string | undefined
  readonly scopes: readonly Scope[]
}

export type Config = {
  readonly genesys: {
    readonly clientId: string
    readonly clientSecret: Secret
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
    readonly publicUrl: string | undefined
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
  readonly logLevel: string
}

/**
 * Reads the environment, once. Throws one `invalid` that names every variable at fault; no value of
 * a secret is ever in it. An empty variable counts as unset.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = []
  const raw = readVariables(env, faults)
  // Text becomes a number only where the schema asks for one, and only when it reads as one.
  const environment = Value.Convert(Environment, Value.Default(Environment, raw))
  const faulty = new Set<string>()
  for (const error of Value.Errors(Environment, environment)) {
    for (const name of variablesOf(error)) faulty.add(name)
  }
  for (const name of faulty) {
    if (!faults.some((fault) => fault.startsWith(name))) {
      faults.push(`${name} ${describeFault(name, raw)}`)
    }
  }
  const checked = environment as Environment
  checkTogether(checked, faults)
  const keys = readKeys(checked, env, faults)
  if (faults.length > 0) throw new Failure('invalid', `configuration: ${faults.join('; ')}`)
  return toConfig(checked, keys)
}

function readVariables(
  env: Readonly<Record<string, string | undefined>>,
  faults: string[],
): Record<string, string> {
  const raw: Record<string, string> = {}
  for (const name of Object.keys(Environment.properties)) {
    const value = env[name]
    if (value !== undefined && value !== '') raw[name] = value
  }
  for (const name of SECRET_VARIABLES) {
    const file = env[`${name}_FILE`]
    if (file === undefined || file === '') continue
    if (raw[name] !== undefined) {
      faults.push(`${name} and ${name}_FILE are both set`)
      continue
    }
    try {
      raw[name] = readFileSync(file, 'utf8').trim()
      if (raw[name] === '') faults.push(`${name}_FILE names an empty file`)
    } catch (error) {
      faults.push(`${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code})`)
    }
  }
  return raw
}

type SchemaError = {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
}

function variablesOf(error: SchemaError): readonly string[] {
  const [, name] = error.instancePath.split('/')
  if (name !== undefined) return [name]
  return (error.params as { requiredProperties?: string[] }).requiredProperties ?? []
}

function describeFault(name: string, raw: Readonly<Record<string, string>>): string {
  const value = raw[name]
  if (value === undefined) return 'is missing'
  const schema = Environment.properties[name as keyof Environment] as {
    type?: string
    minimum?: number
    maximum?: number
    const?: string
    anyOf?: { const: string }[]
  }
  if (schema.type === 'integer') {
    return `must be a whole number from ${schema.minimum} to ${schema.maximum}`
  }
  const words = schema.anyOf?.map((option) => option.const) ?? [schema.const ?? 'text']
  return `must be one of ${words.join(', ')}`
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
  if ((environment.TLS_CERT_FILE === undefined) !== (environment.TLS_KEY_FILE === undefined)) {
    faults.push('TLS_CERT_FILE and TLS_KEY_FILE must be set together')
  }
  check('PUBLIC_URL', (value) =>
    // A star would be a wildcard in the path of the metadata.
    isHttpUrl(value) && !value.includes('*')
      ? undefined
      : 'must be an https URL without user, query or fragment',
  )
  check('AUTHZEN_RESOURCE_TYPES', (value) => {
    try {
      parseResourceTypes(value)
    } catch (error) {
      return `cannot be read: ${(error as Error).message}`
    }
  })
  checkAuth(environment, faults)
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

function readKeys(
  environment: Environment,
  env: Readonly<Record<string, string | undefined>>,
  faults: string[],
): Config['auth'] {
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

function toConfig(environment: Environment, auth: Config['auth']): Config {
  return {
    genesys: {
      clientId: environment.GENESYS_CLIENT_ID,
      clientSecret: new Secret(environment.GENESYS_CLIENT_SECRET),
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
      publicUrl: environment.PUBLIC_URL,
      resourceTypes: parseResourceTypes(environment.AUTHZEN_RESOURCE_TYPES ?? ''),
      signingKeyFile: environment.AUTHZEN_SIGNING_KEY_FILE,
    },
    admin: { host: environment.ADMIN_HOST, port: environment.ADMIN_PORT },
    auth,
    rebuild: {
      cron: environment.REBUILD_CRON,
      maxShrinkPercent: environment.MAX_SHRINK_PERCENT,
    },
    maxSnapshotAgeSeconds: environment.MAX_SNAPSHOT_AGE_SECONDS,
    dataDir: environment.DATA_DIR,
    logLevel: environment.LOG_LEVEL,
  }
}

function tlsFiles({ TLS_CERT_FILE, TLS_KEY_FILE }: Environment): Config['check']['tls'] {
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return undefined
  return { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE }
}
