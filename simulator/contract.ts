import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'

interface ContractParameter {
  readonly name: string
  readonly in: string
}

interface ContractResponse {
  readonly schema?: Schema
}

interface ContractOperation {
  readonly parameters?: readonly ContractParameter[]
  readonly responses: Readonly<Record<string, ContractResponse>>
}

type Schema = Record<string, unknown>

/** What an answer has against it; empty when it is as the contract says. */
export type Violations = readonly string[]

/** The vendor's definition (Swagger 2.0) as a judge of answers. It is read, never copied. */
export interface Contract {
  operation(method: string, path: string): ContractOperation | undefined
  judge(method: string, path: string, status: number, body: string): Violations
}

const CONTRACT = 'contract'

/** Java's `Object` comes as an object without properties and means any value. */
function meansAnything(schema: Schema): boolean {
  return schema['type'] === 'object' && !schema['properties'] && !schema['additionalProperties']
}

/** Links are relative, though called `uri`; some booleans carry an enum of texts. */
function lenientField(schema: Schema): Schema {
  const { enum: choices, ...rest } = schema
  if (rest['format'] === 'uri') rest['format'] = 'uri-reference'
  return { ...rest, ...(choices !== undefined && rest['type'] !== 'boolean' && { enum: choices }) }
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert)
  if (typeof value !== 'object' || value === null) return value
  const schema = value as Schema
  if (typeof schema['$ref'] === 'string') return { $ref: `${CONTRACT}${schema['$ref']}` }
  if (meansAnything(schema)) return {}
  const entries = Object.entries(lenientField(schema)).map(([key, item]) => [key, convert(item)])
  const converted: Schema = Object.fromEntries(entries)
  // Closed, so that a misspelt field is found. Swagger itself leaves objects open.
  if (converted['type'] === 'object' && converted['properties']) {
    converted['additionalProperties'] ??= false
  }
  return converted
}

/** Recorded answers lack `AuthzDivision.description`, which the definition calls required. */
function convertDefinitions(definitions: Record<string, Schema>): Record<string, unknown> {
  const { AuthzDivision = {}, ...rest } = definitions
  const { required: _, ...division } = AuthzDivision
  const all: [string, Schema][] = [...Object.entries(rest), ['AuthzDivision', division]]
  return Object.fromEntries(all.map(([name, schema]) => [name, convert(schema)]))
}

function buildAjv(definitions: Record<string, Schema>): Ajv {
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addFormat('interval', true)
  ajv.addSchema({ $id: CONTRACT, definitions: convertDefinitions(definitions) })
  return ajv
}

function explain(validate: ValidateFunction): string[] {
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const extra = params['additionalProperty'] ?? params['allowedValues'] ?? ''
    return `${instancePath || 'body'} ${message ?? ''} ${String(extra)}`.trim()
  })
}

export function readContract(file: string): Contract {
  const source = JSON.parse(readFileSync(file, 'utf8')) as {
    paths: Record<string, Record<string, ContractOperation>>
    definitions: Record<string, Schema>
  }
  const ajv = buildAjv(source.definitions)
  const validators = new Map<string, ValidateFunction>()
  const operation = (method: string, path: string): ContractOperation | undefined =>
    source.paths[path]?.[method.toLowerCase()]
  const validator = (schema: Schema): ValidateFunction => {
    const key = JSON.stringify(schema)
    const validate = validators.get(key) ?? ajv.compile(convert(schema) as Schema)
    validators.set(key, validate)
    return validate
  }
  return {
    operation,
    judge(method, path, status, body) {
      const responses = operation(method, path)?.responses ?? {}
      const response = responses[status] ?? (status < 300 ? responses['default'] : undefined)
      if (response === undefined) return [`status ${status} is not in the contract`]
      if (response.schema === undefined) return body === '' ? [] : ['a body where none is due']
      const validate = validator(response.schema)
      return validate(JSON.parse(body)) ? [] : explain(validate)
    },
  }
}
