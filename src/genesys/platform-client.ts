import { Agent } from 'undici'
import { Failure } from '../domain/failure.ts'
import { resolveRegion } from '../domain/region.ts'
import { Budget } from './budget.ts'
import { withOperation, withPolicy } from './call-policy.ts'
import type { CallPolicy } from './call-policy.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { LoginFailure, loginFailure } from './login-failure.ts'
import { openDirectRequests } from './direct-request.ts'
import type { DirectRequest } from './direct-request.ts'
import { openSdkSession } from './sdk.ts'
import type { PlatformAddress, SdkSession } from './sdk.ts'
import { TokenKeeper } from './token.ts'
import type { IssuedToken } from './token.ts'
import { Transport } from './transport.ts'
import type { ClientName, OnEvent } from './upstream-event.ts'

/** Plain data: it crosses to the thread that reads. */
export type PlatformOptions = {
  readonly clientId: string
  readonly clientSecret: string
  /** A second client for changes; the first does both when it is left out. */
  readonly writeClient?: { readonly id: string; readonly secret: string } | undefined
  /** AWS name, SDK name or host of a region. */
  readonly region: string
  /** A gateway or simulator, `http` allowed: login and API alike, in the region's place. */
  readonly baseUrl?: string | undefined
  /** Budget of each client. */
  readonly requestsPerMinute: number
  /** Requests of one client under way together; default 6. */
  readonly concurrency?: number | undefined
  /** Bound of one exchange; default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** Exchanges of one call at most, whatever its policy says; no such bound by default. */
  readonly maxAttempts?: number | undefined
}

const DEFAULT_CONCURRENCY = 6
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 10_000
const MAX_BODY_BYTES = 64 * 1024 * 1024

const LOGIN_ATTEMPTS = 4
/** Pauses between the attempts at a login, all together. */
const LOGIN_PAUSES_MS = 60_000

/** The SDK, and requests that it has no operation for. */
export type PlatformSession = SdkSession & {
  request(request: DirectRequest): Promise<unknown>
}

/** The platform as one OAuth client: one token, one budget. */
export type PlatformClient = {
  /** Makes calls to the platform under a policy. Throws `Failure`, or the signal's reason. */
  call<Value>(policy: CallPolicy, run: (session: PlatformSession) => Promise<Value>): Promise<Value>
  readonly clientId: string
  readonly clock: Clock
  /** How many calls are worth making side by side. */
  readonly concurrency: number
}

export type Platform = {
  readonly read: PlatformClient
  readonly write: PlatformClient
  /** Where the API is. */
  readonly apiUrl: string
  [Symbol.asyncDispose](): Promise<void>
}

/** Opens no connection before the first call. Disposing ends every call that is under way. */
export function openPlatform(
  options: PlatformOptions,
  onEvent: OnEvent,
  clock: Clock = systemClock,
): Platform {
  const address = addressOf(options)
  const timeout = timeoutOf(options)
  const dispatcher = new Agent({
    connections: options.concurrency ?? DEFAULT_CONCURRENCY,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: timeout,
    bodyTimeout: timeout,
    maxResponseSize: MAX_BODY_BYTES,
    // The bounds above are per connection, which in HTTP/2 many requests would share.
    allowH2: false,
  })
  const closing = new AbortController()
  const open = (name: ClientName, id: string, secret: string): PlatformClient => {
    const account = { name, id, secret, address, options }
    return openClient(account, { dispatcher, onEvent, clock, closing: closing.signal })
  }
  const read = open('read', options.clientId, options.clientSecret)
  const { writeClient } = options
  return {
    read,
    write: writeClient === undefined ? read : open('write', writeClient.id, writeClient.secret),
    apiUrl: 'host' in address ? `https://api.${address.host}` : address.baseUrl,
    async [Symbol.asyncDispose]() {
      closing.abort(new Failure('upstream-busy', 'the service is stopping'))
      await dispatcher.destroy()
    },
  }
}

type Account = {
  readonly name: ClientName
  readonly id: string
  readonly secret: string
  readonly address: PlatformAddress
  readonly options: PlatformOptions
}

type Surroundings = {
  readonly dispatcher: Agent
  readonly onEvent: OnEvent
  readonly clock: Clock
  readonly closing: AbortSignal
}

function openClient(account: Account, surroundings: Surroundings): PlatformClient {
  const { dispatcher, onEvent, clock, closing } = surroundings
  const { name: client, id: clientId, options } = account
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY
  const onRemaining = (remaining: number): void => onEvent({ type: 'budget', client, remaining })
  const { requestsPerMinute } = options
  const budget = new Budget({ requestsPerMinute, concurrency, clock, onRemaining })
  const tokens = new TokenKeeper(() => login(session, account, closing), clock)
  const requestTimeoutMs = timeoutOf(options)
  const transport = new Transport({
    client,
    dispatcher,
    budget,
    tokens,
    clock,
    requestTimeoutMs,
    onEvent,
  })
  const session: PlatformSession = {
    ...openSdkSession(account.address, transport, withOperation),
    request: openDirectRequests(account.address, transport),
  }
  return {
    clientId,
    clock,
    concurrency,
    call(policy, run) {
      const signal = AbortSignal.any([policy.signal, closing])
      const attempts = attemptsOf(options, policy.attempts)
      return withPolicy({ ...policy, attempts, signal }, () => run(session))
    },
  }
}

/**
 * Nobody's signal but the closing one ends a login: others may be waiting for it too. Throws
 * `LoginFailure` and nothing else.
 */
async function login(
  session: SdkSession,
  account: Account,
  closing: AbortSignal,
): Promise<IssuedToken> {
  const policy = {
    priority: 'role-change',
    signal: closing,
    attempts: attemptsOf(account.options, LOGIN_ATTEMPTS),
    timeoutMs: LOGIN_ATTEMPTS * timeoutOf(account.options) + LOGIN_PAUSES_MS,
  } as const
  const { id, secret } = account
  const issued = await withPolicy(policy, () => session.login(id, secret)).catch((error) => {
    throw loginFailure(error, refusalOf(account))
  })
  const { accessToken, tokenExpiryTime } = issued
  const lifetimeSeconds = (tokenExpiryTime - Date.now()) / 1000
  if (typeof accessToken !== 'string' || accessToken === '' || !(lifetimeSeconds > 0)) {
    throw new LoginFailure('upstream-broken', 'the login gave no token that could be used')
  }
  return { token: accessToken, lifetimeSeconds }
}

function refusalOf(account: Account): string {
  const names =
    account.name === 'read'
      ? 'GENESYS_CLIENT_ID / GENESYS_CLIENT_SECRET'
      : 'GENESYS_WRITE_CLIENT_ID / GENESYS_WRITE_CLIENT_SECRET'
  const { region, baseUrl } = account.options
  const place = baseUrl === undefined ? `in region ${region}` : `at ${new URL(baseUrl).origin}`
  return `the platform does not accept ${names} ${place}`
}

function timeoutOf(options: PlatformOptions): number {
  return options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS
}

function attemptsOf(options: PlatformOptions, wanted: number): number {
  return Math.min(wanted, options.maxAttempts ?? wanted)
}

function addressOf(options: PlatformOptions): PlatformAddress {
  if (options.baseUrl !== undefined) return { baseUrl: options.baseUrl }
  const host = resolveRegion(options.region)
  if (host === undefined) {
    const message = `GENESYS_REGION is no region of Genesys Cloud: ${options.region}`
    throw new Failure('invalid', message, { field: 'GENESYS_REGION' })
  }
  return { host }
}
