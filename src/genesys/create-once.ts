import type { Creation, CreationOutcome } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { boundedPolicy } from './architecture-collection.ts'
import type { CallPolicy, FailedAttempt } from './call-policy.ts'
import { Deadline, sleep } from './clock.ts'
import { LoginFailure } from './login-failure.ts'
import type { PlatformClient, PlatformSession } from './platform-client.ts'
import { lateFailure } from './transport-failure.ts'
import { isUnclear } from './unclear-outcome.ts'

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
 * answer was lost, what it may have created is looked for before another attempt. Throws what the
 * last attempt failed with.
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
    const { client, operation, signal, timeoutMs, isTaken = isConflict } = this.#creation
    const late = (): Failure => lateFailure(operation, timeoutMs)
    using deadline = new Deadline(client.clock, timeoutMs, signal, late)
    for (;;) {
      const sent = await this.#send(deadline.signal)
      if ('item' in sent) return this.#done(sent.item, 'created')
      signal.throwIfAborted()
      const { failure } = sent
      const taken = isTaken(failure)
      if (!isUnclear(failure)) {
        if (!taken || !(this.#unclear || this.#creation.mayExist)) throw failure
        const found = await this.#look(failure, LAST_LOOKS)
        if (found === undefined) throw unlisted(failure)
        return this.#done(found, this.#unclear ? 'recovered' : 'existing')
      }
      this.#unclear = true
      const pauseMs = this.#nextPauseMs(failure)
      const found = await this.#look(failure, pauseMs === undefined ? LAST_LOOKS : 1)
      if (found !== undefined) return this.#done(found, 'recovered')
      if (pauseMs === undefined) throw inVain(failure, 'and nothing of that name is listed')
      await sleep(client.clock, pauseMs, deadline.signal)
    }
  }

  async #send(signal: AbortSignal): Promise<Sent<Item>> {
    const { client, send, read, attempts, pauseMs } = this.#creation
    const before = this.#attempts
    const policy: CallPolicy = {
      priority: 'role-change',
      attempts: attempts - before,
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
      if (error instanceof Failure && !(error instanceof LoginFailure)) return { failure: error }
      throw error
    }
  }

  /** Undefined when there is no attempt or no time left. */
  #nextPauseMs({ upstream }: Failure): number | undefined {
    const { attempts, pauseMs } = this.#creation
    if (this.#attempts >= attempts) return undefined
    const failed = { attempt: this.#attempts, status: upstream?.status, askedSeconds: undefined }
    const ms = pauseMs(failed)
    return ms < this.#leftMs() ? ms : undefined
  }

  async #look(failure: Failure, times: number): Promise<Item | undefined> {
    const { client, find, signal } = this.#creation
    for (let look = 1; ; look++) {
      try {
        const found = await find()
        if (found !== undefined || look >= times) return found
      } catch (error) {
        if (!(error instanceof Failure) || error.code === 'conflict') throw error
        throw inVain(failure, `and whether it was done cannot be told: ${error.message}`, true)
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

function inVain(
  { message, upstream, retryAfterSeconds }: Failure,
  what: string,
  undecided = false,
): Failure {
  const details = { upstream, retryAfterSeconds, undecided }
  return new Failure('upstream-busy', `${message}; ${what}`, details)
}

function unlisted({ message, upstream }: Failure): Failure {
  return new Failure('conflict', `${message}; what has the name is not listed`, { upstream })
}
