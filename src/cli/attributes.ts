import { Failure } from '../domain/failure.ts'

/** Values for conditions, read by the service as `resource.properties`. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

const SCALARS = new Set(['string', 'number', 'boolean'])

/** Throws `invalid` for what is no flat JSON object of texts, numbers and booleans. */
export function readAttributes(json: string): Attributes | undefined {
  try {
    return attributesOf(JSON.parse(json))
  } catch {
    throw notFlat()
  }
}

/** The same for what was parsed already; undefined stays undefined. */
export function attributesOf(value: unknown): Attributes | undefined {
  if (value === undefined) return undefined
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const flat = isObject && Object.values(value).every((each) => SCALARS.has(typeof each))
  if (flat) return value as Attributes
  throw notFlat()
}

function notFlat(): Failure {
  const example = '{"Queue.id": "…", "Evaluation.released": true}'
  return new Failure('invalid', `attributes must be a flat JSON object: ${example}`)
}
