import { Failure } from '../domain/failure.ts'
import type { FailureCode, FailureDetails } from '../domain/failure.ts'

/**
 * A failure of the login, met on the way to an operation. What it carries of the platform's answer
 * speaks of the login alone: no operation was answered. To other rooms it is a `Failure` like any.
 */
export class LoginFailure extends Failure {}

const REFUSALS = new Set([400, 401])

/**
 * What ended a login, as a `LoginFailure`. Only the login's own words, an OAuth error with 400 or
 * 401, refuse the credentials; a refusal without them comes from something in front of it and may
 * pass.
 *
 * @param refused the message for refused credentials
 */
export function loginFailure(error: unknown, refused: string): LoginFailure {
  if (!(error instanceof Failure)) {
    return new LoginFailure('upstream-broken', 'the login was answered with something unreadable')
  }
  const { upstream, message, retryAfterSeconds } = error
  const as = (code: FailureCode, text: string): LoginFailure => {
    const details: FailureDetails = { retryAfterSeconds, upstream }
    return new LoginFailure(code, text, details)
  }
  if (error.code !== 'upstream-refused' || upstream === undefined) return as(error.code, message)
  const { status, code } = upstream
  if (!REFUSALS.has(status) || code === '') return as('upstream-busy', message)
  return as('upstream-refused', `${refused} (${code})`)
}

/**
 * The status of a refusal that the platform gave to the operation itself, in its own words;
 * undefined for anything else. A login's refusal is none, nor is a page of something in between.
 */
export function refusalStatus(error: unknown): number | undefined {
  if (!(error instanceof Failure) || error instanceof LoginFailure) return undefined
  if (error.code !== 'upstream-refused' || error.upstream?.code === '') return undefined
  return error.upstream?.status
}
