import { Registry } from 'prom-client'
import { Secret } from '../../../src/domain/secret.ts'
import { ADMIN_SCOPES, CHECK_SCOPES } from '../../../src/domain/principal.ts'
import type { NewAuditEntry } from '../../../src/domain/audit.ts'
import type { ApiKey, Scope } from '../../../src/domain/principal.ts'
import { Failure } from '../../../src/domain/failure.ts'
import type { Rebuild } from '../../../src/domain/rebuild.ts'
import { buildAdminApp } from '../../../src/http/admin/admin-app.ts'
import type { AdminAppDeps } from '../../../src/http/admin/admin-app.ts'
import { createAuthenticator } from '../../../src/http/authenticator.ts'
import { buildCheckApp } from '../../../src/http/check/check-app.ts'
import type { CheckAppDeps } from '../../../src/http/check/check-app.ts'
import { OUTCOMES } from '../../../src/domain/evaluate.ts'
import { FACTS, matrixOf, serve } from './organization.ts'
import type { FakeServed } from './organization.ts'

export const CHECK_SECRET = 'check-secret-0123456789'
export const ADMIN_SECRET = 'admin-secret-0123456789'
export const READER_SECRET = 'reader-secret-012345678'
export const METRICS_SECRET = 'metrics-secret-01234567'

export const key = (name: string, secret: string, scopes: readonly Scope[]): ApiKey => ({
  name,
  secret: new Secret(secret),
  scopes: new Set(scopes),
})
export const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

/** What a plane told its surroundings. */
const createRecord = () => {
  const record = {
    decided: [] as string[],
    answered: [] as string[],
    failed: [] as string[],
    took: 0,
    logged: [] as unknown[],
    audited: [] as NewAuditEntry[],
    unknown: [] as string[],
    metrics: {
      decided: (outcome: number) => void record.decided.push(OUTCOMES[outcome] ?? '?'),
      checkTook: () => void (record.took += 1),
      answered: (plane: string, status: number) => void record.answered.push(`${plane} ${status}`),
      failed: (plane: string, code: string) => void record.failed.push(`${plane} ${code}`),
    },
    logger: { error: (line: unknown) => void record.logged.push(line) },
  }
  return record
}

type Told = { teardown(dispose: () => unknown): void }

/** A check plane over the sample organisation, closed with the test. */
export function startCheckPlane(t: Told, overrides: Partial<CheckAppDeps> = {}) {
  const record = createRecord()
  const served = serve(matrixOf(FACTS, 7))
  const app = buildCheckApp({
    matrices: served,
    metrics: record.metrics,
    logger: record.logger as never,
    auth: createAuthenticator({ keys: [key('app', CHECK_SECRET, CHECK_SCOPES)] }),
    unknownUsers: { note: (id) => void record.unknown.push(id) },
    rateLimit: 0,
    overloaded: () => false,
    draining: () => false,
    ...overrides,
  })
  t.teardown(() => app.close())
  const get = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ url, headers: { ...bearer(CHECK_SECRET), ...headers } })
  const post = (url: string, payload: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url,
      headers: { ...bearer(CHECK_SECRET), 'content-type': 'application/json', ...headers },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    })
  return { app, served, record, get, post }
}

const withoutStore = (): never => {
  throw new Failure('store-unavailable', 'this plane has no store')
}

/** What the admin plane has no use for where no test asks for it. */
const NO_STORE = {
  audit: { list: withoutStore, stream: withoutStore, verify: withoutStore },
  allowlists: {
    list: withoutStore,
    validate: withoutStore,
    preview: withoutStore,
    create: withoutStore,
  },
  organizationAllowlist: {
    read: withoutStore,
    validate: withoutStore,
    preview: withoutStore,
    replace: withoutStore,
    undo: withoutStore,
  },
  environments: {
    list: withoutStore,
    validate: withoutStore,
    preview: withoutStore,
    create: withoutStore,
  },
  deliveries: { list: withoutStore, retry: withoutStore },
  offers: async () => ({ ipAllowlists: null, environments: null }),
  roleChanges: {
    accept: withoutStore,
    findAccepted: withoutStore,
    find: withoutStore,
    list: withoutStore,
    items: withoutStore,
    requestStop: withoutStore,
    resume: withoutStore,
    rollback: withoutStore,
    pendingSunsets: withoutStore,
  },
  reports: { start: withoutStore },
  reportStore: { find: withoutStore, content: withoutStore },
  workshop: { simulate: withoutStore },
  rules: [],
  wake: () => undefined,
  now: Date.now,
}

/** An admin plane over the sample organisation, closed with the test. */
export function startAdminPlane(t: Told, overrides: Partial<AdminAppDeps> = {}) {
  const record = createRecord()
  const served: FakeServed = serve(matrixOf(FACTS, 7))
  const rebuilds = createRebuilds()
  const app = buildAdminApp({
    matrices: served,
    metrics: record.metrics,
    logger: record.logger as never,
    auth: createAuthenticator({
      keys: [
        key('admin', ADMIN_SECRET, ADMIN_SCOPES),
        key('reader', READER_SECRET, ['admin:read']),
        key('prometheus', METRICS_SECRET, ['metrics']),
      ],
      acceptBasic: true,
    }),
    rebuilds,
    ...NO_STORE,
    audit: {
      ...NO_STORE.audit,
      append: async (entries) => {
        record.audited.push(...entries)
        return []
      },
    },
    registry: new Registry(),
    checkApp: startCheckPlane(t).app,
    draining: () => false,
    maxEventLoopDelayMs: Infinity,
    status: () => ({
      held: served.held.at(-1),
      startCheck: undefined,
      lastRebuild: undefined,
      runningRebuild: undefined,
      unknownUsersQueued: 3,
      unmatchedRules: [],
    }),
    ...overrides,
  })
  t.teardown(() => app.close())
  const get = (url: string, secret = ADMIN_SECRET) => app.inject({ url, headers: bearer(secret) })
  return { app, served, record, rebuilds, get }
}

const createRebuilds = () => {
  const rebuilds = {
    running: undefined as Rebuild | undefined,
    start({ requestedBy, allowShrink }: { requestedBy: string; allowShrink: boolean }) {
      const { running } = rebuilds
      if (running && allowShrink && !running.allowShrink) {
        throw new Failure('conflict', 'one runs without allowShrink')
      }
      if (running) return { rebuild: running, started: false }
      const rebuild: Rebuild = {
        id: 'r1',
        state: 'running',
        requestedBy,
        allowShrink,
        progress: { done: 0, total: 10 },
        startedAt: '2026-11-21T12:00:00.000Z',
      }
      rebuilds.running = rebuild
      return { rebuild, started: true }
    },
    find(id: string) {
      if (rebuilds.running?.id === id) return rebuilds.running
      throw new Failure('not-found', `there is no rebuild ${id}`)
    },
  }
  return rebuilds
}
