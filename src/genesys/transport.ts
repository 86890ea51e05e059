import type { Dispatcher } from 'undici'
import { Failure } from '../domain/failure.ts'
import { retryAfterSeconds } from '../domain/retry-after.ts'
import type { Budget } from './budget.ts'
import { currentOperation, currentPolicy } from './call-policy.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, sleep } from './clock.ts'
import type { Clock } from './clock.ts'
import { exchange } from './exchange.ts'
import type { OutgoingRequest } from './exchange.ts'
import { backoffMs, MAX_RETRY_AFTER_SECONDS } from './retry-rules.ts'
import { isUnexecuted, outcomeName, retryCause } from './retry-rules.ts'
import type { Outcome } from './retry-rules.ts'
import { AbstractHttpClient } from './sdk.ts'
import type { HttpRequestOptions, HttpResponse } from './sdk.ts'
import type { TokenKeeper } from './token.ts'
import { failureOf, lateFailure, readErrorBody } from './transport-failure.ts'
import { asUnexecuted } from './unclear-outcome.ts'
import type { ClientName, OnEvent } from './upstream-event.ts'

export type TransportParts = {
  readonly client: ClientName
  readonly dispatcher: Dispatcher
  readonly budget: Budget
  readonly tokens: TokenKeeper
  readonly clock: Clock
  /** Bound of one exchange in milliseconds, from sending to the last byte of the answer. */
  readonly requestTimeoutMs: number
  readonly onEvent: OnEvent
}

const LOGIN_PATH = '/oauth/token'

/** One request of the SDK's on its way, through all its attempts. */
type Call = {
  readonly options: HttpRequestOptions
  readonly policy: CallPolicy
  readonly operation: string
  readonly login: boolean
  /** True when sending it twice does no harm. */
  readonly repeatable: boolean
  /** True when a 409 may be gone with the next attempt. */
  readonly conflictPasses: boolean
  /** Aborts with the caller's signal or at the call's deadline. */
  readonly signal: AbortSignal
  /** True once the platform may have executed it. */
  unclear: boolean
}

/**
 * The only way from the SDK to the platform. Every request follows the policy it was made under
 * (`withPolicy`): budget, attempts, time. Rejects with a `Failure` or with the signal's reason and
 * nothing else: neither has a `response`, so the SDK hands them on as they are, and neither holds
 * what was sent. A `Failure` is `unexecuted` when the platform can have executed no attempt.
 */
export class Transport extends AbstractHttpClient {
  readonly #parts: TransportParts

  constructor(parts: TransportParts) {
    super()
    this.#parts = parts
  }

