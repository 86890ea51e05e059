import { Failure } from '../domain/failure.ts'
import { isObject } from '../domain/json-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'

/**
 * Readers of what the platform answered. Nothing is believed to be there because a definition says
 * so: each throws `upstream-broken` that names the place, never the value.
 */

export function objectIn(value: unknown, where: string): JsonObject {
  if (isObject(value)) return value
  throw broken(where, 'no object')
}

export function listIn(object: JsonObject, name: string, where: string): readonly unknown[] {
  const value = object[name]
  if (Array.isArray(value)) return value
  throw broken(where, `no list "${name}"`)
}

/** A text that is not empty. */
export function textIn(object: JsonObject, name: string, where: string): string {
  const value = object[name]
  if (typeof value === 'string' && value !== '') return value
  throw broken(where, `no "${name}"`)
}

export function textsIn(object: JsonObject, name: string, where: string): readonly string[] {
  const list = listIn(object, name, where)
  if (list.every((item) => typeof item === 'string')) return list
  throw broken(where, `something else than texts in "${name}"`)
}

/** A text that may be left out: empty then. Anything but a text is broken. */
export function optionalTextIn(object: JsonObject, name: string, where: string): string {
  const value = object[name] ?? ''
  if (typeof value === 'string') return value
  throw broken(where, `a "${name}" that is no text`)
}

/** A list of texts that may be left out: empty then. */
export function optionalTextsIn(
  object: JsonObject,
  name: string,
  where: string,
): readonly string[] {
  return object[name] === undefined || object[name] === null ? [] : textsIn(object, name, where)
}

export function broken(where: string, has: string): Failure {
  return new Failure('upstream-broken', `${where} came with ${has}`)
}
