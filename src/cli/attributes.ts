import { Failure } from '../domain/failure.ts'

/** Values for conditions, read by the service as `resource.properties`. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** Throws `invalid` for what is no flat JSON object of texts, numbers and booleans. */
export function readAttributes(json: string): Attributes {
  const value = parse(json)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const flat = isObject && Object.values(value).every((each) => SCALARS.has(typeof each))
  if (flat) return value as Attributes
  const message =
    'attributes must be a flat JSON object: {"Queue.id": "…", "Evaluation.released": true}'
  throw new Failure('invalid', message)
}

const SCALARS = new Set(['string', 'number', 'boolean'])

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
