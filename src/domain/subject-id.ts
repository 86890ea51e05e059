/**
 * Subject ids in sixteen bytes. Ids compare byte for byte, so only a canonical lower-case UUID is
 * packed; every other id is kept as text and packed to a hash, its text index and its length.
 */

import { scratchBytes, scratchView, writeScratch } from './ascii-scratch.ts'

/**
 * The words of the id that was packed last, signed: V8 boxes a number above 2^31 wherever it leaves
 * compiled code. One scratch a thread: use before the next call.
 */
export const packed = new Int32Array(4)

const NOT_HEX = 0x100
/** What two hex digits say, by their two characters as a little-endian number; else NOT_HEX. */
const hexBytes = new Uint16Array(0x10000).fill(NOT_HEX)
for (let value = 0; value < 256; value++) {
  const digits = value.toString(16).padStart(2, '0')
  hexBytes[digits.charCodeAt(0) | (digits.charCodeAt(1) << 8)] = value
}

const UUID_LENGTH = 36
const HYPHEN = 45

/** Packs a canonical lower-case UUID into {@link packed}; false (scratch undefined) for all else. */
export function packUuid(id: string): boolean {
  if (id.length !== UUID_LENGTH || !writeScratch(id)) return false
  const a = hex4(0)
  const b = hex4(4)
  const c = hex4(9)
  const d = hex4(14)
  const e = hex4(19)
  const f = hex4(24)
  const g = hex4(28)
  const h = hex4(32)
  // Anything that is no hex digit sets a bit above the sixteen that four digits take.
  if ((a | b | c | d | e | f | g | h) > 0xffff) return false
  if (
    scratchBytes[8] !== HYPHEN ||
    scratchBytes[13] !== HYPHEN ||
    scratchBytes[18] !== HYPHEN ||
    scratchBytes[23] !== HYPHEN
  ) {
    return false
  }
  packed[0] = (a << 16) | b
  packed[1] = (c << 16) | d
  packed[2] = (e << 16) | f
  packed[3] = (g << 16) | h
  return true
}

/** Four hex digits of the scratch as a number up to 0xffff; above that when one is no hex digit. */
function hex4(at: number): number {
  const high = hexBytes[scratchView.getUint16(at, true)] as number
  const low = hexBytes[scratchView.getUint16(at + 2, true)] as number
  return (high << 8) | low | ((low & NOT_HEX) << 8)
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** The UUID that was packed into the four words starting at `at`. */
export function unpackUuid(words: Int32Array, at: number): string {
  const b = words[at + 1] ?? 0
  const c = words[at + 2] ?? 0
  const first = hex8(words[at] ?? 0)
  const last = hex4Of(c & 0xffff) + hex8(words[at + 3] ?? 0)
  return `${first}-${hex4Of(b >>> 16)}-${hex4Of(b & 0xffff)}-${hex4Of(c >>> 16)}-${last}`
}

function hex8(word: number): string {
  return hex4Of(word >>> 16) + hex4Of(word & 0xffff)
}

function hex4Of(half: number): string {
  return (hexOfByte[half >>> 8] as string) + (hexOfByte[half & 0xff] as string)
}

/** Spreads the words of {@link packed} over 32 bits; its highest bits name a bucket. */
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
