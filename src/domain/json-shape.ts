import type { FaultList } from './fault-list.ts'
import { nearestName } from './permission.ts'
import { hasControls } from './validation.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** What a value in a file that somebody wrote has to be; bounds are inclusive. */
export type Shape =
  | {
      readonly kind: 'text'
      readonly maxLength: number
      /** May be empty, have several lines, begin or end with a space: none of it unless said. */
      readonly empty?: boolean
      readonly lines?: boolean
      readonly spaces?: boolean
    }
  | { readonly kind: 'flag' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole: boolean }
  | { readonly kind: 'list'; readonly of: Shape; readonly maxItems: number }
  /** An object that somebody else checks. */
  | { readonly kind: 'opaque' }
  | ObjectShape

/** Names nothing but these fields. */
export type ObjectShape = {
  readonly kind: 'object'
  readonly fields: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  /** May be null, which takes it away. */
  readonly nullable?: boolean
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Collects all that is wrong with a value, by path: `queues/3/acwSettings/timeoutMs`. True when the
 * value has the shape. What a fault quotes of the value is its field names alone.
 */
export function checkShape(value: unknown, shape: Shape, path: string, faults: FaultList): boolean {
  switch (shape.kind) {
    case 'object':
      return checkObject(value, shape, path, faults)
    case 'list':
      return checkList(value, shape, path, faults)
    case 'opaque':
      if (isObject(value)) return true
      faults.add(path, 'must be an object')
      return false
    default: {
      const message = faultOf(value, shape)
      if (message !== undefined) faults.add(path, message)
      return message === undefined
    }
  }
}

function checkObject(
  value: unknown,
  { fields, required = [], nullable = false }: ObjectShape,
  path: string,
  faults: FaultList,
): boolean {
  if (value === null && nullable) return true
  if (!isObject(value)) {
    faults.add(path, 'must be an object')
    return false
  }
  let sound = true
  const at = (name: string): string => (path === '' ? name : `${path}/${name}`)
  for (const name of required) {
    if (value[name] !== undefined) continue
    faults.add(at(name), 'is missing')
    sound = false
  }
  for (const [name, item] of Object.entries(value)) {
    const shape = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (shape !== undefined) {
      if (item !== undefined && !checkShape(item, shape, at(name), faults)) sound = false
      continue
    }
    faults.add(at(name), (hint) => {
      const nearest = hint ? nearestName(name, Object.keys(fields)) : undefined
      const rest = nearest === undefined ? '' : `; did you mean ${nearest}?`
      return `is not known here${rest}`
    })
    sound = false
  }
  return sound
}

function checkList(
  value: unknown,
  { of, maxItems }: Extract<Shape, { kind: 'list' }>,
  path: string,
  faults: FaultList,
): boolean {
  if (!Array.isArray(value) || value.length > maxItems) {
    faults.add(path, `must be a list of at most ${maxItems}`)
    return false
  }
  // Every item is looked at, whatever the first one has.
  return value.map((item, at) => checkShape(item, of, `${path}/${at}`, faults)).every(Boolean)
}

function faultOf(
  value: unknown,
  shape: Exclude<Shape, { kind: 'object' | 'list' | 'opaque' }>,
): string | undefined {
  switch (shape.kind) {
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'choice': {
      const known = typeof value === 'string' && shape.values.includes(value)
      return known ? undefined : `must be one of ${shape.values.join(', ')}`
    }
    case 'number': {
      const { min, max, whole } = shape
      const sound =
        typeof value === 'number' &&
        value >= min &&
        value <= max &&
        (!whole || Number.isInteger(value))
      return sound ? undefined : `must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`
    }
    case 'text':
      return textFault(value, shape)
  }
}

function textFault(
  value: unknown,
  { maxLength, empty = false, lines = false, spaces = false }: Extract<Shape, { kind: 'text' }>,
): string | undefined {
  if (typeof value !== 'string') return 'must be a text'
  if (value.length > maxLength) return `must have at most ${maxLength} characters`
  if (!empty && (spaces ? value.trim() : value) === '') return 'must not be empty'
  if (!spaces && value !== value.trim()) return 'must not begin or end with a space'
  const shown = lines ? value.replaceAll(/[\n\r\t]/g, '') : value
  return hasControls(shown) ? 'must not contain control characters' : undefined
}
