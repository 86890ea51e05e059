import { DESCRIPTION_TEXT, EMPTY_TEXT, WILDCARD_TEXT } from './matrix-layout.ts'
import { WILDCARD } from './permission.ts'

const encoder = new TextEncoder()
// A text that begins with U+FEFF keeps it: ids compare byte for byte.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** UTF-8 takes at most three bytes for each UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3

/** Texts on their way into a matrix: numbered in order of arrival, bytes laid end to end. */
export class TextTableBuilder {
  #bytes = new Uint8Array(64 * 1024)
  #used = 0
  readonly #starts: number[] = [0]
  readonly #indexByText = new Map<string, number>()

  /** The description must be known first: some texts have fixed numbers. */
  constructor(description: string) {
    const fixed = [this.append(description), this.intern(''), this.intern(WILDCARD)]
    if (fixed.join() !== [DESCRIPTION_TEXT, EMPTY_TEXT, WILDCARD_TEXT].join()) {
      throw new Error('the first texts of a matrix have fixed numbers')
    }
  }

  /** The number of a text, the same for equal texts. */
  intern(text: string): number {
    const known = this.#indexByText.get(text)
    if (known !== undefined) return known
    const index = this.append(text)
    this.#indexByText.set(text, index)
    return index
  }

  /** Always a new number: for texts that rarely repeat, or whose numbers must follow each other. */
  append(text: string): number {
    const needed = this.#used + text.length * MAX_BYTES_PER_UNIT
    if (needed > this.#bytes.length) this.#grow(needed)
    this.#used += encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written
    this.#starts.push(this.#used)
    return this.#starts.length - 2
  }

  get starts(): readonly number[] {
    return this.#starts
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used)
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = larger
  }
}

/** Text `index` of a matrix. */
export function readText(starts: Uint32Array, bytes: Uint8Array, index: number): string {
  return decoder.decode(bytes.subarray(starts[index], starts[index + 1]))
}
