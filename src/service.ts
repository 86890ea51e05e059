import type { Server as SecureServer } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config, KeySource } from './config.ts'
import { Failure } from './domain/failure.ts'
import type { FailureCode } from './domain/failure.ts'
import { resolveRegion } from './domain/region.ts'
import { openUpstream } from './genesys/upstream.ts'
import type { Upstream, UpstreamEvent, UpstreamOptions } from './genesys/upstream.ts'
import { buildAdminApp } from './http/admin/admin-app.ts'
import { createAuthenticator, openAuthenticator } from './http/authenticator.ts'
import type { Authenticator } from './http/authenticator.ts'
import { openMetadata } from './http/authzen/metadata.ts'
import type { Metadata } from './http/authzen/metadata.ts'
import { buildCheckApp } from './http/check/check-app.ts'
import { watchEventLoop } from './http/event-loop-watch.ts'
import { closeApp, listen, listenerUrl } from './http/listener.ts'
import { createLogger } from './observability/logger.ts'
import type { Logger } from './observability/logger.ts'
import { createMetrics } from './observability/metrics.ts'
import type { Metrics } from './observability/metrics.ts'
import { watchKeyFile } from './worker/key-file.ts'
import { MatrixPublisher } from './worker/matrix-publisher.ts'
import { Rebuilder } from './worker/rebuilder.ts'
import { RebuildSchedule } from './worker/schedule.ts'
import { SnapshotFolder } from './worker/snapshot-folder.ts'
import { StartCheck } from './worker/start-check.ts'
import { readTlsPair, watchTlsFiles } from './worker/tls-files.ts'
import type { TlsPair } from './worker/tls-files.ts'
import { UnknownUsers } from './worker/unknown-users.ts'

/** What waiting does not mend: another organisation, or credentials that are not taken. */
const FATAL_AT_START: ReadonlySet<FailureCode> = new Set(['invalid', 'upstream-refused'])
/** Checks are turned away with 503 when the event loop is later than this. */
const MAX_EVENT_LOOP_DELAY_MS = 250
/** Between readiness falling and closing: what balancers need to send callers elsewhere. */
const DRAIN_MS = 1_000

export type Overrides = {
  readonly logger?: Logger
  /** Epoch milliseconds; what ages are measured with. */
  readonly now?: () => number
  readonly drainMs?: number
  /** How long and how often the platform is tried. */
  readonly upstream?: Pick<UpstreamOptions, 'requestTimeoutMs' | 'maxAttempts'>
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
  const upstream = stack.use(
    openUpstream({ ...upstreamOptions(config, metrics), ...overrides.upstream }),
  )
  const workers = createWorkers({ config, logger, now, upstream, ...held }, stack)
  const draining = { value: false }
  const tls = config.check.tls && (await readTlsPair(config.check.tls))
  const metadata = await openMetadata(config.authzen, logger)
  const parts = { config, logger, ...held, ...workers, draining, tls, metadata }
  const apps = createApps(parts, stack)
  const disposables = stack.move()
  const checkUrl = (): string => listenerUrl(apps.check, tls && 'https')
  const adminUrl = (): string => listenerUrl(apps.admin)
  return {
    get checkUrl() {
      return checkUrl()
    },
    get adminUrl() {
      return adminUrl()
    },
    async start(signal = new AbortController().signal) {
      await listen(apps.check, config.check, 'HOST and PORT')
      await listen(apps.admin, config.admin, 'ADMIN_HOST and ADMIN_PORT')
      const revision = publisher.held?.revision
      logger.info({ check: checkUrl(), admin: adminUrl(), revision }, 'listening')
      await confirmStart(workers.startCheck, logger, signal)
      if (!signal.aborted) workers.schedule.begin()
    },
    async [Symbol.asyncDispose]() {
      logger.info('stopping')
      draining.value = true
      // Nothing new begins while callers are still being served.
      const stopped = workers.stop()
      const listening = apps.check.server.listening
      if (listening) await delay(overrides.drainMs ?? DRAIN_MS)
      await stopped
      await disposables.disposeAsync()
      logger.info('stopped')
    },
  }
}

type Held = {
  readonly metrics: Metrics
  readonly publisher: MatrixPublisher
  readonly snapshots: SnapshotFolder
  /** Filled once the workers exist: metrics are older than they are. */
  readonly late: { unknownUsers?: UnknownUsers }
}

async function openMatrices(
  config: Config,
  logger: Logger,
  now: () => number,
  stack: AsyncDisposableStack,
): Promise<Held> {
  const late: Held['late'] = {}
  const metrics = stack.use(
    createMetrics({
      matrix: () => publisher.held,
      ageSeconds: (matrix) => publisher.ageSeconds(matrix),
      unknownUsersQueued: () => late.unknownUsers?.queued ?? 0,
    }),
  )
  const { genesys } = config
  const snapshots = new SnapshotFolder({
    path: config.dataDir,
    origin: {
      region: genesys.baseUrl ?? resolveRegion(genesys.region) ?? genesys.region,
      clientId: genesys.clientId,
    },
    organizationId: genesys.organizationId,
    logger,
    now,
    onWritten: (result) => metrics.snapshotWritten(result),
  })
  const publisher = new MatrixPublisher({
    maxAgeSeconds: config.maxSnapshotAgeSeconds,
    now,
    reserveRevision: (revision) => snapshots.reserveRevision(revision),
    onPublished: (matrix) => snapshots.save(matrix),
    onDiscarded: () => void snapshots.forget(),
  })
  await snapshots.open()
  stack.defer(() => snapshots.settled())
  const { matrix, lastRevision } = await snapshots.restore()
  publisher.restore(matrix, lastRevision)
  return { metrics, publisher, snapshots, late }
}

