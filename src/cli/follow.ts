import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Session } from './session.ts'

/** Work that goes on in the service. */
export type Work<Value> = {
  /** What stands before progress: `rebuild`, `role changes`. */
  readonly name: string
  readonly read: () => Promise<Value>
  readonly isOver: (value: Value) => boolean
  readonly progressOf: (value: Value) => { readonly done: number; readonly total: number }
  /** How to look at it again. */
  readonly advice: string
}

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 2_000
/** Nothing that the service does takes so long. */
const MAX_FOLLOW_MS = 24 * 60 * 60_000
/** Looks in a row that may fail: a service that is started anew takes some seconds. */
const MAX_MISSES = 30
/** What may have passed at the next look. */
const PASSING: ReadonlySet<FailureCode> = new Set([
  'rate-limited',
  'overloaded',
  'store-unavailable',
  'upstream-busy',
])

/**
 * Looks at work until it is over, showing how far it is. An interruption leaves the work alone; so
 * does a service that is gone for longer, which throws the failure of the last look.
 */
export async function follow<Value>(session: Session, work: Work<Value>): Promise<Value> {
  const { signal, progress } = session
  const giveUpAt = performance.now() + MAX_FOLLOW_MS
  session.resumeWith(work.advice)
  let pauseMs = FIRST_PAUSE_MS
  for (let misses = 0; ;) {
    try {
      const value = await work.read()
      misses = 0
      if (work.isOver(value)) return value
      const { done, total } = work.progressOf(value)
      progress.show(`${work.name}: ${done} of ${total}`)
    } catch (error) {
      misses += 1
      if (!isPassing(error) || misses > MAX_MISSES) {
        if (!signal.aborted) await session.note(work.advice)
        throw error
      }
      progress.show(`${work.name}: ${error.message}`)
    }
    if (performance.now() > giveUpAt) {
      throw new Failure('upstream-busy', `it has not come to an end in a day: ${work.advice}`)
    }
    await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    pauseMs = Math.min(pauseMs * 1.5, MAX_PAUSE_MS)
  }
}

function isPassing(error: unknown): error is Failure {
  return error instanceof Failure && PASSING.has(error.code)
}
