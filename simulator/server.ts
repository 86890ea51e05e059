import { Faults } from './faults.ts'
import { buildApp } from './http-app.ts'
import { type Mutations, mutationsOf } from './mutations.ts'
import { PendingWrites } from './pending-writes.ts'
import type { Platform } from './platform.ts'
import { RateWindow } from './rate-window.ts'
import { RequestCounts } from './request-counts.ts'
import { DEFAULT_CLIENT, settleClient, type SimulatedClient } from './simulated-client.ts'
import { Tokens } from './tokens.ts'
import type { World } from './world.ts'

export interface SimulatorOptions {
  /** Served as it is and changed by writes; the clients become subjects of it. */
  readonly world: World
  readonly host?: string
  /** 0 takes any free port. */
  readonly port?: number
  readonly clients?: readonly SimulatedClient[]
  /** For each client, whatever its tokens; 0 is no limit. */
  readonly requestsPerMinute?: number
  /** Logins a minute for each client; 0 is no limit. */
  readonly tokenRequestsPerMinute?: number
  readonly tokenLifetimeSeconds?: number
  /** How long a write made through the API stays unseen by reads. */
  readonly consistencyDelayMs?: number
  /** How long a search of users stays behind the reads. */
  readonly searchDelayMs?: number
  readonly inactiveListingLimit?: number
  /** Direct grants of a subject that the API gives at most; 150 when left out. */
  readonly maxGrantsPerSubject?: number
  /** The longest interval of an aggregate query; 31 when left out. */
  readonly maxAggregateDays?: number
  readonly now?: () => number
}

/** A running platform. Its mutations change the world from outside the API. */
export interface Simulator extends Mutations {
  readonly url: string
  readonly world: World
  readonly faults: Faults
  readonly requests: RequestCounts
  /** Every token in circulation is refused from now on. */
  revokeTokens(): void
  /** Begins a new minute for every client; 0 is no limit. */
  setRequestsPerMinute(limit: number): void
  /** Ends at once, hung requests included. */
  close(): Promise<void>
}

function buildPlatform(options: SimulatorOptions, closing: AbortSignal): Platform {
  const { world, now = Date.now, clients = [DEFAULT_CLIENT] } = options
  for (const client of clients) settleClient(world, client)
  const requestRate = new RateWindow(options.requestsPerMinute ?? 300, now)
  const { inactiveListingLimit = 10_000, maxGrantsPerSubject = 150 } = options
  const { consistencyDelayMs = 0, searchDelayMs = 0, maxAggregateDays = 31 } = options
  return {
    world,
    writes: new PendingWrites(world, { delayMs: consistencyDelayMs, searchDelayMs, now }),
    clients: new Map(clients.map((client) => [client.id, client])),
    tokens: new Tokens({ lifetimeSeconds: options.tokenLifetimeSeconds ?? 86_400, now }),
    requestRate,
    tokenRate: new RateWindow(options.tokenRequestsPerMinute ?? 100, now),
    faults: new Faults(),
    requests: new RequestCounts(),
    settings: () => ({
      requestsPerMinute: requestRate.limit,
      inactiveListingLimit,
      maxGrantsPerSubject,
      maxAggregateDays,
    }),
    closing,
  }
}

/** Starts a Genesys Cloud of its own: `/oauth/token`, `/api/v2/…` and `/simulator/…` on one URL. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const closing = new AbortController()
  const platform = buildPlatform(options, closing.signal)
  const mutations = mutationsOf(platform.world)
  const app = buildApp(platform, mutations)
  const url = await app.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 })
  return {
    ...mutations,
    url,
    world: platform.world,
    faults: platform.faults,
    requests: platform.requests,
    revokeTokens: () => platform.tokens.revokeAll(),
    setRequestsPerMinute(limit) {
      platform.requestRate.limit = limit
      platform.requestRate.reset()
    },
    async close() {
      closing.abort()
      await app.close()
    },
  }
}
