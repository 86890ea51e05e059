import type { OrganizationReplacement } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { sameOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { objectIn, optionalTextsIn } from './answer-shape.ts'
import { boundedPolicy, pauseAsTold } from './architecture-collection.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, sleep } from './clock.ts'
import { explainFailure } from './explain-failure.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { lateFailure } from './transport-failure.ts'
import { isUnclear } from './unclear-outcome.ts'

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

type Replacement = { readonly expected: readonly string[]; readonly networks: readonly string[] }

/** See `ArchitecturePlatform.replaceOrganizationAllowlist`. */
export async function replaceOrganizationAllowlist(
  platform: Platform,
  replacement: Replacement,
  signal: AbortSignal,
): Promise<OrganizationReplacement> {
  const { clock } = platform.write
  const late = (): Failure => lateFailure('replacing the allowlist', REPLACE_TIMEOUT_MS)
  using deadline = new Deadline(clock, REPLACE_TIMEOUT_MS, signal, late)
  const replacing = new Replacing(platform, replacement, deadline.signal)
  return replacing.run()
}

/**
 * The platform keeps one list without a version: whoever writes last wins. So the list is compared
 * right before and after, and sent again only where reading shows that it is still the old one.
 */
class Replacing {
  readonly #platform: Platform
  readonly #replacement: Replacement
  readonly #signal: AbortSignal
  readonly #startedAt: number
  #attempts = 0

  constructor(platform: Platform, replacement: Replacement, signal: AbortSignal) {
    this.#platform = platform
    this.#replacement = replacement
    this.#signal = signal
    this.#startedAt = platform.write.clock.now()
  }

  async run(): Promise<OrganizationReplacement> {
    const { expected, networks } = this.#replacement
    const before = await this.#read()
    if (sameOrganizationAllowlist(before, networks)) return this.#done(before, before, true)
    if (!sameOrganizationAllowlist(before, expected)) {
      const message = 'the allowlist is no longer the one that was looked at: somebody changed it'
      throw new Failure('conflict', message)
    }
    for (;;) {
      const failure = await this.#write()
      const after = await this.#readBack(before, failure === undefined ? READS_BACK : 1)
      if (sameOrganizationAllowlist(after, networks)) return this.#done(before, after, true)
      if (failure === undefined) return this.#done(before, after, false)
      if (this.#attempts >= ATTEMPTS) throw failure
      await this.#pause(this.#attempts)
    }
  }

  /** A failure after which the platform may or may not have the list; throws all others. */
  async #write(): Promise<Failure | undefined> {
    const { write } = this.#platform
    const before = this.#attempts
    const bound = { timeoutMs: REPLACE_TIMEOUT_MS, signal: this.#signal }
    const policy: CallPolicy = {
      priority: 'role-change',
      attempts: ATTEMPTS - before,
      ...boundedPolicy(write, bound, pauseAsTold),
      onAttempt: (attempt) => {
        this.#attempts = before + attempt
      },
    }
    const body = { ipAddressAllowlist: [...this.#replacement.networks] }
    try {
      await write.call(policy, ({ organization }) =>
        organization.patchOrganizationsAuthenticationSettings(body),
      )
      return undefined
    } catch (error) {
      this.#signal.throwIfAborted()
      if (isUnclear(error)) return error
      throw explainRefusal(error, write)
    }
  }

  /** The list as soon as it is another one than before. Throws `conflict` for a third one. */
  async #readBack(before: readonly string[], reads: number): Promise<readonly string[]> {
    for (let read = 1; ; read++) {
      const after = await this.#read()
      const isOld = sameOrganizationAllowlist(after, before)
      if (!isOld && !sameOrganizationAllowlist(after, this.#replacement.networks)) {
        const message = 'the allowlist is neither the old nor the new one: somebody else changed it'
        throw new Failure('conflict', message)
      }
      if (!isOld || read >= reads) return after
      await this.#pause(read)
    }
  }

  #read(): Promise<readonly string[]> {
    return readOrganizationAllowlist(this.#platform, this.#signal)
  }

  #pause(attempt: number): Promise<void> {
    const ms = FIRST_READ_PAUSE_MS * 2 ** (attempt - 1)
    return sleep(this.#platform.write.clock, ms, this.#signal)
  }

  #done(
    before: readonly string[],
    after: readonly string[],
    visible: boolean,
  ): OrganizationReplacement {
    const latencyMs = Math.round(this.#platform.write.clock.now() - this.#startedAt)
    return { before, after, visible, latencyMs, attempts: this.#attempts }
  }
}

function explainRefusal(error: unknown, client: PlatformClient): unknown {
  if (error instanceof Failure && error.upstream?.code === SHUTS_US_OUT) {
    const message = `the list would shut out the address that the platform sees us at: ${error.message}`
    return new Failure('conflict', message, { upstream: error.upstream })
  }
  return explainFailure(error, useOf(client))
}

function useOf({ clientId }: PlatformClient) {
  return { collection: NAME, permission: PERMISSION, clientId }
}
