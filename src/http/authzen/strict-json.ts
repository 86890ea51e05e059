import { isUtf8 } from 'node:buffer'
import { Failure } from '../../domain/failure.ts'

/** Deeper than any entity needs; what is nested beyond is not even parsed. */
export const MAX_NESTING = 32

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Parses a body that has to be I-JSON (RFC 7493): UTF-8, member names unique in their object, no
 * unpaired surrogate and no noncharacter, no number beyond a double; and not nested too deep. Throws
 * `invalid`.
 *
 * Where a name comes twice, parsers disagree on which value counts: what a gateway has checked need
 * not be what is decided here.
 */
export function parseStrictJson(body: Buffer): unknown {
  const text = body.toString()
  // What is no UTF-8 reads as replacement characters, which hardly any body has: seen at a glance.
  if (text.includes('\ufffd') && !isUtf8(body)) {
    throw new Failure('invalid', 'the body is not UTF-8')
  }
  // In UTF-8 only ASCII takes as many bytes as UTF-16 units, and ASCII has no noncharacter.
  if (text.length !== body.length && NONCHARACTER.test(text)) throw noncharacter()
  const written = countMembers(text)
  const value = parse(text)
  // Of two members of one name only one is left.
  if (checkValue(value, text.includes('\\')) !== written) {
    throw new Failure('invalid', 'a member name comes twice in one object of the body')
  }
  return value
}

/** Code points that no text may hold (RFC 7493, 2.1). */
const NONCHARACTER = /\p{Noncharacter_Code_Point}/u

function noncharacter(): Failure {
  return new Failure('invalid', 'the body holds a noncharacter')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Failure('invalid', 'the body is not valid JSON', { cause })
  }
}

/** Members that a JSON text writes: each has one colon, and no other colon is outside of a string. */
function countMembers(text: string): number {
  let members = 0
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i + 1)
        break
      case COLON:
        members += 1
        break
      case OPEN_OBJECT:
      case OPEN_LIST:
        depth += 1
        if (depth > MAX_NESTING) {
          throw new Failure('invalid', `the body is nested deeper than ${MAX_NESTING} levels`)
        }
        break
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        depth -= 1
        break
      default:
    }
  }
  return members
}

/** Where the quote is that ends a string whose first character is at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH && end - escapes > start) escapes += 1
    if (escapes % 2 === 0) return end
  }
  return text.length
}

/** Counts the members of a parsed value, and refuses what I-JSON does not have. */
function checkValue(value: unknown, escaped: boolean): number {
  if (typeof value === 'string') {
    if (escaped) checkText(value)
    return 0
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return 0
    throw new Failure('invalid', 'a number of the body is too large')
  }
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += checkValue(item, escaped)
    return members
  }
  const object = value as Readonly<Record<string, unknown>>
  // All its members are its own: it comes from the parser. `Object.keys` would make a list of each.
  for (const name in object) {
    if (escaped) checkText(name)
    members += 1 + checkValue(object[name], escaped)
  }
  return members
}

/** In UTF-8 an unpaired surrogate can only have been written as an escape; a noncharacter may. */
function checkText(text: string): void {
  if (!text.isWellFormed()) {
    throw new Failure('invalid', 'the body holds an unpaired surrogate')
  }
  if (NONCHARACTER.test(text)) throw noncharacter()
}
