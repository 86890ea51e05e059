import { Failure } from '../domain/failure.ts'
import { LoginFailure } from './login-failure.ts'

/** Statuses after which the platform has not executed the request. */
const UNEXECUTED_STATUSES = new Set([429, 503])

/**
 * Whether the platform may have executed a write without saying so: no answer, one that cannot be
 * read, or an error that came from somewhere behind it.
 */
export function isUnclear(error: unknown): error is Failure {
  if (!(error instanceof Failure) || error instanceof LoginFailure) return false
  if (error.code !== 'upstream-busy' && error.code !== 'upstream-broken') return false
  return error.upstream === undefined || !UNEXECUTED_STATUSES.has(error.upstream.status)
}
