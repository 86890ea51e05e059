import { AsyncLocalStorage } from 'node:async_hooks'

/** In order of precedence: who changes roles does not wait for a rebuild, but see `Budget`. */
export const PRIORITIES = ['role-change', 'single-user', 'rebuild'] as const
export type Priority = (typeof PRIORITIES)[number]

/** What is known of an attempt that failed, in passing. */
export type FailedAttempt = {
  /** From 1. */
  readonly attempt: number
  /** Undefined when nothing was answered. */
  readonly status: number | undefined
  /** What the platform asks to wait; undefined when it does not say. */
  readonly askedSeconds: number | undefined
}

/** Milliseconds to wait before the next attempt; undefined to make none. */
type PauseRule = (failed: FailedAttempt) => number | undefined

/** How a call to the platform is to be made. */
export type CallPolicy = {
  readonly priority: Priority
  readonly signal: AbortSignal
  /** Exchanges at most, the first one included. */
  readonly attempts: number
  /** Bound of the whole call in milliseconds: waiting for budget, every attempt, every pause. */
  readonly timeoutMs: number
  /**
   * True for a write that does no harm when it is executed twice, and to which a conflict (409) means
   * no more than another write at the same moment.
   */
  readonly idempotent?: boolean
  /** In the place of the usual backoff. */
  readonly pauseMs?: PauseRule
  /** Is told the number of each attempt, from 1, before it is made. */
  readonly onAttempt?: (attempt: number) => void
}

// The SDK's methods take neither a signal nor a timeout: the policy travels beside the call.
const policies = new AsyncLocalStorage<CallPolicy>()
const operations = new AsyncLocalStorage<string>()

/** Makes every call to the platform inside `call` follow the policy. */
export function withPolicy<Value>(policy: CallPolicy, call: () => Promise<Value>): Promise<Value> {
  return policies.run(policy, call)
}

/** Names the operation that the requests inside `call` belong to: method and path template. */
export function withOperation<Value>(operation: string, call: () => Value): Value {
  return operations.run(operation, call)
}

/** The policy of the running call. A call without one is a mistake in this room. */
export function currentPolicy(): CallPolicy {
  const policy = policies.getStore()
  if (policy === undefined) throw new Error('the platform is called without a policy')
  return policy
}

/** The operation of the running call; undefined for a login. */
export function currentOperation(): string | undefined {
  return operations.getStore()
}
