import type { SimulatedEntry } from './simulation.ts'

/**
 * Characters of JSON that the entries of one page come to, more or less: each holds whole lists of
 * permissions, and a thousand of them would be more than anyone can send or read at once.
 */
export const MAX_ENTRIES_LENGTH = 1024 * 1024

/**
 * The entries of one page: from `offset` on, at most `limit`, and no more than
 * {@link MAX_ENTRIES_LENGTH} in all, but at least one, so that the next page always gets further.
 */
export class EntryPage {
  readonly #offset: number
  readonly #limit: number
  readonly #entries: SimulatedEntry[] = []
  #length = 0
  #full = false
  #offered = 0

  constructor({ offset, limit }: { readonly offset: number; readonly limit: number }) {
    this.#offset = offset
    this.#limit = limit
  }

  /** To be called for every affected user, in order; the entry is made only while there is room. */
  offer(make: () => SimulatedEntry): void {
    const position = this.#offered
    this.#offered += 1
    if (position < this.#offset || this.#full) return
    if (this.#entries.length === this.#limit) {
      this.#full = true
      return
    }
    const entry = make()
    const length = JSON.stringify(entry).length
    if (this.#entries.length > 0 && this.#length + length > MAX_ENTRIES_LENGTH) {
      this.#full = true
      return
    }
    this.#length += length
    this.#entries.push(entry)
  }

  get entries(): readonly SimulatedEntry[] {
    return this.#entries
  }

  /** Where the next page begins; undefined when all were told of. */
  get nextOffset(): number | undefined {
    const next = this.#offset + this.#entries.length
    return next < this.#offered ? next : undefined
  }
}
