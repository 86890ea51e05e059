import { scratchWords, writeScratch } from './ascii-scratch.ts'

/** Words of a slot: the text's hash, and where its entry begins + 1, or 0 in an empty slot. */
const SLOT_WORDS = 2
/** An entry: the text's position, its length in bytes (padding must not pass for text), its words. */
const ENTRY = { position: 0, length: 1, words: 2 } as const

/**
 * Position of each of a few thousand distinct texts, found faster than in a `Map`: texts are
 * compared as words, so no JavaScript string has to be hashed. Texts that are not plain ASCII, or
 * longer than the scratch, are kept in a `Map`. Compares unit for unit.
 */
export class TextIndex {
  readonly #slots: Int32Array
  readonly #entries: Int32Array
  readonly #mask: number
  readonly #odd = new Map<string, number>()

  constructor(texts: readonly string[]) {
    let count = 16
    while (count < texts.length * 2) count *= 2
    this.#slots = new Int32Array(count * SLOT_WORDS)
    this.#mask = count - 1
    const entries: number[] = []
    for (const [position, text] of texts.entries()) {
      if (!writeScratch(text)) {
        this.#odd.set(text, position)
        continue
      }
      const hash = hashScratch(text.length)
      let slot = hash & this.#mask
      while (this.#slots[slot * SLOT_WORDS + 1] !== 0) slot = (slot + 1) & this.#mask
      this.#slots[slot * SLOT_WORDS] = hash
      this.#slots[slot * SLOT_WORDS + 1] = entries.length + 1
      entries.push(position, text.length, ...scratchWords.subarray(0, wordCount(text.length)))
    }
    this.#entries = Int32Array.from(entries)
  }

  /** The text's position, or -1. */
  find(text: string): number {
    if (!writeScratch(text)) return this.#odd.get(text) ?? -1
    const { length } = text
    const slots = this.#slots
    const mask = this.#mask
    const hash = hashScratch(length)
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (slots[slot * SLOT_WORDS + 1] as number) - 1
      if (entry < 0) return -1
      // Slots beside each other hold other texts: their hash tells without a look at the entry.
      if (slots[slot * SLOT_WORDS] === hash && this.#holds(entry, length)) {
        return this.#entries[entry + ENTRY.position] as number
      }
    }
  }

  /** Whether an entry's text is the one in the scratch. */
  #holds(entry: number, length: number): boolean {
    const entries = this.#entries
    if (entries[entry + ENTRY.length] !== length) return false
    const first = entry + ENTRY.words
    const count = wordCount(length)
    for (let i = 0; i < count; i++) if (entries[first + i] !== scratchWords[i]) return false
    return true
  }
}

function wordCount(length: number): number {
  return (length + 3) >>> 2
}

/** Signed: see `packed` in `subject-id.ts`. */
function hashScratch(length: number): number {
  let hash = length
  const count = wordCount(length)
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ (scratchWords[i] as number), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}
