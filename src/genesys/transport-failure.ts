import { Failure } from '../domain/failure.ts'
import type { UpstreamAnswer } from '../domain/failure.ts'
import { retryAfterSeconds } from '../domain/retry-after.ts'
import { bounded } from './exchange.ts'
import type { Outcome } from './retry-rules.ts'

/** What a failure without any connection says; a colon and the system's code come after it. */
export const NO_CONNECTION = 'found no connection to the platform'

type RefusalDetails = { readonly upstream: UpstreamAnswer; readonly unexecuted: boolean }

/** A refusal by the platform; `said` is its own message, empty when it gave none. */
class PlatformRefusal extends Failure {
  readonly said: string

  constructor(message: string, said: string, details: RefusalDetails) {
    super('upstream-refused', message, details)
    this.said = said
  }
}

/** An answer that is larger than what we take: a smaller question may be answered. */
class OversizedAnswer extends Failure {}

/** Whether a question or its answer was too large, for the platform or for us. */
export function isTooLarge(error: unknown): boolean {
  if (error instanceof OversizedAnswer) return true
  if (!(error instanceof Failure) || error.upstream === undefined) return false
  const { status, code } = error.upstream
  return status === 413 || (status === 400 && /(?:^|\.)too\.large$/.test(code))
}

/**
 * A refusal with the platform's own message in the place of ours, for whoever has to act on it; any
 * other error as it is.
 */
export function inOwnWords(error: unknown): unknown {
  if (!(error instanceof PlatformRefusal) || error.said === '') return error
  const { upstream, unexecuted } = error
  return new Failure('upstream-refused', error.said, { upstream, unexecuted })
}

/**
 * The outcome of the last attempt as a `Failure`: what the platform said, never what it was sent.
 * `operation` is a method and a path template.
 *
 * @param unexecuted whether it is certain that none of the attempts was executed
 */
export function failureOf(
  outcome: Outcome,
  operation: string,
  { attempts, unexecuted }: { readonly attempts: number; readonly unexecuted: boolean },
): Failure {
  const tried = attempts > 1 ? ` (${attempts} attempts)` : ''
  switch (outcome.kind) {
    case 'timeout':
      return new Failure('upstream-busy', `${operation} was not answered in time${tried}`)
    case 'network':
      return new Failure(
        'upstream-busy',
        `${operation} ${NO_CONNECTION}: ${outcome.errorCode}${tried}`,
        { unexecuted },
      )
    case 'malformed':
      return malformedFailure(outcome, `${operation} got ${outcome.why}${tried}`)
    case 'answered':
      return statusFailure(outcome, operation, { tried, unexecuted })
  }
}

function malformedFailure(
  { status, oversized, correlationId = '' }: Extract<Outcome, { kind: 'malformed' }>,
  text: string,
): Failure {
  if (oversized === true) return new OversizedAnswer('upstream-broken', text)
  const upstream = correlationId === '' ? undefined : { status, code: '', correlationId }
  return new Failure('upstream-broken', text, { upstream })
}

type Answered = Extract<Outcome, { kind: 'answered' }>

function statusFailure(
  outcome: Answered,
  operation: string,
  { tried, unexecuted }: { readonly tried: string; readonly unexecuted: boolean },
): Failure {
  const { status, retryAfter } = outcome
  const { message, code, contextId, details } = readErrorBody(outcome.body)
  const correlationId = outcome.correlationId || contextId
  const words = [code, message].filter((part) => part !== '').join(': ')
  const said = details === '' ? words : `${words} (${details})`
  const text = `${operation} was answered with ${status}${said && ` ${said}`}${tried}`
  const upstream = { status, code, correlationId }
  if (status === 429 || status === 408 || status >= 500) {
    const seconds = retryAfterSeconds(retryAfter, Date.now())
    return new Failure('upstream-busy', text, { retryAfterSeconds: seconds, upstream, unexecuted })
  }
  if (status >= 400) return new PlatformRefusal(text, message, { upstream, unexecuted })
  return new Failure('upstream-broken', `${text}, which is no answer to it`, { upstream })
}

type ErrorBody = {
  readonly message: string
  readonly code: string
  readonly contextId: string
  /** The fields that the platform names, with what it says of each. */
  readonly details: string
}

/** The platform's error form, or OAuth's; an edge in front of the platform knows neither. */
export function readErrorBody(body: unknown): ErrorBody {
  const fields = typeof body === 'object' && body !== null ? body : {}
  const text = (name: string): string => {
    const value: unknown = Reflect.get(fields, name)
    return typeof value === 'string' ? bounded(value, 500) : ''
  }
  return {
    message: text('message') || text('error_description') || text('description'),
    code: text('code') || text('error'),
    contextId: text('contextId'),
    details: bounded(readDetails(Reflect.get(fields, 'details')), 500),
  }
}

/** Beyond these the platform repeats itself. */
const MAX_DETAILS = 20

function readDetails(list: unknown): string {
  if (!Array.isArray(list)) return ''
  const details = list.slice(0, MAX_DETAILS).flatMap((detail: unknown) => {
    if (typeof detail !== 'object' || detail === null) return []
    const parts: unknown[] = [Reflect.get(detail, 'fieldName'), Reflect.get(detail, 'errorCode')]
    const texts = parts.filter((part) => typeof part === 'string' && part !== '')
    return texts.length === 0 ? [] : [texts.join(': ')]
  })
  return details.join(', ')
}

/** The call's own bound ran out, whatever it was waiting for. */
export function lateFailure(operation: string, timeoutMs: number): Failure {
  const seconds = Math.ceil(timeoutMs / 1000)
  return new Failure('upstream-busy', `${operation} was not done within ${seconds} s`)
}
