import { scratchWords, writeScratch } from './ascii-scratch.ts'

/**
 * Position of each of a few thousand distinct texts, found faster than in a `Map`: texts are
 * compared as words, so no JavaScript string has to be hashed. Texts that are not plain ASCII, or
 * longer than the scratch, are kept in a `Map`. Compares unit for unit.
 */
export class TextIndex {
  readonly #slots: Uint32Array
  readonly #words: Uint32Array
  /** Where the words of text i begin, and its length in bytes: padding must not pass for text. */
  readonly #starts: Uint32Array
  readonly #lengths: Uint32Array
  readonly #mask: number
  readonly #odd = new Map<string, number>()

  constructor(texts: readonly string[]) {
    let count = 16
    while (count < texts.length * 2) count *= 2
    this.#slots = new Uint32Array(count)
    this.#mask = count - 1
    this.#starts = new Uint32Array(texts.length)
    this.#lengths = new Uint32Array(texts.length)
    const words: number[] = []
    for (const [index, text] of texts.entries()) {
      this.#starts[index] = words.length
      if (writeScratch(text)) {
        this.#lengths[index] = text.length
        for (let i = 0; i < wordCount(text.length); i++) words.push(scratchWords[i] as number)
        let slot = hashScratch(text.length) & this.#mask
        while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
        this.#slots[slot] = index + 1
      } else {
        this.#odd.set(text, index)
      }
    }
    this.#words = Uint32Array.from(words)
  }

  /** The text's position, or -1. */
  find(text: string): number {
    if (!writeScratch(text)) return this.#odd.get(text) ?? -1
    const { length } = text
    const slots = this.#slots
    const mask = this.#mask
    for (let slot = hashScratch(length) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] as number
      if (entry === 0) return -1
      if (this.#equals(entry - 1, length)) return entry - 1
    }
  }

  #equals(index: number, length: number): boolean {
    if (this.#lengths[index] !== length) return false
    const start = this.#starts[index] as number
    const words = this.#words
    const count = wordCount(length)
    for (let i = 0; i < count; i++) if (words[start + i] !== scratchWords[i]) return false
    return true
  }
}

function wordCount(length: number): number {
  return (length + 3) >>> 2
}

function hashScratch(length: number): number {
  let hash = length
  const count = wordCount(length)
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ (scratchWords[i] as number), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}
