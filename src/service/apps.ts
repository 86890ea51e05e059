import type { Server as SecureServer } from 'node:https'
import type { Config, KeySource } from '../config.ts'
import { buildAdminApp } from '../http/admin/admin-app.ts'
import { createAuthenticator, openAuthenticator } from '../http/authenticator.ts'
import type { Authenticator } from '../http/authenticator.ts'
import { buildCheckApp } from '../http/check/check-app.ts'
import { watchEventLoop } from '../http/event-loop-watch.ts'
import { closeListener } from '../http/listener.ts'
import type { Logger } from '../observability/logger.ts'
import { watchKeyFile } from '../worker/key-file.ts'
import { watchTlsFiles } from '../worker/tls-files.ts'
import type { TlsPair } from '../worker/tls-files.ts'
import type { Architecture } from './architecture.ts'
import type { ChangeWorkers } from './change-workers.ts'
import type { CheckListener } from './check-listener.ts'
import type { Parts } from './parts.ts'
import type { Workers } from './workers.ts'

/** Checks are turned away with 503 when the event loop is later than this. */
const MAX_EVENT_LOOP_DELAY_MS = 250

type AppParts = Parts &
  ChangeWorkers &
  Workers &
  Architecture &
  CheckListener & {
    readonly draining: { readonly value: boolean }
    /** Requests are turned away when the event loop is later than this; each plane has a default. */
    readonly maxEventLoopDelayMs?: number | undefined
  }

/** Both planes, not listening yet. */
export function createApps(parts: AppParts, stack: AsyncDisposableStack) {
  const { config, logger, metrics, publisher, unknownUsers, rebuilder, startCheck } = parts
  const { store, runner, refusedLogins, maxEventLoopDelayMs } = parts
  const eventLoop = stack.use(watchEventLoop(maxEventLoopDelayMs ?? MAX_EVENT_LOOP_DELAY_MS))
  const { auth } = config
  const shared = {
    matrices: publisher,
    metrics,
    logger,
    refusedLogins,
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
  stack.defer(() => closeListener(check))
  if (config.check.tls && parts.tls) {
    const server = check.server as unknown as SecureServer
    const onPair = (pair: TlsPair): void => server.setSecureContext(pair)
    const watched = { ...config.check.tls, current: parts.tls, onPair, metrics, logger }
    stack.use(watchTlsFiles(watched))
  }
  const admin = buildAdminApp({
    ...shared,
    auth: openAuth(config, auth.adminKeys, true, logger, stack),
    rebuilds: rebuilder,
    audit: store.audit,
    allowlists: parts.allowlists,
    organizationAllowlist: parts.organizationAllowlist,
    environments: parts.environments,
    deliveries: store.deliveries,
    offers: () => parts.offered.current(),
    roleChanges: store.roleChanges,
    reportStore: store.reports,
    reports: parts.reports,
    workshop: parts.upstream,
    rules: config.roleRules,
    now: parts.now,
    wake: () => runner.wake(),
    registry: metrics.registry,
    checkApp: check,
    maxEventLoopDelayMs,
    status: () => ({
      held: publisher.held,
      startCheck: startCheck.passed,
      lastRebuild: rebuilder.last,
      runningRebuild: rebuilder.running,
      unknownUsersQueued: unknownUsers.queued,
      unmatchedRules: parts.ruleWatch.unmatched,
    }),
  })
  stack.defer(() => closeListener(admin))
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
