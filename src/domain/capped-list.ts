/** Lines that one list of a simulation tells of. */
export const MAX_LINES = 10_000

/** A list that takes no more than {@link MAX_LINES}, and knows when it was offered more. */
export class CappedList<Item> {
  readonly #items: Item[] = []
  #truncated = false

  /** The line is made only while there is room. */
  add(make: () => Item): void {
    if (this.#items.length < MAX_LINES) this.#items.push(make())
    else this.#truncated = true
  }

  get items(): readonly Item[] {
    return this.#items
  }

  get truncated(): boolean {
    return this.#truncated
  }
}
