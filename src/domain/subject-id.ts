/**
 * Subject ids in sixteen bytes. Ids compare byte for byte, so only a canonical lower-case UUID is
 * packed; every other id is kept as text and packed to a hash, its text index and its length.
 */

/** The words of the id that was packed last. One scratch a thread: use before the next call. */
export const packed = new Uint32Array(4)

const NOT_HEX = 255
const hexValue = new Uint8Array(128).fill(NOT_HEX)
for (let value = 0; value < 16; value++) hexValue[value.toString(16).charCodeAt(0)] = value

const UUID_LENGTH = 36
const HYPHEN = 45

/** Packs a canonical lower-case UUID into {@link packed}; false (scratch undefined) for all else. */
export function packUuid(id: string): boolean {
  if (
    id.length !== UUID_LENGTH ||
    id.charCodeAt(8) !== HYPHEN ||
    id.charCodeAt(13) !== HYPHEN ||
    id.charCodeAt(18) !== HYPHEN ||
    id.charCodeAt(23) !== HYPHEN
  ) {
    return false
  }
  // The halves around hyphens are joined; `invalid` collects what is no hex digit.
  invalid = 0
  const first = hex4(id, 0) * 65536 + hex4(id, 4)
  const second = hex4(id, 9) * 65536 + hex4(id, 14)
  const third = hex4(id, 19) * 65536 + hex4(id, 24)
  const fourth = hex4(id, 28) * 65536 + hex4(id, 32)
  if (invalid !== 0) return false
  packed[0] = first
  packed[1] = second
  packed[2] = third
  packed[3] = fourth
  return true
}

let invalid = 0

function hex4(text: string, at: number): number {
  const a = digit(text.charCodeAt(at))
  const b = digit(text.charCodeAt(at + 1))
  const c = digit(text.charCodeAt(at + 2))
  const d = digit(text.charCodeAt(at + 3))
  invalid |= (a | b | c | d) & 0xf0
  return (a << 12) | (b << 8) | (c << 4) | d
}

function digit(code: number): number {
  // Beyond ASCII the table answers undefined, which is no hex digit either.
  return code < 128 ? (hexValue[code] as number) : NOT_HEX
}

/** The UUID that was packed into the four words starting at `at`. */
export function unpackUuid(words: Uint32Array, at: number): string {
  const hex = [0, 1, 2, 3].map((i) => (words[at + i] ?? 0).toString(16).padStart(8, '0')).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

/** Spreads the words of {@link packed} over 32 bits; the probe sequence starts there. */
export function hashPacked(): number {
  let hash = Math.imul(packed[0] as number, 0x85ebca6b) ^ (packed[1] as number)
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ (packed[2] as number)
  hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f) ^ (packed[3] as number)
  hash = Math.imul(hash ^ (hash >>> 16), 0x165667b1)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** Hash of an id that is no UUID. Equal hashes prove nothing: the text decides. */
export function hashText(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
