import { Failure } from '../domain/failure.ts'
import { LoginFailure } from './login-failure.ts'

/**
 * Whether the platform may have executed a write without saying so: no answer, one that cannot be
 * read, or an error that came from somewhere behind it.
 */
export function isUnclear(error: unknown): error is Failure {
  return mayPass(error) && !error.unexecuted
}

/** Whether the platform has said that it has not executed a write, for want of room. */
export function isTurnedAway(error: unknown): error is Failure {
  return mayPass(error) && error.unexecuted && error.upstream !== undefined
}

/** Whether another attempt at a write may end otherwise: a refusal stays one. */
export function mayPass(error: unknown): error is Failure {
  if (!(error instanceof Failure) || error instanceof LoginFailure) return false
  return error.code === 'upstream-busy' || error.code === 'upstream-broken'
}

/**
 * The end of something that may have been done, whatever it ended with: only looking, later, will
 * tell. `what` says what is not known.
 */
export function undecided(
  { message, upstream, retryAfterSeconds }: Failure,
  what: string,
): Failure {
  const details = { upstream, retryAfterSeconds, undecided: true }
  const text = `${message}; ${what}: it is looked for again later`
  return new Failure('upstream-busy', text, details)
}

/** What comes before anything is sent: what it throws ends the whole with nothing done. */
export async function beforeSending<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    throw asUnexecuted(error)
  }
}

/** The same failure, known to have left nothing behind; any other error as it is. */
export function asUnexecuted(error: unknown): unknown {
  if (!(error instanceof Failure) || error.unexecuted) return error
  const { code, message, field, faults, retryAfterSeconds, upstream } = error
  const details = { field, faults, retryAfterSeconds, upstream, unexecuted: true }
  const Kind = error instanceof LoginFailure ? LoginFailure : Failure
  return new Kind(code, message, details)
}