  async request(options: HttpRequestOptions): Promise<HttpResponse> {
    const policy = currentPolicy()
    const login = new URL(options.url).pathname.endsWith(LOGIN_PATH)
    const operation = login ? `POST ${LOGIN_PATH}` : (currentOperation() ?? options.method)
    const late = (): Failure => lateFailure(operation, policy.timeoutMs)
    using deadline = new Deadline(this.#parts.clock, policy.timeoutMs, policy.signal, late)
    const repeatable = login || options.method === 'GET' || policy.idempotent === true
    const call: Call = {
      options,
      policy,
      operation,
      login,
      repeatable,
      conflictPasses: policy.idempotent === true,
      signal: deadline.signal,
      unclear: false,
    }
    const answer = await this.#attempts(call).catch((error: unknown) => {
      throw call.unclear ? error : asUnexecuted(error)
    })
    return { status: answer.status, statusText: '', headers: {}, data: answer.body }
  }

  async #attempts(call: Call): Promise<Extract<Outcome, { kind: 'answered' }>> {
    const { operation, policy, signal } = call
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      policy.onAttempt?.(attempt)
      const { outcome, token } = await this.#attempt(call)
      if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) {
        return outcome
      }
      if (token !== undefined && outcome.kind === 'answered' && outcome.status === 401) {
        this.#parts.tokens.refused(token)
        if (renewed) {
          throw failureOf(outcome, operation, { attempts: attempt, unexecuted: !call.unclear })
        }
        renewed = true
        attempt -= 1
        this.#parts.onEvent({ type: 'retry', cause: '401' })
        continue
      }
      const { repeatable, conflictPasses } = call
      const cause = retryCause(throttledLogin(call, outcome), repeatable, conflictPasses)
      const waitMs = this.#waitMs(outcome, attempt)
      if (cause === undefined || attempt >= policy.attempts || waitMs === undefined) {
        const tried = { attempts: attempt, unexecuted: !call.unclear }
        throw failureOf(throttledLogin(call, outcome), operation, tried)
      }
      this.#parts.onEvent({ type: 'retry', cause })
      await sleep(this.#parts.clock, waitMs, signal)
    }
  }

  /** Sends the request once, when budget and token are there. A login needs neither. */
  async #attempt(call: Call): Promise<{ outcome: Outcome; token?: string }> {
    const { budget, tokens } = this.#parts
    if (call.login) return { outcome: await this.#exchange(call, undefined) }
    const release = await budget.acquire(call.policy.priority, call.signal)
    try {
      const token = await tokens.current(call.signal)
      const outcome = await this.#exchange(call, token)
      if (outcome.kind === 'answered' && outcome.status === 429) {
        const seconds = retryAfterSeconds(outcome.retryAfter, Date.now()) ?? 1
        budget.pause(Math.min(seconds, MAX_RETRY_AFTER_SECONDS) * 1000)
      }
      return { outcome, token }
    } finally {
      release()
    }
  }

  async #exchange(call: Call, token: string | undefined): Promise<Outcome> {
    const { client, clock, dispatcher, requestTimeoutMs, onEvent } = this.#parts
    const request = outgoing(call.options, token)
    const startedAt = clock.now()
    using deadline = new Deadline(clock, requestTimeoutMs, call.signal, () => 'timeout')
    const unclearBefore = call.unclear
    call.unclear = true
    let outcome: Outcome
    try {
      outcome = await exchange(dispatcher, request, deadline.signal)
    } catch (error) {
      if (!deadline.expired || call.signal.aborted) throw error
      outcome = { kind: 'timeout' }
    }
    call.unclear = unclearBefore || !isUnexecuted(outcome)
    const seconds = (clock.now() - startedAt) / 1000
    onEvent({ type: 'request', client, outcome: outcomeName(outcome), seconds })
    return outcome
  }

  /** Milliseconds to wait before the next attempt; undefined when the platform asks for too long. */
  #waitMs(outcome: Outcome, attempt: number): number | undefined {
    const { clock } = this.#parts
    const answered = outcome.kind === 'answered' ? outcome : undefined
    const asked = retryAfterSeconds(answered?.retryAfter, Date.now())
    const { pauseMs } = currentPolicy()
    if (pauseMs) return pauseMs({ attempt, status: answered?.status, askedSeconds: asked })
    const ownMs = backoffMs(attempt, () => clock.random())
    if (asked === undefined) return ownMs
    return asked > MAX_RETRY_AFTER_SECONDS ? undefined : asked * 1000 + Math.min(ownMs, 1000)
  }
}

/** The token endpoint says 400 where it means 429. */
function throttledLogin(call: Call, outcome: Outcome): Outcome {
  if (!call.login || outcome.kind !== 'answered' || outcome.status !== 400) return outcome
  const { message, code } = readErrorBody(outcome.body)
  const throttled = code === 'invalid_request' && /rate limit/i.test(message)
  return throttled ? { ...outcome, status: 429 } : outcome
}

/** The request as it goes out: only what is needed of the SDK's headers, and our own token. */
function outgoing(options: HttpRequestOptions, token: string | undefined): OutgoingRequest {
  const { method, data } = options
  const url = new URL(options.url)
  const query = Object.entries(options.params ?? {})
    .flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const))
    .filter(([, value]) => value !== '')
  url.search = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  const headers: Record<string, string> = { accept: 'application/json' }
  const authorization = token === undefined ? options.headers?.['Authorization'] : `Bearer ${token}`
  if (authorization !== undefined) headers['authorization'] = authorization
  if (data === undefined) return { method, url, headers, body: undefined }
  // The login is the one request whose body is a text: a form.
  const form = typeof data === 'string'
  headers['content-type'] = form ? 'application/x-www-form-urlencoded' : 'application/json'
  return { method, url, headers, body: form ? data : JSON.stringify(data) }
}
