import { createInterface } from 'node:readline/promises'
import type { Readable } from 'node:stream'
import type { Agent } from 'undici'
import { Failure } from '../domain/failure.ts'
import type { RetryCause } from '../genesys/upstream-event.ts'
import type { Platform } from '../genesys/platform-client.ts'
import { mayNeedVault, missingFor, readAddresses } from './connections.ts'
import type { Addresses, Need, PlaneAddress } from './connections.ts'
import type { ExitCode } from './exit-codes.ts'
import type { GlobalOptions } from './global-options.ts'
import { Interruption } from './interruption.ts'
import { Output } from './output.ts'
import type { OutputStream, Sink } from './output-stream.ts'
import type { PlatformPlace } from './platform-advice.ts'
import { printable } from './printable.ts'
import { misspeltNames, readProfile } from './profile.ts'
import { Progress } from './progress.ts'
import { ServiceClient } from './service-client.ts'
import type { Plane } from './service-problem.ts'
import { Variables } from './variables.ts'
import type { Layer } from './variables.ts'
import { lacksVaultToken, readVault } from './vault.ts'

/** Does a command's work with a session of its own; what it returns the process ends with. */
export type Run = (work: (session: Session) => Promise<ExitCode>) => Promise<void>

/** What the process gives. */
export type Surroundings = {
  readonly env: Layer
  /** Where `.env.NAME` and relative paths are. */
  readonly folder: string
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Sink
  readonly stderr: Sink
  /** Aborted with an `Interruption`. */
  readonly signal: AbortSignal
  /** Aborted with an `Interruption` right before the process ends, whatever is under way. */
  readonly atOnce: AbortSignal
}

/** What a command may talk to, opened. */
export type Connections = {
  readonly [N in Need]: N extends 'platform' ? Platform : ServiceClient
}

const CONNECT_TIMEOUT_MS = 10_000
/** A report holds up to 64 Mi characters, which CSV and HTML write with more. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/**
 * What one command works with: where results go, whom it may talk to, whether it may go on. To be
 * disposed: that closes every connection.
 */
export class Session {
  readonly #surroundings: Surroundings
  readonly #options: GlobalOptions
  readonly #opened = new AsyncDisposableStack()
  readonly #stderr: OutputStream
  #agent: Agent | undefined
  #resumption: string | undefined
  #platformPlace: PlatformPlace | undefined
  #tellAtOnce: (() => void) | undefined
  readonly output: Output
  readonly progress: Progress

  constructor(
    surroundings: Surroundings,
    options: GlobalOptions,
    { stdout, stderr }: Readonly<Record<'stdout' | 'stderr', OutputStream>>,
  ) {
    this.#surroundings = surroundings
    this.#options = options
    this.#stderr = stderr
    this.progress = new Progress(stderr, surroundings.env['TERM'])
    const format = options.output ?? (stdout.isTerminal ? 'table' : 'json')
    this.output = new Output(stdout, this.progress, format)
  }

  get signal(): AbortSignal {
    return this.#surroundings.signal
  }

  get stdin(): Readable {
    return this.#surroundings.stdin
  }

  get folder(): string {
    return this.#surroundings.folder
  }

  /** How to go on after an interruption, once there is something to go on with. */
  get resumption(): string | undefined {
    return this.#resumption
  }

  /** Where the platform is; undefined for a command that does not ask it. */
  get platformPlace(): PlatformPlace | undefined {
    return this.#platformPlace
  }

  /** From here on an interruption leaves something behind: this says how to go on. */
  resumeWith(advice: string): void {
    this.#resumption = advice
  }

