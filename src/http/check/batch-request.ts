import { isText } from '../text-value.ts'
import { Failure } from '../../domain/failure.ts'
import { isObject } from '../../domain/json-shape.ts'
import type { JsonObject } from '../../domain/json-shape.ts'
import { MAX_ID_LENGTH, MAX_PERMISSION_LENGTH } from '../schemas.ts'

/** Questions in one batch; answering as many takes a few milliseconds of the one event loop. */
export const MAX_BATCH = 10_000
const MAX_ATTRIBUTES = 100

type Attributes = Readonly<Record<string, string | number | boolean>>

type BatchItem = {
  readonly userId: string
  readonly permission: string
  readonly divisionId?: string
  readonly attributes?: Attributes
}

/** Any questions, one by one. */
export type FullBatch = { readonly checks: readonly BatchItem[] }

/** Many questions about one user. */
export type CompactBatch = {
  readonly userId: string
  readonly permissions: readonly string[]
  readonly divisionId?: string
  readonly attributes?: Attributes
}

/**
 * Checks a batch in place, by hand: a compiled schema measures every string by code point and takes
 * longer than the answers. Nothing is coerced, unknown members are ignored. Throws `invalid` that
 * names the first member at fault, as the caller wrote it.
 */
export function readBatch(body: unknown): FullBatch | CompactBatch {
  if (!isObject(body)) throw new Failure('invalid', 'the body must be an object')
  const full = body['checks'] !== undefined
  const compact = body['permissions'] !== undefined
  if (full && (compact || body['userId'] !== undefined)) {
    const message = 'a batch has either checks, or userId and permissions, not both'
    throw new Failure('invalid', message, { field: 'checks' })
  }
  if (full) return readFull(body)
  if (compact || body['userId'] !== undefined) return readCompact(body)
  const message = 'checks is required, or userId and permissions'
  throw new Failure('invalid', message, { field: 'checks' })
}

function readFull(body: JsonObject): FullBatch {
  const checks = requireList(body['checks'], 'checks')
  for (let i = 0; i < checks.length; i++) {
    const item = checks[i]
    if (!isObject(item)) throw wrong(`checks/${i}`, 'must be an object')
    const { userId, permission, divisionId, attributes } = item
    // The paths are put together only once something is wrong.
    if (!isText(userId, MAX_ID_LENGTH)) throw wrongText(`checks/${i}/userId`, userId, MAX_ID_LENGTH)
    if (!isText(permission, MAX_PERMISSION_LENGTH)) {
      throw wrongText(`checks/${i}/permission`, permission, MAX_PERMISSION_LENGTH)
    }
    if (divisionId !== undefined && !isText(divisionId, MAX_ID_LENGTH)) {
      throw wrongText(`checks/${i}/divisionId`, divisionId, MAX_ID_LENGTH)
    }
    if (attributes !== undefined) requireAttributes(attributes, `checks/${i}/attributes`)
  }
  return body as FullBatch
}

function readCompact(body: JsonObject): CompactBatch {
  const { userId, divisionId, attributes } = body
  if (!isText(userId, MAX_ID_LENGTH)) throw wrongText('userId', userId, MAX_ID_LENGTH)
  const permissions = requireList(body['permissions'], 'permissions')
  for (let i = 0; i < permissions.length; i++) {
    if (!isText(permissions[i], MAX_PERMISSION_LENGTH)) {
      throw wrongText(`permissions/${i}`, permissions[i], MAX_PERMISSION_LENGTH)
    }
  }
  if (divisionId !== undefined && !isText(divisionId, MAX_ID_LENGTH)) {
    throw wrongText('divisionId', divisionId, MAX_ID_LENGTH)
  }
  if (attributes !== undefined) requireAttributes(attributes, 'attributes')
  return body as CompactBatch
}

function requireList(value: unknown, field: string): readonly unknown[] {
  if (value === undefined) throw wrong(field, 'is required')
  if (!Array.isArray(value)) throw wrong(field, 'must be a list')
  if (value.length > MAX_BATCH) throw wrong(field, `must have at most ${MAX_BATCH} items`)
  return value
}

function requireAttributes(value: unknown, field: string): void {
  if (!isObject(value)) throw wrong(field, 'must be an object')
  const entries = Object.entries(value)
  if (entries.length > MAX_ATTRIBUTES) {
    throw wrong(field, `must have at most ${MAX_ATTRIBUTES} members`)
  }
  for (const [name, attribute] of entries) {
    const type = typeof attribute
    if (type !== 'string' && type !== 'number' && type !== 'boolean') {
      throw wrong(`${field}/${name.slice(0, MAX_ID_LENGTH)}`, 'must be a string, number or boolean')
    }
  }
}

function wrongText(field: string, value: unknown, maxLength: number): Failure {
  if (value === undefined) return wrong(field, 'is required')
  if (typeof value !== 'string') return wrong(field, 'must be a string')
  return wrong(
    field,
    value === '' ? 'must not be empty' : `must have at most ${maxLength} characters`,
  )
}

function wrong(field: string, words: string): Failure {
  return new Failure('invalid', `${field} ${words}`, { field })
}
