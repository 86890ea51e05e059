/**
 * Text as bytes, for lookups that must not cost what a JavaScript string's own hash does. One
 * scratch a thread: use it before the next call.
 */

/** Longer texts are not written. A multiple of four. */
const SCRATCH_BYTES = 256

// What `write(text, 'utf8')` calls, without its argument checks: V8 calls it directly, at half the
// cost of reading the text unit by unit. It is on every Buffer but in no type definition.
type DirectBuffer = Buffer & { utf8Write(text: string, offset: number, length: number): number }

const scratch = Buffer.alloc(SCRATCH_BYTES + 4) as DirectBuffer
// The first allocation of a fresh pool is not guaranteed to be aligned for words.
if (scratch.byteOffset % 4 !== 0) throw new Error('the scratch is not aligned')

export const scratchBytes = new Uint8Array(scratch.buffer, scratch.byteOffset, SCRATCH_BYTES)
export const scratchView = new DataView(scratch.buffer, scratch.byteOffset, SCRATCH_BYTES)
export const scratchWords = new Int32Array(scratch.buffer, scratch.byteOffset, SCRATCH_BYTES / 4)

/**
 * Writes the text into the scratch, zero-padded to whole words. False for texts that are too long
 * or not plain ASCII: those have no cheap form, and a lone surrogate no faithful one.
 */
export function writeScratch(text: string): boolean {
  const { length } = text
  if (length > SCRATCH_BYTES) return false
  // One byte for each unit means that every unit is ASCII: all others take more. There is room for
  // one character beyond, so that what did not fit wholly has written more bytes than it has units.
  if (scratch.utf8Write(text, 0, SCRATCH_BYTES + 4) !== length) return false
  scratch[length] = 0
  scratch[length + 1] = 0
  scratch[length + 2] = 0
  return true
}
