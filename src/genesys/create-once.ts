import type { Creation, CreationOutcome } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { boundedPolicy } from './architecture-collection.ts'
import type { CallPolicy, FailedAttempt } from './call-policy.ts'
import { Deadline, sleep } from './clock.ts'
import { LoginFailure } from './login-failure.ts'
import type { PlatformClient, PlatformSession } from './platform-client.ts'
import { lateFailure } from './transport-failure.ts'
import { asUnexecuted, isUnclear, mayPass, undecided } from './unclear-outcome.ts'

/** A creation that the platform would execute twice if it were sent twice. */
export type CreateOnce<Item> = {
  readonly client: PlatformClient
  /** What is called, for messages: method and path. */
  readonly operation: string
  readonly send: (session: PlatformSession) => Promise<unknown>
  /** What the platform answered; throws `upstream-broken` when that is not what was created. */
  readonly read: (answer: unknown) => Item
  /**
   * Looks for what a lost creation left; undefined when it is not listed. Throws `conflict` when the
   * name belongs to something else.
   */
  readonly find: () => Promise<Item | undefined>
  /** Whether a name that was taken before may belong to what was to be created. */
  readonly mayExist: boolean
  /** Whether a refusal says that the name is taken; by default a conflict (409) does. */
  readonly isTaken?: (refusal: Failure) => boolean
  /** How often to look for what has a taken name, and what to tell when it is not found then. */
  readonly whenTaken?: { readonly looks: number; readonly advice: string }
  readonly attempts: number
  /** Bound of all attempts and the pauses between; looking for a lost creation comes after. */
  readonly timeoutMs: number
  readonly pauseMs: (failed: FailedAttempt) => number
  readonly signal: AbortSignal
}

/** A creation may be listed a little later than it was made. */
const LAST_LOOKS = 3
const FIRST_LOOK_PAUSE_MS = 1_000

/**
 * Creates something exactly once. What the platform cannot have executed is sent again; where its
 * answer was lost, what it may have created is looked for right before each further attempt. Once an
 * answer was lost, everything but finding the item, creating it, or meeting another one under its
 * name ends `undecided`. Throws what the last attempt failed with.
 */
export function createOnce<Item>(creation: CreateOnce<Item>): Promise<Creation<Item>> {
  return new OnceCreation(creation).run()
}

type Sent<Item> = { readonly item: Item } | { readonly failure: Failure }

class OnceCreation<Item> {
  readonly #creation: CreateOnce<Item>
  readonly #startedAt: number
  #attempts = 0
  /** True once an attempt may have been executed without our knowing. */
  #unclear = false

  constructor(creation: CreateOnce<Item>) {
    this.#creation = creation
    this.#startedAt = creation.client.clock.now()
  }

  async run(): Promise<Creation<Item>> {
    const { client, operation, signal, timeoutMs } = this.#creation
    const late = (): Failure => lateFailure(operation, timeoutMs)
    using deadline = new Deadline(client.clock, timeoutMs, signal, late)
    for (;;) {
      const sent = await this.#send(deadline.signal)
      if ('item' in sent) return this.#done(sent.item, 'created')
      signal.throwIfAborted()
      const { failure } = sent
      if (isUnclear(failure)) this.#unclear = true
      else if (!this.#unclear) return await this.#refused(failure)
      const pauseMs = mayPass(failure) ? this.#nextPauseMs(failure) : undefined
      if (pauseMs === undefined) return await this.#lost(failure)
      await sleep(client.clock, pauseMs, signal)
      const found = await this.#look(failure, 1)
      if (found !== undefined) return this.#done(found, 'recovered')
    }
  }

  async #send(signal: AbortSignal): Promise<Sent<Item>> {
    const { client, send, read, attempts, pauseMs } = this.#creation
    const before = this.#attempts
    const policy: CallPolicy = {
      priority: 'role-change',
      // Once an answer was lost, each attempt has to be preceded by a look.
      attempts: this.#unclear ? 1 : attempts - before,
      ...boundedPolicy(client, { timeoutMs: this.#leftMs(), signal }, ({ attempt, ...failed }) =>
        pauseMs({ ...failed, attempt: before + attempt }),
      ),
      onAttempt: (attempt) => {
        this.#attempts = before + attempt
      },
    }
    try {
      return { item: read(await client.call(policy, send)) }
    } catch (error) {
      if (error instanceof Failure) return { failure: error }
      throw error
    }
  }

  /** The end after an attempt that was not executed, when none before it may have been. */
  async #refused(failure: Failure): Promise<Creation<Item>> {
    if (failure instanceof LoginFailure) throw asUnexecuted(failure)
    const { isTaken = isConflict, mayExist, whenTaken } = this.#creation
    if (!isTaken(failure) || !mayExist) throw failure
    const found = await this.#look(failure, whenTaken?.looks ?? LAST_LOOKS)
    if (found === undefined) throw unlisted(failure, whenTaken?.advice)
    return this.#done(found, 'existing')
  }

  /** The end when no attempt is left and one of them may have been executed. */
  async #lost(failure: Failure): Promise<Creation<Item>> {
    const found = await this.#look(failure, LAST_LOOKS)
    if (found !== undefined) return this.#done(found, 'recovered')
    throw undecided(failure, 'and nothing of that name is listed yet')
  }

  /** Undefined when there is no attempt or no time left. */
  #nextPauseMs({ upstream, retryAfterSeconds }: Failure): number | undefined {
    const { attempts, pauseMs } = this.#creation
    if (this.#attempts >= attempts) return undefined
    const status = upstream?.status
    const ms = pauseMs({ attempt: this.#attempts, status, askedSeconds: retryAfterSeconds })
    return ms < this.#leftMs() ? ms : undefined
  }

  /** Throws `conflict` when the name belongs to something else. */
  async #look(failure: Failure, times: number): Promise<Item | undefined> {
    const { client, find, signal } = this.#creation
    for (let look = 1; ; look++) {
      try {
        const found = await find()
        if (found !== undefined || look >= times) return found
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof Failure)) throw error
        if (error.code === 'conflict') throw asUnexecuted(error)
        if (this.#unclear) {
          throw undecided(failure, `and whether it was done cannot be told: ${error.message}`)
        }
        throw untold(failure, error)
      }
      await sleep(client.clock, FIRST_LOOK_PAUSE_MS * 2 ** (look - 1), signal)
    }
  }

  #leftMs(): number {
    const { client, timeoutMs } = this.#creation
    return this.#startedAt + timeoutMs - client.clock.now()
  }

  #done(item: Item, outcome: CreationOutcome): Creation<Item> {
    const latencyMs = Math.round(this.#creation.client.clock.now() - this.#startedAt)
    return { item, outcome, latencyMs, attempts: this.#attempts }
  }
}

function isConflict({ upstream }: Failure): boolean {
  return upstream?.status === 409
}

function unlisted({ message, upstream }: Failure, advice: string | undefined): Failure {
  const rest = advice === undefined ? '' : `: ${advice}`
  const text = `${message}; what has the name is not listed${rest}`
  return new Failure('conflict', text, { upstream, unexecuted: true })
}

function untold({ message, upstream }: Failure, why: Failure): Failure {
  const text = `${message}; and what has the name cannot be told: ${why.message}`
  return new Failure('upstream-busy', text, { upstream, unexecuted: true })
}
