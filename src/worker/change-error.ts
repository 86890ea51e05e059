import { Failure } from '../domain/failure.ts'
import type { ChangeError } from '../domain/role-change.ts'

/** What is shown of an error: a failure's own words, nothing of any other error. */
export function changeError(error: unknown): ChangeError {
  if (!(error instanceof Failure)) return { message: 'an internal error; see the log' }
  const { message, upstream } = error
  return upstream ? { message, upstream } : { message }
}

/** The failure of a write, saying so where nobody can know whether the platform took it. */
export function mayBeWritten(error: unknown): unknown {
  if (!(error instanceof Failure) || error.code === 'upstream-refused') return error
  const { code, message, upstream } = error
  const told = `${message}; it may have been written all the same`
  return new Failure(code, told, { upstream, cause: error })
}

/** Statuses that say "not now" or "who are you": the request was not looked at. */
const UNDECIDED: ReadonlySet<number> = new Set([401, 408, 429])

/** Whether the platform itself said no to what it was asked. */
export function wasRefused(error: ChangeError | null): boolean {
  const status = error?.upstream?.status ?? 0
  return status >= 400 && status < 500 && !UNDECIDED.has(status)
}
