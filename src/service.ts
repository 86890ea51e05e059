import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from './config.ts'
import { EVENT_TARGETS } from './domain/delivery.ts'
import { countEvents } from './genesys/count-events.ts'
import { openUpstream } from './genesys/upstream.ts'
import type { UpstreamOptions } from './genesys/upstream.ts'
import { openListener, urlOf } from './http/listener.ts'
import { createLogger } from './observability/logger.ts'
import type { Logger } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import { createArchitecture } from './service/architecture.ts'
import type { ArchitectureOverrides } from './service/architecture.ts'
import { createApps } from './service/apps.ts'
import { readCheckListener } from './service/check-listener.ts'
import { createChangeWorkers } from './service/change-workers.ts'
import type { ChangeOverrides } from './service/change-workers.ts'
import { createDeliveries } from './service/deliveries.ts'
import { openMatrices } from './service/held-matrices.ts'
import { createWorkers } from './service/workers.ts'
import { openStore } from './store/store.ts'
import type { StoreOptions } from './store/store.ts'

/** Between readiness falling and closing: what balancers need to send callers elsewhere. */
const DRAIN_MS = 1_000

export type Overrides = {
  readonly logger?: Logger
  /** Epoch milliseconds; what ages are measured with. */
  readonly now?: () => number
  readonly drainMs?: number
  /** Both planes turn requests away when the event loop is later; each has a default. */
  readonly maxEventLoopDelayMs?: number
  /** How long and how often the platform is tried. */
  readonly upstream?: Pick<UpstreamOptions, 'requestTimeoutMs' | 'maxAttempts'>
  /** How role changes are carried out, and who is told of every moment at which that may break off. */
  readonly roleChanges?: ChangeOverrides
  /** How networks and environments are kept in hand. */
  readonly architecture?: ArchitectureOverrides
}

/** A whole service. Created it holds its parts but does nothing; disposed it has let go of all. */
export type Service = AsyncDisposable & {
  /**
   * Opens both listeners, asks the platform who we are, and begins the first rebuild. Rejects with
   * one clear line when the configuration cannot work: address taken, credentials or organisation
   * wrong. A platform that cannot be reached is no reason not to start.
   */
  start(signal?: AbortSignal): Promise<void>
  /** Base URL of a listener, once started. */
  readonly checkUrl: string
  readonly adminUrl: string
}

/** Wires every room; the demo, the tests and production all run what this returns. */
export async function createService(config: Config, overrides: Overrides = {}): Promise<Service> {
  await using stack = new AsyncDisposableStack()
  const logger = overrides.logger ?? createLogger(config.logLevel)
  const now = overrides.now ?? Date.now
  const held = await openMatrices(config, logger, now, stack)
  const { metrics, publisher } = held
  const late: { wakeDeliveries?: () => void } = {}
  const onQueued = (): void => late.wakeDeliveries?.()
  const store = stack.use(openStore(storeOptions(config, { logger, now, metrics, onQueued })))
  const upstream = stack.use(
    openUpstream({ ...upstreamOptions(config, metrics), ...overrides.upstream }),
  )
  const parts = { config, logger, now, upstream, store, ...held }
  const changes = createChangeWorkers({ ...parts, overrides: overrides.roleChanges }, stack)
  const workers = createWorkers({ ...parts, ...changes }, stack)
  const architecture = createArchitecture({ ...parts, overrides: overrides.architecture }, stack)
  const deliveries = createDeliveries(parts, stack)
  late.wakeDeliveries = () => deliveries.wake()
  const draining = { value: false }
  const listener = await readCheckListener(config, logger)
  const { maxEventLoopDelayMs } = overrides
  const apps = createApps(
    {
      ...parts,
      ...changes,
      ...workers,
      ...architecture,
      ...listener,
      draining,
      maxEventLoopDelayMs,
    },
    stack,
  )
  const disposables = stack.move()
  const checkUrl = (): string => urlOf(apps.check, listener.tls && 'https')
  const adminUrl = (): string => urlOf(apps.admin)
  return {
    get checkUrl() {
      return checkUrl()
    },
    get adminUrl() {
      return adminUrl()
    },
    async start(signal = new AbortController().signal) {
      await openListener(apps.check, config.check, 'HOST and PORT')
      await openListener(apps.admin, config.admin, 'ADMIN_HOST and ADMIN_PORT')
      const revision = publisher.held?.revision
      logger.info({ check: checkUrl(), admin: adminUrl(), revision }, 'listening')
      await workers.startCheck.begin(signal)
      if (signal.aborted) return
      workers.schedule.begin()
      changes.begin()
      architecture.begin()
      deliveries.begin()
    },
    async [Symbol.asyncDispose]() {
      logger.info('stopping')
      draining.value = true
      // Nothing new begins while callers are still being served.
      const stopped = Promise.all([workers.stop(), changes.stop(), architecture.stop()])
      const listening = apps.check.server.listening
      if (listening) await delay(overrides.drainMs ?? DRAIN_MS)
      await stopped
      await disposables.disposeAsync()
      logger.info('stopped')
    },
  }
}

function storeOptions(
  config: Config,
  {
    metrics,
    ...shared
  }: Pick<StoreOptions, 'logger' | 'now' | 'onQueued'> & { readonly metrics: Metrics },
): StoreOptions {
  return {
    ...shared,
    database: config.database,
    eventTargets: EVENT_TARGETS.filter((target) => config.webhooks.addresses[target]),
    witnessFile: join(config.dataDir, 'audit-head.json'),
    onState: (state) => metrics.storeUp(state === 'ready'),
    onVerified: (verification) => metrics.auditVerified(verification),
  }
}

function upstreamOptions(config: Config, metrics: Metrics) {
  const { clientId, clientSecret, writeClient, region, baseUrl, requestsPerMinute } = config.genesys
  return {
    clientId,
    clientSecret,
    writeClient,
    region,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    requestsPerMinute,
    onEvent: countEvents(metrics),
  }
}
