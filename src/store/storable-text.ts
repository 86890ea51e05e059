import type { Json, JsonObject } from '../domain/audit.ts'

/**
 * Text that both databases and RFC 8785 can hold: lone surrogates, which are no Unicode, and NUL,
 * which PostgreSQL refuses, become U+FFFD. What callers send must never keep an action out of the
 * trail.
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** The same for every text and name in a value; NUL stays, as JSON text has an escape for it. */
export function storableJson(value: Json): Json {
  if (typeof value === 'string') return value.toWellFormed()
  if (value === null || typeof value !== 'object') return value
  if (isList(value)) return value.map(storableJson)
  const members = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(
    members.map(([name, each]) => [name.toWellFormed(), storableJson(each)]),
  )
}

function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value)
}
