import { Failure } from '../domain/failure.ts'
import type { CallPolicy } from './call-policy.ts'
import { explainFailure } from './explain-failure.ts'
import { pauseAsTold } from './architecture-collection.ts'
import type { CreateOnce } from './create-once.ts'
import type { PlatformClient } from './platform-client.ts'
import { readListing } from './read-listing.ts'
import type { Listing } from './read-listing.ts'
import { RequestProgress } from './request-progress.ts'

const READ_ATTEMPTS = 5
const WRITE_ATTEMPTS = 4
/** The platform may ask for several waits of three minutes each. */
const CALL_TIMEOUT_MS = 15 * 60_000

/** How an administrator's reading calls the platform. */
export function readPolicy(signal: AbortSignal): CallPolicy {
  return {
    priority: 'single-user',
    signal,
    attempts: READ_ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
}

/** How an administrator's writing does; repeated only where it cannot have been executed. */
export function writePolicy(signal: AbortSignal): CallPolicy {
  return {
    priority: 'role-change',
    signal,
    attempts: WRITE_ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
}

/** Refusals for want of rights in words that name the permission; any other error as it is. */
export async function needing<Value>(
  client: PlatformClient,
  permission: string,
  work: Promise<Value>,
): Promise<Value> {
  try {
    return await work
  } catch (error) {
    const status = error instanceof Failure ? error.upstream?.status : undefined
    if (status !== 401 && status !== 403) throw error
    throw explainFailure(error, { collection: permission, permission, clientId: client.clientId })
  }
}

/**
 * Reads a listing to its end: see `readListing`. Throws `upstream-refused` where the platform has
 * more than it lists.
 */
export async function readAll<Item extends { readonly id: string }>(
  client: PlatformClient,
  listing: Listing<Item>,
  progress: RequestProgress = new RequestProgress(() => {}),
): Promise<readonly Item[]> {
  progress.plan(1)
  const { concurrency } = client
  const { items, complete } = await readListing(listing, { concurrency, progress })
  if (complete) return items
  const advice = listing.advice === undefined ? '' : `: ${listing.advice}`
  const message = `${listing.name}: the platform lists ${items.length} of them and no more${advice}`
  throw new Failure('upstream-refused', message)
}

const FIRST_PAUSE_MS = 500

/** Milliseconds to wait before looking again for the `times`th time, from 1. */
export function lookAgainMs(times: number): number {
  return FIRST_PAUSE_MS * 2 ** (times - 1)
}

/** Words in the codes of a 400 that say so, as a part between points: `user.already.exists`. */
const TAKEN = /(?:^|\.)(?:exists?|duplicated?|conflict|unique)(?:\.|$)/i
const MISSING = /(?:^|\.)(?:not|non?|doesnt|missing)(?:\.|$)/i

/**
 * Whether creating was refused because the name or email is taken: seen as 409, and as 400. A 400
 * that says that something does not exist is none.
 */
function isTaken({ upstream }: Failure): boolean {
  if (upstream?.status === 409) return true
  const code = upstream?.status === 400 ? upstream.code : ''
  return TAKEN.test(code) && !MISSING.test(code)
}

const CREATE_ATTEMPTS = 4
const CREATE_TIMEOUT_MS = 5 * 60_000
/** Looks at a name or email that is taken and not found yet: one second, two, four … after each other. */
const LOOKS_FOR_TAKEN = 6

/** How what an administrator wants is created once: what is there already is taken as it is. */
export const CREATION = {
  mayExist: true,
  isTaken,
  whenTaken: { looks: LOOKS_FOR_TAKEN, advice: 'it may show in a minute: run it again' },
  attempts: CREATE_ATTEMPTS,
  timeoutMs: CREATE_TIMEOUT_MS,
  pauseMs: pauseAsTold,
} as const satisfies Partial<CreateOnce<unknown>>
