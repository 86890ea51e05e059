import { Failure } from '../domain/failure.ts'
import { broken, listIn, objectIn } from './answer-shape.ts'
import type { CallPolicy, FailedAttempt } from './call-policy.ts'
import { Deadline } from './clock.ts'
import { explainFailure } from './explain-failure.ts'
import type { PlatformUse } from './explain-failure.ts'
import type { PlatformClient } from './platform-client.ts'
import { lateFailure } from './transport-failure.ts'

/** One of the collections of the architecture API: listed by pages, added to by POST. */
export type ArchitectureCollection<Item> = {
  /** What it holds, for messages: `IP allowlists`. */
  readonly name: string
  readonly path: string
  /** Permissions of the platform without their action. */
  readonly permission: string
  /** Bound of reading all pages, in milliseconds. */
  readonly listTimeoutMs: number
  /** Maps one entity; throws `upstream-broken` for one that cannot be relied on. */
  readonly map: (entity: unknown) => Item
}

const PAGE_SIZE = 100
/** Nobody has so many; a listing that goes on beyond does not end. */
const MAX_PAGES = 50
const LIST_ATTEMPTS = 3
const FIRST_PAUSE_MS = 2_000
/** A platform that is down takes longer than one that is busy. */
const DOWN_FACTOR = 2

/** As told, else 2 and 4 s, twice as long for a 503. */
export function pauseAsTold({ attempt, status, askedSeconds }: FailedAttempt): number {
  if (askedSeconds !== undefined) return askedSeconds * 1000
  const ownMs = FIRST_PAUSE_MS * 2 ** (attempt - 1)
  return status === 503 ? ownMs * DOWN_FACTOR : ownMs
}

/** A policy for calls that share one bound, with pauses that are not begun when they outlast it. */
export function boundedPolicy(
  client: PlatformClient,
  bound: { readonly timeoutMs: number; readonly signal: AbortSignal },
  pauseMs: (failed: FailedAttempt) => number,
): Pick<CallPolicy, 'signal' | 'timeoutMs' | 'pauseMs'> {
  const endsAt = client.clock.now() + bound.timeoutMs
  return {
    ...bound,
    pauseMs(failed) {
      const ms = pauseMs(failed)
      return client.clock.now() + ms < endsAt ? ms : undefined
    },
  }
}

/**
 * Everything in a collection, each id once. Throws `not-offered` when the organisation has no such
 * collection; `upstream-broken` for a listing that does not end.
 */
export async function listCollection<Item extends { readonly id: string }>(
  client: PlatformClient,
  collection: ArchitectureCollection<Item>,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  const { path, listTimeoutMs: timeoutMs } = collection
  const late = (): Failure => lateFailure(`listing all ${collection.name}`, timeoutMs)
  using deadline = new Deadline(client.clock, timeoutMs, signal, late)
  const bound = { timeoutMs, signal: deadline.signal }
  const policy: CallPolicy = {
    priority: 'single-user',
    attempts: LIST_ATTEMPTS,
    ...boundedPolicy(client, bound, pauseAsTold),
  }
  const readPage = async (pageNumber: number): Promise<Page<Item>> => {
    const query = {
      pageSize: String(PAGE_SIZE),
      ...(pageNumber > 1 && { pageNumber: String(pageNumber) }),
    }
    const request = { method: 'GET', path, query } as const
    const answer = await client.call(policy, (session) => session.request(request))
    return pageIn(answer, collection)
  }
  try {
    return await readPages(readPage, collection.name)
  } catch (error) {
    throw explainFailure(error, useOf(client, collection, 'read'))
  }
}

/** What a call to the collection is for, for whoever has to mend its failure. */
export function useOf(
  client: PlatformClient,
  collection: Pick<ArchitectureCollection<unknown>, 'name' | 'permission'>,
  action: 'read' | 'write',
): PlatformUse {
  const { name, permission } = collection
  return { collection: name, permission: `${permission}:${action}`, clientId: client.clientId }
}

async function readPages<Item extends { readonly id: string }>(
  readPage: (pageNumber: number) => Promise<Page<Item>>,
  name: string,
): Promise<readonly Item[]> {
  const items = new Map<string, Item>()
  // The listing tells no total: what is created meanwhile may lengthen it.
  for (let pageNumber = 1, pages = 1; pageNumber <= pages; pageNumber++) {
    const page = await readPage(pageNumber)
    for (const item of page.items) items.set(item.id, item)
    pages = page.pageCount
    if (pages > MAX_PAGES) throw broken(`the listing of ${name}`, `${pages} pages`)
  }
  return [...items.values()]
}

type Page<Item> = { readonly items: readonly Item[]; readonly pageCount: number }

function pageIn<Item>(answer: unknown, collection: ArchitectureCollection<Item>): Page<Item> {
  const where = `the listing of ${collection.name}`
  const envelope = objectIn(answer, where)
  const { pageCount } = envelope
  if (typeof pageCount !== 'number' || !Number.isSafeInteger(pageCount) || pageCount < 0) {
    throw broken(where, 'no page count')
  }
  const items = listIn(envelope, 'entities', where).map((entity) => collection.map(entity))
  return { items, pageCount }
}
