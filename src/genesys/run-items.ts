import { Failure } from '../domain/failure.ts'
import { concurrently } from './concurrently.ts'
import { LoginFailure } from './login-failure.ts'

/** How one of several works ended. */
export type Ended<Value> =
  | { readonly state: 'done'; readonly value: Value }
  | { readonly state: 'failed'; readonly failure: Failure }
  /** Left out: somebody asked to stop, or what failed before would fail again. */
  | { readonly state: 'not-started' }

export type RunItems<Item, Value> = {
  /** Works side by side. */
  readonly limit: number
  /** Once aborted no further work is begun; what runs is finished. */
  readonly stop: AbortSignal
  readonly run: (item: Item) => Promise<Value>
  /** Is told of each item, in the order in which they end. */
  readonly onEnd: (item: Item, ended: Ended<Value>) => void
}

/**
 * Does independent works; the failure of one leaves the others alone, unless it is one that each of
 * them would meet: a login or a right that is refused. Throws nothing but mistakes and an abort.
 */
export async function runItems<Item, Value>(
  items: readonly Item[],
  { limit, stop, run, onEnd }: RunItems<Item, Value>,
): Promise<void> {
  let hopeless = false
  await concurrently(items, limit, async (item) => {
    if (stop.aborted || hopeless) {
      onEnd(item, { state: 'not-started' })
      return
    }
    try {
      onEnd(item, { state: 'done', value: await run(item) })
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      hopeless ||= failsEverybody(error)
      onEnd(item, { state: 'failed', failure: error })
    }
  })
}

function failsEverybody(failure: Failure): boolean {
  const status = failure.upstream?.status
  return failure instanceof LoginFailure || status === 401 || status === 403
}