type WorkerParts = Held & {
  readonly config: Config
  readonly logger: Logger
  readonly now: () => number
  readonly upstream: Upstream
}

function createWorkers(parts: WorkerParts, stack: AsyncDisposableStack) {
  const { config, logger, now, upstream, publisher, metrics, late } = parts
  const startCheck = new StartCheck({
    directory: upstream,
    publisher,
    organizationId: config.genesys.organizationId,
    logger,
  })
  const unknownUsers = stack.use(
    new UnknownUsers({ directory: upstream, workshop: upstream, publisher, metrics, logger, now }),
  )
  late.unknownUsers = unknownUsers
  const rebuilder = stack.use(
    new Rebuilder({
      directory: upstream,
      workshop: upstream,
      publisher,
      maxShrinkPercent: config.rebuild.maxShrinkPercent,
      confirmOrganization: (signal) => startCheck.confirm(signal),
      subjectsReadSince: (time) => unknownUsers.readSince(time),
      metrics,
      logger,
      now,
      onEnded: (rebuild) => schedule.ended(rebuild),
    }),
  )
  const schedule = stack.use(
    new RebuildSchedule({
      cron: config.rebuild.cron,
      rebuilds: rebuilder,
      canServe: () => publisher.canServe,
      maxAgeSeconds: config.maxSnapshotAgeSeconds,
      logger,
    }),
  )
  const stop = async (): Promise<void> => {
    await schedule[Symbol.asyncDispose]()
    await rebuilder[Symbol.asyncDispose]()
  }
  return { startCheck, unknownUsers, rebuilder, schedule, stop }
}

type AppParts = Held &
  ReturnType<typeof createWorkers> & {
    readonly config: Config
    readonly logger: Logger
    readonly draining: { readonly value: boolean }
    readonly tls: TlsPair | undefined
    readonly metadata: Metadata | undefined
  }

function createApps(parts: AppParts, stack: AsyncDisposableStack) {
  const { config, logger, metrics, publisher, unknownUsers, rebuilder, startCheck } = parts
  const eventLoop = stack.use(watchEventLoop(MAX_EVENT_LOOP_DELAY_MS))
  const { auth } = config
  const shared = {
    matrices: publisher,
    metrics,
    logger,
    draining: () => parts.draining.value,
  }
  const check = buildCheckApp({
    ...shared,
    auth: openAuth(config, auth.checkKeys, false, logger, stack),
    unknownUsers,
    rateLimit: config.check.rateLimit,
    overloaded: () => eventLoop.late(),
    resourceTypes: config.authzen.resourceTypes,
    tls: parts.tls,
    metadata: parts.metadata,
  })
  stack.defer(() => closeApp(check))
  if (config.check.tls) {
    const server = check.server as unknown as SecureServer
    const onPair = (pair: TlsPair): void => server.setSecureContext(pair)
    stack.use(watchTlsFiles({ ...config.check.tls, onPair, logger }))
  }
  const admin = buildAdminApp({
    ...shared,
    auth: openAuth(config, auth.adminKeys, true, logger, stack),
    rebuilds: rebuilder,
    registry: metrics.registry,
    checkApp: check,
    status: () => ({
      held: publisher.held,
      startCheck: startCheck.passed,
      lastRebuild: rebuilder.last,
      runningRebuild: rebuilder.running,
      unknownUsersQueued: unknownUsers.queued,
    }),
  })
  stack.defer(() => closeApp(admin))
  return { check, admin }
}

/** Keys shorter than this are guessed sooner than one would like. */
const SHORT_SECRET = 16

function openAuth(
  config: Config,
  source: KeySource,
  acceptBasic: boolean,
  logger: Logger,
  stack: AsyncDisposableStack,
): Authenticator {
  if (config.auth.none) return openAuthenticator
  const { keys, file, scopes } = source
  for (const { name, secret } of keys) {
    if (secret.reveal().length < SHORT_SECRET) {
      logger.warn({ key: name }, `a key is shorter than ${SHORT_SECRET} characters`)
    }
  }
  const authenticator = createAuthenticator({ keys, jwt: config.auth.jwt, acceptBasic })
  if (file !== undefined) {
    const onKeys = (replacement: typeof keys): void => authenticator.replaceKeys(replacement)
    stack.use(watchKeyFile({ path: file, scopes, onKeys, logger }))
  }
  return authenticator
}

function upstreamOptions(config: Config, metrics: Metrics) {
  const { clientId, clientSecret, region, baseUrl, requestsPerMinute } = config.genesys
  return {
    clientId,
    clientSecret,
    region,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    requestsPerMinute,
    onEvent: (event: UpstreamEvent) => countUpstream(event, metrics),
  }
}

function countUpstream(event: UpstreamEvent, metrics: Metrics): void {
  switch (event.type) {
    case 'request':
      metrics.upstreamAnswered(event.client, event.outcome, event.seconds)
      break
    case 'retry':
      metrics.upstreamRetried(event.cause)
      break
    case 'budget':
      metrics.upstreamBudget(event.client, event.remaining)
      break
    case 'thread':
      if (event.state === 'crashed') metrics.upstreamThreadCrashed()
      break
  }
}

async function confirmStart(
  startCheck: StartCheck,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    await startCheck.confirm(signal)
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof Failure) || FATAL_AT_START.has(error.code)) throw error
    logger.warn({ err: error }, 'the platform is no help just now: starting without it')
  }
}
