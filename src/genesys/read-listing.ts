import { Failure } from '../domain/failure.ts'
import { broken, listIn, objectIn } from './answer-shape.ts'
import { concurrently } from './concurrently.ts'
import type { RequestProgress } from './request-progress.ts'
import { isTooLarge } from './transport-failure.ts'

export type Listing<Item> = {
  /** What is listed, for messages: `active users`. */
  readonly name: string
  readonly pageSize: number
  readonly fetch: (page: { pageSize: number; pageNumber: number }) => Promise<unknown>
  /** Maps one entity; throws `upstream-broken` for one that cannot be relied on. */
  readonly map: (entity: unknown) => Item
  /**
   * Rows beyond which the platform refuses to list: what is past them is not asked for, and said to
   * be left out. The refusal of a page that ends before is a failure like any other.
   */
  readonly rowLimit?: number
  /** What to do about the platform having more than it lists, for the message. */
  readonly advice?: string
}

export type ListingContext = {
  readonly concurrency: number
  readonly progress: RequestProgress
}

export type ListingRead<Item> = {
  readonly items: readonly Item[]
  /** False when the platform has more than it lists; only with a `rowLimit`. */
  readonly complete: boolean
}

/** A listing that changes while it is read is read again so many times at most. */
const MAX_READS = 3
const MIN_PAGE_SIZE = 25

/**
 * Reads a numbered listing to its end and accounts for every page: the same total on each, and as
 * many different ids as it says. A listing that does not add up has changed meanwhile and is read
 * again from its first page, at most twice; then throws `upstream-broken`. Pages that are too large
 * for the platform are asked for at half the size. The first request is planned by the caller.
 */
export async function readListing<Item extends { readonly id: string }>(
  listing: Listing<Item>,
  context: ListingContext,
): Promise<ListingRead<Item>> {
  let { pageSize } = listing
  for (let reads = 1; ;) {
    const reader = new ListingReader(listing, context, pageSize)
    try {
      return await reader.read()
    } catch (error) {
      if (isTooLarge(error) && pageSize > MIN_PAGE_SIZE) {
        pageSize = Math.max(MIN_PAGE_SIZE, Math.floor(pageSize / 2))
      } else if (error instanceof Inconsistency && reads < MAX_READS) {
        reads += 1
      } else if (error instanceof Inconsistency) {
        const message = `${listing.name}: ${error.message} (read ${reads} times)`
        throw new Failure('upstream-broken', message)
      } else {
        throw error
      }
      context.progress.plan(1 - reader.unread)
    }
  }
}

/** A page that contradicts another one, or itself. */
class Inconsistency extends Error {}

type Page<Item> = { readonly total: number; readonly pageSize: number; readonly items: Item[] }

/** One passage through a listing. */
class ListingReader<Item extends { readonly id: string }> {
  readonly #listing: Listing<Item>
  readonly #context: ListingContext
  readonly #pageSize: number
  readonly #items = new Map<string, Item>()
  #unread = 1

  constructor(listing: Listing<Item>, context: ListingContext, pageSize: number) {
    this.#listing = listing
    this.#context = context
    this.#pageSize = pageSize
  }

  /** Planned requests that were not made. */
  get unread(): number {
    return this.#unread
  }

  async read(): Promise<ListingRead<Item>> {
    const first = await this.#readPage(1)
    const { total, pageSize } = first
    this.#keep(first, 1, total)
    const pages = Math.ceil(total / pageSize)
    const listed = Math.floor((this.#listing.rowLimit ?? Infinity) / pageSize)
    const wanted = Math.min(pages, Math.max(1, listed))
    const rest = Array.from({ length: wanted - 1 }, (_, index) => index + 2)
    this.#plan(rest.length)
    await concurrently(rest, this.#context.concurrency, async (pageNumber) => {
      this.#keep(await this.#readPage(pageNumber), pageNumber, total)
    })
    const complete = wanted >= pages
    const expected = complete ? total : wanted * pageSize
    const found = this.#items.size
    if (found !== expected) {
      throw new Inconsistency(`${total} were announced and ${found} of ${expected} listed`)
    }
    return { items: [...this.#items.values()], complete }
  }

  async #readPage(pageNumber: number): Promise<Page<Item>> {
    this.#unread -= 1
    try {
      const answer = await this.#listing.fetch({ pageSize: this.#pageSize, pageNumber })
      return this.#check(answer, pageNumber)
    } finally {
      this.#context.progress.step()
    }
  }

  #check(answer: unknown, pageNumber: number): Page<Item> {
    try {
      const where = `page ${pageNumber}`
      const envelope = objectIn(answer, where)
      const { total, pageSize, pageCount } = envelope
      if (typeof total !== 'number' || !Number.isSafeInteger(total) || total < 0) {
        throw broken(where, 'no total')
      }
      if (envelope['pageNumber'] !== pageNumber) throw broken(where, 'another page number')
      const items = listIn(envelope, 'entities', where).map((entity) => this.#listing.map(entity))
      // The platform may give smaller pages than were asked for.
      const given = typeof pageSize === 'number' && pageSize >= 1 ? pageSize : this.#pageSize
      const size = Math.min(given, this.#pageSize)
      // A total that is too small by whole pages would hide them.
      if (typeof pageCount === 'number' && pageCount > Math.max(1, Math.ceil(total / size))) {
        throw broken(where, `${pageCount} pages for a total of ${total}`)
      }
      return { total, pageSize: size, items }
    } catch (error) {
      if (error instanceof Failure) throw new Inconsistency(error.message)
      throw error
    }
  }

  #keep(page: Page<Item>, pageNumber: number, total: number): void {
    if (page.total !== total) {
      throw new Inconsistency(`page ${pageNumber} announced ${page.total}, page 1 ${total}`)
    }
    for (const item of page.items) this.#items.set(item.id, item)
  }

  #plan(requests: number): void {
    this.#unread += requests
    this.#context.progress.plan(requests)
  }
}
