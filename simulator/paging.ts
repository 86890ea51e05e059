import { invalidValue } from './platform-error.ts'
import { integerParameter, type Query, textParameter } from './query.ts'

export interface Page {
  readonly size: number
  readonly number: number
}

export interface PageLimits {
  readonly fallback?: number
  readonly max: number
}

export const DEFAULT_PAGE_SIZE = 25

const LAST_PAGE_NUMBER = 999_999_999

export function readPage(query: Query, limits: PageLimits): Page {
  const fallback = limits.fallback ?? DEFAULT_PAGE_SIZE
  return {
    size: integerParameter(query, 'pageSize', { fallback, max: limits.max }),
    number: integerParameter(query, 'pageNumber', { fallback: 1, max: LAST_PAGE_NUMBER }),
  }
}

export function cut<T>(items: readonly T[], page: Page): readonly T[] {
  const start = (page.number - 1) * page.size
  return items.slice(start, start + page.size)
}

/** The parameters worth repeating in the envelope's links: all but the page number. */
function linkTo(path: string, query: Query, page: Page): (number: number) => string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (name === 'pageNumber' || name === 'pageSize' || value === undefined) continue
    for (const item of typeof value === 'string' ? [value] : value) search.append(name, item)
  }
  const rest = search.size === 0 ? '' : `&${search.toString()}`
  return (number) => `${path}?pageSize=${page.size}&pageNumber=${number}${rest}`
}

/** What a listing says about itself, without its entities. */
export interface ListingInput {
  readonly path: string
  readonly query: Query
  readonly page: Page
  readonly total: number
  /** Entities that are JSON already. */
  readonly entities: readonly string[]
}

function linksOf({ path, query, page, total }: ListingInput) {
  const pageCount = Math.ceil(total / page.size)
  const link = linkTo(path, query, page)
  return {
    firstUri: link(1),
    ...(page.number > 1 && { previousUri: link(page.number - 1) }),
    ...(page.number < pageCount && { nextUri: link(page.number + 1) }),
    lastUri: link(Math.max(pageCount, 1)),
    selfUri: link(page.number),
  }
}

/** A numbered page. A page past the end is empty, not an error. */
export function listing(input: ListingInput): string {
  const { page, total } = input
  const pageCount = Math.ceil(total / page.size)
  const links = linksOf(input)
  const envelope = { pageSize: page.size, pageNumber: page.number, total, ...links, pageCount }
  return `{"entities":[${input.entities.join(',')}],${JSON.stringify(envelope).slice(1)}`
}

/** A numbered page of the kinds that say neither how many there are nor which is the last. */
export function uncountedListing(input: ListingInput): string {
  const { lastUri: _, ...links } = linksOf(input)
  const envelope = { pageNumber: input.page.number, pageSize: input.page.size, ...links }
  return `{"entities":[${input.entities.join(',')}],${JSON.stringify(envelope).slice(1)}`
}

/** A numbered page of the kinds that carry no links. */
export function linklessListing(input: Omit<ListingInput, 'path' | 'query'>): string {
  const { page, total, entities } = input
  const pageCount = Math.ceil(total / page.size)
  const envelope = { pageSize: page.size, pageNumber: page.number, total, pageCount }
  return `{"entities":[${entities.join(',')}],${JSON.stringify(envelope).slice(1)}`
}

/** A slice found by cursor. The cursor is opaque to callers: an offset in base64url. */
export interface CursorSlice<T> {
  readonly items: readonly T[]
  readonly size: number
  readonly next: string | undefined
}

export function cutByCursor<T>(
  items: readonly T[],
  query: Query,
  options: { parameter: string; max: number },
): CursorSlice<T> {
  const size = integerParameter(query, 'pageSize', {
    fallback: DEFAULT_PAGE_SIZE,
    max: options.max,
  })
  const given = textParameter(query, options.parameter)
  const start = given === undefined || given === '' ? 0 : readCursor(options.parameter, given)
  const end = start + size
  return {
    items: items.slice(start, end),
    size,
    next: end < items.length ? Buffer.from(`at ${end}`).toString('base64url') : undefined,
  }
}

function readCursor(parameter: string, cursor: string): number {
  const found = /^at (\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (found === null) throw invalidValue(parameter, cursor, 'a cursor from a former answer')
  return Number(found[1])
}
