import { isObject } from './json-shape.ts'
import type { JsonObject } from './json-shape.ts'

/** One field that is, or was, to be changed; nested fields by path: `acwSettings/timeoutMs`. */
export type FieldChange = {
  readonly field: string
  /** Null when there was nothing. */
  readonly before: unknown
  /** Null when nothing is left. */
  readonly after: unknown
}

/**
 * Where what is held is not as wanted. Fields that are not named in `wanted` do not count, at any
 * depth; lists are compared as a whole, in their order unless their items have ids. The platform
 * leaves out what is empty or off: such a field equals one that is not there.
 */
export function differences(wanted: JsonObject, held: JsonObject, path = ''): FieldChange[] {
  return Object.keys(wanted).flatMap((name): FieldChange[] => {
    const field = path === '' ? name : `${path}/${name}`
    const [want, have] = [wanted[name], held[name]]
    if (isObject(want)) return differences(want, isObject(have) ? have : {}, field)
    if (meets(want, have)) return []
    return [{ field, before: have ?? null, after: want ?? null }]
  })
}

/**
 * What is held with what is wanted laid over it: all else stays. Lists are replaced, and so is what
 * has an `id`: the name of one thing is not that of another. Null takes a field away.
 */
export function merged(held: JsonObject, wanted: JsonObject): JsonObject {
  const result: Record<string, unknown> = { ...held }
  for (const [name, want] of Object.entries(wanted)) {
    const have = result[name]
    if (want === null) delete result[name]
    else if (!isObject(want) || 'id' in want) result[name] = want
    else result[name] = merged(isObject(have) ? have : {}, want)
  }
  return result
}

function meets(want: unknown, have: unknown): boolean {
  if (isEmpty(want) && isEmpty(have)) return true
  if (Array.isArray(want)) {
    return (
      Array.isArray(have) &&
      want.length === have.length &&
      want.every((item, at) => meets(item, counterpart(item, have) ?? have[at])) &&
      have.every((item) => !hasId(item) || counterpart(item, want) !== undefined)
    )
  }
  if (isObject(want)) return isObject(have) && differences(want, have).length === 0
  return want === have
}

/** The item with the same id: the order of things that have ids is the platform's. */
function counterpart(item: unknown, list: readonly unknown[]): unknown {
  if (!hasId(item)) return undefined
  return list.find((other) => hasId(other) && other.id === item.id)
}

function hasId(item: unknown): item is { readonly id: string } {
  return isObject(item) && typeof item['id'] === 'string'
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === '' ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  )
}
