import { readFileSync } from 'node:fs'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Value } from 'typebox/value'

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
  GENESYS_WRITE_CLIENT_ID: Type.Optional(
    text('A second OAuth client that changes roles; the first does without one'),
  ),
  GENESYS_WRITE_CLIENT_SECRET: Type.Optional(text('Its secret')),
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
    description: 'Requests of each OAuth client to the platform within a minute, all uses together',
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
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description: 'Where snapshots are, and the database unless it is elsewhere',
  }),
  DATABASE_URL: Type.Optional(
    text('Role changes and audit trail: sqlite:PATH or postgres://…; a file in DATA_DIR without'),
  ),
  ROLE_RULES_FILE: Type.Optional(
    text('Rules on which roles and permissions may meet (JSON); two standard ones without'),
  ),
  AUDIT_RETENTION_DAYS: Type.Integer({
    minimum: 0,
    maximum: 36_500,
    default: 0,
    description: 'Audit entries older than this are removed; 0 keeps them for ever',
  }),
  AUTHZEN_RESOURCE_TYPES: Type.Optional(
    text(
      'Own names of resource types and actions: type=domain:entity,type/action=domain:entity:action,…',
    ),
  ),
  AUTHZEN_SIGNING_KEY_FILE: Type.Optional(
    text('Path of a private key, PEM or JWK, that signs the AuthZEN metadata'),
  ),
  MAX_ENVIRONMENTS: Type.Integer({
    minimum: 0,
    maximum: 5_000,
    default: 5,
    description: 'No environment is created beyond so many',
  }),
  GENESYS_SIM_CALLBACK_URL: Type.Optional(
    text('Is told of networks, role changes, drift and a broken trail, by webhook'),
  ),
  MONITORING_WEBHOOK_URL: Type.Optional(
    text('Is told of environments, role changes, drift and a broken trail, by webhook'),
  ),
  WEBHOOK_SECRET: Type.Optional(
    text(
      'Signs webhooks: whsec_ and 24 to 64 bytes in Base64, or two with a comma between; needed with an address',
    ),
  ),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) =>
      Type.Literal(level),
    ),
    { default: 'info', description: 'Least level that is logged' },
  ),
})
export type Environment = Static<typeof Environment>

/** Variables that may come as `NAME_FILE`. */
export const SECRET_VARIABLES = [
  'GENESYS_CLIENT_SECRET',
  'GENESYS_WRITE_CLIENT_SECRET',
  'DATABASE_URL',
  'CHECK_API_KEYS',
  'ADMIN_API_KEYS',
  'WEBHOOK_SECRET',
] as const

/** What the process was given: names and texts. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>

/**
 * The variables as their types, `NAME_FILE` read in the place of `NAME`, defaults filled in. Adds a
 * fault for each variable that is missing or no value of its type: the answer is sound only when
 * there are none. No fault holds a value. An empty variable counts as unset.
 */
export function readEnvironment(env: RawEnvironment, faults: string[]): Environment {
  const raw = readVariables(env, faults)
  // Text becomes a number only where the schema asks for one, and only when it reads as one.
  const environment = Value.Convert(Environment, Value.Default(Environment, raw))
  const faulty = new Set<string>()
  for (const error of Value.Errors(Environment, environment)) {
    for (const name of variablesOf(error)) faulty.add(name)
  }
  for (const name of faulty) {
    if (
      !faults.some((fault) => fault.startsWith(`${name} `) || fault.startsWith(`${name}_FILE `))
    ) {
      faults.push(`${name} ${describeFault(name, raw)}`)
    }
  }
  return environment as Environment
}

function readVariables(env: RawEnvironment, faults: string[]): Record<string, string> {
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
