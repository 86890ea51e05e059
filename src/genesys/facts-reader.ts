import type { ReadMatrixOptions } from '../domain/directory.ts'
import type { CallPolicy } from './call-policy.ts'
import type { PlatformClient } from './platform-client.ts'
import { readListing } from './read-listing.ts'
import type { Listing, ListingRead } from './read-listing.ts'
import { RequestProgress } from './request-progress.ts'
import type { SdkSession } from './sdk.ts'

const ATTEMPTS = 6
/** Bound of one call; a rebuild may have to stand back behind role changes for long. */
const CALL_TIMEOUT_MS = 15 * 60_000

/** One reading of the whole organisation: all its parts stop when one of them fails. */
export type FactsReader = {
  readonly progress: RequestProgress
  /** How many requests are worth making side by side. */
  readonly concurrency: number
  call<Value>(run: (sdk: SdkSession) => Promise<Value>): Promise<Value>
  list<Item extends { readonly id: string }>(listing: Listing<Item>): Promise<ListingRead<Item>>
  /** Passes a part's result on; its failure ends the other parts. */
  part<Value>(work: Promise<Value>): Promise<Value>
}

export function openFactsReader(client: PlatformClient, options: ReadMatrixOptions): FactsReader {
  const { concurrency } = client
  const progress = new RequestProgress(options.onProgress)
  const stop = new AbortController()
  const policy: CallPolicy = {
    priority: 'rebuild',
    signal: AbortSignal.any([options.signal, stop.signal]),
    attempts: ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
  const part = async <Value>(work: Promise<Value>): Promise<Value> => {
    try {
      return await work
    } catch (error) {
      stop.abort(error)
      throw error
    }
  }
  return {
    progress,
    concurrency,
    call: (run) => client.call(policy, run),
    list: (listing) => part(readListing(listing, { concurrency, progress })),
    part,
  }
}
