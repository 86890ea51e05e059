import type {
  OrganizationReplacement,
  OrganizationReplacementRequest,
} from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { sameOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { objectIn, optionalTextsIn } from './answer-shape.ts'
import { boundedPolicy, pauseAsTold } from './architecture-collection.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, sleep } from './clock.ts'
import { explainFailure } from './explain-failure.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { lateFailure } from './transport-failure.ts'
import { beforeSending, isUnclear, mayPass, undecided } from './unclear-outcome.ts'

const NAME = 'an allowlist of its own'
const PERMISSION = 'directory:organization:admin'
/** The platform does not take a list without the address that it sees the request come from. */
const SHUTS_US_OUT = 'invalid.issuing.ip.address'

const ATTEMPTS = 3
const READ_TIMEOUT_MS = 30_000
/** Bound of the replacement as a whole: reading, writing, reading back. */
const REPLACE_TIMEOUT_MS = 3 * 60_000
const READS_BACK = 4
const FIRST_READ_PAUSE_MS = 1_000

/** See `ArchitecturePlatform.readOrganizationAllowlist`. */
export async function readOrganizationAllowlist(
  { read }: Pick<Platform, 'read'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const policy: CallPolicy = {
    priority: 'single-user',
    attempts: ATTEMPTS,
    ...boundedPolicy(read, { timeoutMs: READ_TIMEOUT_MS, signal }, pauseAsTold),
  }
  try {
    const answer = await read.call(policy, ({ organization }) =>
      organization.getOrganizationsAuthenticationSettings(),
    )
    const where = 'the authentication settings'
    return optionalTextsIn(objectIn(answer, where), 'ipAddressAllowlist', where)
  } catch (error) {
    throw explainFailure(error, useOf(read))
  }
}

/** See `ArchitecturePlatform.replaceOrganizationAllowlist`. */
export async function replaceOrganizationAllowlist(
  platform: Platform,
  request: OrganizationReplacementRequest,
  signal: AbortSignal,
): Promise<OrganizationReplacement> {
  const { clock } = platform.write
  const late = (): Failure => lateFailure('replacing the allowlist', REPLACE_TIMEOUT_MS)
  using deadline = new Deadline(clock, REPLACE_TIMEOUT_MS, signal, late)
  const replacing = new Replacing(platform, request, { signal: deadline.signal, caller: signal })
  return await replacing.run()
}

type Signals = {
  /** Ends with the bound of the whole, or with the caller's. */
  readonly signal: AbortSignal
  readonly caller: AbortSignal
}

/**
 * The platform keeps one list without a version: whoever writes last wins. So the list is compared
 * right before and after, and sent again only where reading shows that it is still an old one.
 */
class Replacing {
  readonly #platform: Platform
  readonly #request: OrganizationReplacementRequest
  readonly #signals: Signals
  readonly #startedAt: number
  #attempts = 0
  /** True once an attempt may have been executed without our knowing. */
  #unclear = false

  constructor(platform: Platform, request: OrganizationReplacementRequest, signals: Signals) {
    this.#platform = platform
    this.#request = request
    this.#signals = signals
    this.#startedAt = platform.write.clock.now()
  }

  async run(): Promise<OrganizationReplacement> {
    const { networks, stale = [] } = this.#request
    const before = await beforeSending(() => this.#read())
    const isThere = sameOrganizationAllowlist(before, networks)
    if (isThere && stale.length === 0) return this.#done(before, before)
    if (!this.#isKnown(before)) {
      const message = 'the allowlist is no longer the one that was looked at: somebody changed it'
      throw new Failure('conflict', message, { unexecuted: true })
    }
    try {
      return await this.#replace(before)
    } catch (error) {
      const certain = !this.#unclear || this.#signals.caller.aborted
      if (certain || !(error instanceof Failure) || error.undecided) throw error
      throw undecided(error, 'and whether the list was replaced cannot be told')
    }
  }

  async #replace(before: readonly string[]): Promise<OrganizationReplacement> {
    // What was shown before the write says nothing after it.
    const tells = !sameOrganizationAllowlist(before, this.#request.networks)
    for (;;) {
      const failure = await this.#write()
      if (failure === undefined) return await this.#readBack(before)
      await this.#pause(this.#attempts)
      const after = await this.#read()
      if (tells && this.#isNew(after)) return this.#done(before, after)
      if (!this.#isKnown(after)) throw overtaken(failure)
      if (this.#attempts >= ATTEMPTS) throw failure
    }
  }

  /** A failure after which the platform may or may not have the list; throws all others. */
  async #write(): Promise<Failure | undefined> {
    const { write } = this.#platform
    const before = this.#attempts
    const bound = { timeoutMs: REPLACE_TIMEOUT_MS, signal: this.#signals.signal }
    const policy: CallPolicy = {
      priority: 'role-change',
      // Once an answer was lost, each attempt has to be preceded by a look.
      attempts: this.#unclear ? 1 : ATTEMPTS - before,
      ...boundedPolicy(write, bound, pauseAsTold),
      onAttempt: (attempt) => {
        this.#attempts = before + attempt
      },
    }
    const body = { ipAddressAllowlist: [...this.#request.networks] }
    try {
      await write.call(policy, ({ organization }) =>
        organization.patchOrganizationsAuthenticationSettings(body),
      )
      return undefined
    } catch (error) {
      this.#signals.caller.throwIfAborted()
      if (isUnclear(error)) this.#unclear = true
      if (this.#unclear && mayPass(error)) return error
      throw explainRefusal(error, write)
    }
  }

  /** The platform took the list: that it cannot be read, or does not show, makes no difference. */
  async #readBack(before: readonly string[]): Promise<OrganizationReplacement> {
    let after = this.#request.networks
    for (let read = 1; ; read++) {
      try {
        after = await this.#read()
        if (this.#isNew(after) || read >= READS_BACK) return this.#done(before, after)
        await this.#pause(read)
      } catch (error) {
        this.#signals.caller.throwIfAborted()
        if (!(error instanceof Failure)) throw error
        return { ...this.#done(before, after), visible: false }
      }
    }
  }

  #isNew(list: readonly string[]): boolean {
    return sameOrganizationAllowlist(list, this.#request.networks)
  }

  /** Whether a list is what we expect, what we write, or what we wrote not long ago. */
  #isKnown(list: readonly string[]): boolean {
    const { expected, networks, stale = [] } = this.#request
    return [expected, networks, ...stale].some((one) => sameOrganizationAllowlist(list, one))
  }

  #read(): Promise<readonly string[]> {
    return readOrganizationAllowlist(this.#platform, this.#signals.signal)
  }

  #pause(attempt: number): Promise<void> {
    const ms = FIRST_READ_PAUSE_MS * 2 ** (attempt - 1)
    return sleep(this.#platform.write.clock, ms, this.#signals.signal)
  }

  #done(before: readonly string[], after: readonly string[]): OrganizationReplacement {
    return {
      before,
      after,
      visible: this.#isNew(after),
      overtaken: !this.#isKnown(after),
      latencyMs: Math.round(this.#platform.write.clock.now() - this.#startedAt),
      attempts: this.#attempts,
    }
  }
}

/** Ours may have come before somebody else's, or not at all. */
function overtaken({ message, upstream }: Failure): Failure {
  const text = `the allowlist is neither the old nor the new one: somebody else changed it; ${message}`
  return new Failure('conflict', text, { upstream, undecided: true })
}

function explainRefusal(error: unknown, client: PlatformClient): unknown {
  if (error instanceof Failure && error.upstream?.code === SHUTS_US_OUT) {
    const message = `the list would shut out the address that the platform sees us at: ${error.message}`
    const { upstream, unexecuted } = error
    return new Failure('conflict', message, { upstream, unexecuted })
  }
  return explainFailure(error, useOf(client))
}

function useOf({ clientId }: PlatformClient) {
  return { collection: NAME, permission: PERMISSION, clientId }
}
