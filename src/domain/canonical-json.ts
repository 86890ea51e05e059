import type { Json, JsonObject } from './audit.ts'

/**
 * JSON text as RFC 8785 has it: no white space, members in order of their names' UTF-16 code units,
 * numbers and strings as ECMAScript writes them. Equal values give equal bytes. Throws a
 * `TypeError` for what has no such text: a non-finite number, a lone surrogate.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return canonicalText(value)
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError('a number that is not finite has no JSON text')
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.keys(value)
    // Without a comparer `sort` goes by UTF-16 code units, which is the order wanted here.
    .sort()
    .flatMap((name) => member(name, value[name]))
  return `{${members.join(',')}}`
}

function member(name: string, value: Json | undefined): string[] {
  // An absent value is an absent member, as everywhere in JSON.
  return value === undefined ? [] : [`${canonicalText(name)}:${canonicalJson(value)}`]
}

function canonicalText(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate has no JSON text')
  return JSON.stringify(text)
}

function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value)
}
