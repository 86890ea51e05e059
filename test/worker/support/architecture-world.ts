import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { SimulatorOptions } from '../../../simulator/server.ts'
import type { Simulator } from '../../../simulator/server.ts'
import type { OpenOperations } from '../../../src/domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../../../src/domain/architecture-platform.ts'
import type { AuditEntry } from '../../../src/domain/audit.ts'
import type { RequestedAllowlist } from '../../../src/domain/ip-allowlist.ts'
import type { RequestedEnvironment } from '../../../src/domain/environment.ts'
import { openArchitecture } from '../../../src/genesys/architecture.ts'
import { openPlatform } from '../../../src/genesys/platform-client.ts'
import { createAllowlistDesk } from '../../../src/worker/allowlist-desk.ts'
import type { Clock as RunnerClock } from '../../../src/worker/clock.ts'
import { createEnvironmentDesk } from '../../../src/worker/environment-desk.ts'
import { OperationRunner } from '../../../src/worker/operation-runner.ts'
import { OperationSettler } from '../../../src/worker/operation-settler.ts'
import { createOrganizationDesk } from '../../../src/worker/organization-desk.ts'
import { skippingClock } from '../../genesys/clocks.ts'
import { openUnderTest, optionsFor } from '../../genesys/platform-under-test.ts'
import { openTestStore } from '../../store/support/store-under-test.ts'
import type { Clock, StoreUnderTest } from '../../store/support/store-under-test.ts'
import type { TestDatabase } from '../../store/support/test-database.ts'

export const ALLOWLISTS = '/api/v2/architecture/ipallowlists'
export const ENVIRONMENTS = '/api/v2/architecture/environments'
export const ANNA = { actor: 'anna', requestId: 'request-1' }

export const OFFICE: RequestedAllowlist = {
  name: 'Office',
  description: 'the confidential headquarters',
  entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
}

export function environment(name: string): RequestedEnvironment {
  return {
    name,
    configSource: { type: 'matrix', sources: ['current'] },
    accessControl: [{ role: 'Agent', permission: 'full' }],
  }
}

const roleNames = (): ReadonlySet<string> => new Set(['Agent'])

const ignore = (): void => undefined

/** The platform that all instances of a test speak to. */
export async function openSimulator(
  t: Test,
  options: Partial<SimulatorOptions> = {},
): Promise<Simulator> {
  const context = await openUnderTest(options)
  t.teardown(() => context[Symbol.asyncDispose]())
  return context.simulator
}

type InstanceOptions = {
  readonly database: TestDatabase
  readonly simulator: Simulator
  /** Of the store; as the system's when left out. */
  readonly clock?: Clock
  readonly name?: string
  readonly maxEnvironments?: number
  readonly leaseMs?: number
  /** Of what the runner has in hand, where the settler looks meanwhile; `leaseMs` when left out. */
  readonly runnerLeaseMs?: number
  readonly graceMs?: number
  /** How long the settler looks for what does not show; as long as a lease when left out. */
  readonly patienceMs?: number
  /** Of the runner; as the system's when left out. */
  readonly runnerClock?: RunnerClock
  /** How long the settler tries where it may not look; 24 hours when left out. */
  readonly giveUpAfterMs?: number
  /** Parts of the platform that the desks meet in the place of the simulator's. */
  readonly platform?: Partial<ArchitecturePlatform>
  readonly onAnswered?: () => void
  readonly wrap?: (
    store: StoreUnderTest['store']['operations'],
  ) => StoreUnderTest['store']['operations']
}

/** One service, but for its listeners: a store, a client of the platform, desks and a settler. */
export function openInstance(t: Test, options: InstanceOptions) {
  const { database, simulator, name = 'one', maxEnvironments = 5, leaseMs = 30_000 } = options
  const { store, close, logger, lines } = openTestStore(t, database, {
    now: Date.now,
    witnessFile: `${database.folder}/${name}.json`,
    eventTargets: ['callback', 'monitoring'],
    ...(options.clock ? { clock: options.clock } : {}),
  })
  const api = openPlatform(
    optionsFor(simulator.url, { requestTimeoutMs: 100_000 }),
    ignore,
    skippingClock(1),
  )
  t.teardown(() => api[Symbol.asyncDispose]())
  const platform: ArchitecturePlatform = { ...openArchitecture(api), ...options.platform }
  const operations = options.wrap?.(store.operations) ?? store.operations
  const ended: string[] = []
  const seen: OpenOperations[] = []
  const metrics = {
    architectureOperationEnded: (kind: string, result: string) =>
      void ended.push(`${kind} ${result}`),
    openOperationsSeen: (counts: OpenOperations) => void seen.push(counts),
  }
  const { onAnswered, graceMs } = options
  const runner = new OperationRunner({
    store: operations,
    trail: store.audit,
    metrics,
    logger,
    leaseMs: options.runnerLeaseMs ?? leaseMs,
    ...(onAnswered ? { onAnswered } : {}),
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(options.runnerClock ? { clock: options.runnerClock } : {}),
  })
  const { patienceMs = leaseMs, giveUpAfterMs } = options
  const settler = new OperationSettler({
    store: operations,
    platform,
    metrics,
    logger,
    leaseMs,
    patienceMs,
    ...(giveUpAfterMs === undefined ? {} : { giveUpAfterMs }),
  })
  runner.begin()
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await settler[Symbol.asyncDispose]()
      await runner[Symbol.asyncDispose]()
      await close()
    })())
  t.teardown(stop)
  return {
    store,
    lines,
    ended,
    seen,
    settler,
    stop,
    allowlists: createAllowlistDesk({ platform, runner }),
    organization: createOrganizationDesk({ platform, runner, store: operations }),
    environments: createEnvironmentDesk({
      platform,
      runner,
      store: operations,
      maxEnvironments,
      roleNames,
    }),
    async entries(): Promise<AuditEntry[]> {
      const all: AuditEntry[] = []
      for await (const entry of store.audit.stream({})) all.push(entry)
      return all
    },
    async events(): Promise<Record<string, unknown>[]> {
      const { items } = await store.deliveries.list({ limit: 100 })
      return items.toReversed().map(({ body }) => JSON.parse(body) as Record<string, unknown>)
    },
  }
}

/** Ends a hopeless wait, nothing else: a busy machine may stand still for many seconds. */
const PATIENCE_MS = 120_000

/** Resolves once the condition holds; rejects when it does not within two minutes. */
export async function until(what: string, condition: () => boolean | Promise<boolean>) {
  const end = performance.now() + PATIENCE_MS
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await delay(5)
  }
}
