/** Characters of JSON that the items of one page come to: a single one may have hundreds of thousands. */
const MAX_PAGE_LENGTH = 1024 * 1024
/** Items read at once: the first few tell how long they are, and how many more will fit. */
const FIRST_READ = 16
const MAX_READ = 250

type PageSource<Item> = {
  /** Reads on after a place, or from the beginning; `next` is there when there is more. */
  readonly read: (
    limit: number,
    after: number | undefined,
  ) => Promise<{ readonly items: readonly Item[]; readonly next?: number | undefined }>
  readonly placeOf: (item: Item) => number
  /** What is told of an item. */
  readonly describe: (item: Item) => object
}

/**
 * A page of items in JSON: at most `limit`, and no more than {@link MAX_PAGE_LENGTH} in all, but at
 * least one; `next` is the place to go on from. Items are read as they fit, so that a page of long
 * ones does not hold up the checks on the same thread.
 */
export async function fillPage<Item>(
  { read, placeOf, describe }: PageSource<Item>,
  { limit, after }: { readonly limit: number; readonly after: number | undefined },
): Promise<{ readonly items: string; readonly next: number | undefined }> {
  const lines: string[] = []
  let length = 0
  let last = after
  let count = Math.min(limit, FIRST_READ)
  for (;;) {
    const { items, next } = await read(count, last)
    for (const item of items) {
      const line = JSON.stringify(describe(item))
      const isFull = lines.length > 0 && length + line.length > MAX_PAGE_LENGTH
      if (isFull) return { items: `[${lines.join(',')}]`, next: last }
      lines.push(line)
      length += line.length
      last = placeOf(item)
    }
    if (next === undefined || lines.length >= limit) return { items: `[${lines.join(',')}]`, next }
    const fitting = Math.ceil((MAX_PAGE_LENGTH - length) / (length / lines.length))
    count = Math.max(1, Math.min(limit - lines.length, fitting, MAX_READ))
  }
}
