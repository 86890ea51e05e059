import { Failure } from '../domain/failure.ts'
import type { FieldChange } from '../domain/json-difference.ts'
import { concurrently } from './concurrently.ts'
import { LoginFailure } from './login-failure.ts'
import { Written } from './written.ts'

/** How one of several works ended. */
export type Ended<Value> =
  | { readonly state: 'done'; readonly value: Value }
  | {
      readonly state: 'failed'
      readonly failure: Failure
      /** What was done nevertheless; `id` is undefined where nothing is known to exist. */
      readonly created: boolean
      readonly id: string | undefined
      readonly changes: readonly FieldChange[]
    }
  /** Left out: somebody asked to stop, or what failed before would fail again. */
  | { readonly state: 'not-started' }

export type RunItems<Item, Value> = {
  /** Works side by side. */
  readonly limit: number
  /** Once aborted no further work is begun; what runs is finished. */
  readonly stop: AbortSignal
  /** The division that the rights for an item are held in. */
  readonly divisionOf: (item: Item) => string
  /** Notes each write in `written` as it succeeds. */
  readonly run: (item: Item, written: Written) => Promise<Value>
  /** Is told of each item, in the order in which they end. */
  readonly onEnd: (item: Item, ended: Ended<Value>) => void
}

/** Refusals for want of rights, with nothing written in the division, after which it is given up. */
const MAX_REFUSALS = 5

/**
 * Does independent works; the failure of one leaves the others alone, unless it is one that each of
 * them would meet: a login that is refused ends all, and several refusals for want of rights those
 * of the same division, where nothing else could be written: rights are held by division. Throws
 * nothing but mistakes and an abort.
 */
export async function runItems<Item, Value>(
  items: readonly Item[],
  { limit, stop, divisionOf, run, onEnd }: RunItems<Item, Value>,
): Promise<void> {
  let loggedOut = false
  const refusals = new Map<string, number>()
  await concurrently(items, limit, async (item) => {
    const division = divisionOf(item)
    if (stop.aborted || loggedOut || (refusals.get(division) ?? 0) >= MAX_REFUSALS) {
      onEnd(item, { state: 'not-started' })
      return
    }
    const written = new Written()
    const isWritten = (): boolean => written.created || written.changes.length > 0
    try {
      const value = await run(item, written)
      if (isWritten()) refusals.set(division, -Infinity)
      onEnd(item, { state: 'done', value })
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const status = error.upstream?.status
      loggedOut ||= error instanceof LoginFailure || status === 401
      if (isWritten()) refusals.set(division, -Infinity)
      else if (status === 403) refusals.set(division, (refusals.get(division) ?? 0) + 1)
      const { created, id, changes } = written
      onEnd(item, { state: 'failed', failure: error, created, id, changes })
    }
  })
}