  /**
   * From here on `tell`, which must not wait for anything, says on standard output what is done when
   * the process is about to end at once. Disposing takes that back.
   */
  onEndAtOnce(tell: () => void): Disposable {
    this.#tellAtOnce = tell
    return { [Symbol.dispose]: () => (this.#tellAtOnce = undefined) }
  }

  /** To be called when the process is about to end, whatever is under way. */
  tellAtOnce(): void {
    this.progress.clear()
    this.#tellAtOnce?.()
  }

  /** A line for the person, on standard error; dropped where that cannot be written. */
  async note(text: string): Promise<void> {
    this.progress.clear()
    await this.#stderr.write(`${printable(text)}\n`).catch(() => undefined)
  }

  /**
   * Asks before something is destroyed, `details` of which are lines before the question. Passes with
   * `--yes`; throws `invalid` where there is nobody to ask, and when the answer is no.
   */
  async confirm(question: string, details: readonly string[] = []): Promise<void> {
    if (this.#options.yes === true) return
    const { stdin, stderr } = this.#surroundings
    if (stdin.isTTY !== true || !this.#stderr.isTerminal) {
      throw new Failure('invalid', `${question} Nobody can be asked here: say so with --yes`)
    }
    for (const line of details) await this.note(line)
    this.progress.clear()
    const refusal = new Failure('invalid', 'not confirmed: nothing was changed')
    const prompt = createInterface({ input: stdin, output: stderr })
    const ended = new AbortController()
    // While it asks, readline gets the key and not the process the signal.
    prompt.once('SIGINT', () => ended.abort(new Interruption('SIGINT')))
    prompt.once('close', () => ended.abort(refusal))
    const signal = AbortSignal.any([this.signal, ended.signal])
    try {
      const answer = await prompt
        .question(`${printable(question)} [y/N] `, { signal })
        .catch(() => signal.throwIfAborted())
      if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw refusal
    } finally {
      prompt.close()
    }
  }

  /**
   * Opens what a command needs. To be called once, before anything else: all that is missing for any
   * of the needs is named in one refusal, before the first request.
   */
  async connect<const N extends Need>(needs: readonly N[]): Promise<Pick<Connections, N>> {
    const variables = await this.#readVariables(needs)
    const addresses = readAddresses<Need>(needs, variables, this.#options)
    const opened = await Promise.all(
      needs.map(async (need) => [need, await this.#open(need, addresses)] as const),
    )
    return Object.fromEntries(opened) as Pick<Connections, N>
  }

  async #readVariables(needs: readonly Need[]): Promise<Variables> {
    const { env, folder } = this.#surroundings
    const { profile } = this.#options
    const warnings: string[] = []
    const warn = (warning: string): void => void warnings.push(warning)
    const named = profile === undefined ? undefined : readProfile(profile, folder, warn)
    for (const warning of warnings) await this.note(`warning: ${warning}`)
    const variables = new Variables(named === undefined ? [env] : [named, env])
    const needsVault = mayNeedVault(needs, variables)
    if (needsVault) variables.addVault(await readVault(variables, this.signal, this.#timeoutMs))
    const missing = missingFor(needs, variables, this.#options)
    const faults = [...variables.faults]
    if (needsVault && lacksVaultToken(variables)) {
      faults.push('VAULT_ADDR and VAULT_PATH are set, VAULT_TOKEN is missing')
    }
    if (missing.length > 0) {
      const unknown = named === undefined ? [] : misspeltNames(named)
      if (unknown.length > 0) faults.push(`not known in .env.${profile}: ${unknown.join(', ')}`)
      faults.push(`missing: ${missing.join(', ')}`)
    }
    if (faults.length === 0) return variables
    throw new Failure('invalid', `${faults.join('; ')}. ${WHERE_SETTINGS_COME_FROM}`)
  }

  async #open(need: Need, addresses: Addresses): Promise<Platform | ServiceClient> {
    switch (need) {
      case 'check':
      case 'probe':
        return await this.#serviceClient('check', addresses[need])
      case 'admin':
        return await this.#serviceClient('admin', addresses.admin)
      case 'platform': {
        // The SDK takes longer to load than most commands to run.
        const { openPlatform } = await import('../genesys/platform-client.ts')
        const requestTimeoutMs = this.#timeoutMs
        const platform = openPlatform({ ...addresses.platform, requestTimeoutMs }, (event) => {
          if (event.type === 'retry') this.progress.show(retryText(event.cause))
        })
        const byRegion = addresses.platform.baseUrl === undefined
        this.#platformPlace = { url: new URL(platform.apiUrl), byRegion }
        return this.#opened.use(platform)
      }
    }
  }

  async #serviceClient(plane: Plane, address: PlaneAddress): Promise<ServiceClient> {
    return new ServiceClient({
      plane,
      ...address,
      dispatcher: await this.#dispatcher(),
      timeoutMs: this.#timeoutMs,
      signal: this.signal,
      onWait: (text) => this.progress.show(text),
    })
  }

  get #timeoutMs(): number {
    return this.#options.timeout * 1_000
  }

  async #dispatcher(): Promise<Agent> {
    const { Agent } = await import('undici')
    if (this.#agent) return this.#agent
    const agent = new Agent({
      connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, this.#timeoutMs) },
      maxResponseSize: MAX_ANSWER_BYTES,
    })
    this.#agent = agent
    this.#opened.defer(() => agent.destroy())
    return agent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.progress.clear()
    await this.#opened.disposeAsync()
  }
}

function retryText(cause: RetryCause): string {
  return cause === '429'
    ? 'the platform has no room just now: waiting to ask again'
    : `the platform is asked again (${cause})`
}

const WHERE_SETTINGS_COME_FROM =
  'Each comes from .env.NAME (--profile NAME), else the environment, else NAME_FILE for secrets, else Vault (VAULT_ADDR, VAULT_TOKEN, VAULT_PATH)'
