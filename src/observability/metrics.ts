import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { DRIFT_KINDS } from '../domain/compare-matrices.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import { OUTCOMES } from '../domain/evaluate.ts'
import type { Outcome } from '../domain/evaluate.ts'
import { FAILURE_CODES } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Matrix } from '../domain/matrix.ts'
import { architectureMetrics } from './architecture-metrics.ts'
import { changeMetrics } from './change-metrics.ts'
import { registerLatencyHistogram } from './latency-histogram.ts'
import { listenerMetrics } from './listener-metrics.ts'
import { storeMetrics } from './store-metrics.ts'

/** Interval at which the event loop's lateness is sampled. */
const DELAY_RESOLUTION_MS = 10

/** Every metric of this service begins so. */
export const PREFIX = 'permission_check_'

/** Closed lists of label values: a label never holds what a caller or the platform wrote. */
export const PLANES = ['check', 'admin'] as const
const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const
export const REBUILD_RESULTS = ['succeeded', 'failed', 'refused'] as const
export const SNAPSHOT_RESULTS = ['written', 'failed'] as const
export const UNKNOWN_USER_RESULTS = ['found', 'absent', 'failed', 'dropped'] as const
export const UPSTREAM_CLIENTS = ['read', 'write'] as const
export const UPSTREAM_OUTCOMES = [
  '2xx',
  '3xx',
  '400',
  '401',
  '403',
  '404',
  '409',
  '429',
  '4xx',
  '5xx',
  'timeout',
  'network',
  'malformed',
] as const
export const RETRY_CAUSES = ['429', '401', '409', '5xx', 'timeout', 'network', 'malformed'] as const

type Plane = (typeof PLANES)[number]

/** What the service tells of itself; one function for each event. */
export type Metrics = ReturnType<typeof createMetrics>

export type MetricsSources = {
  /** The matrix that is held, whether or not it is still young enough to be served. */
  readonly matrix: () => Matrix | undefined
  readonly ageSeconds: (matrix: Matrix) => number
  readonly unknownUsersQueued: () => number
}

/** One registry for each service: two services in a process never share a count. */
export function createMetrics(sources: MetricsSources) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: PREFIX })
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  registerMatrixGauges(registry, sources)
  registerEventLoopGauge(registry, delay)
  return {
    registry,
    ...checkMetrics(registry),
    ...requestMetrics(registry),
    ...rebuildMetrics(registry),
    ...upstreamMetrics(registry),
    ...changeMetrics(registry, PREFIX),
    ...storeMetrics(registry, PREFIX),
    ...architectureMetrics(registry, PREFIX),
    ...listenerMetrics(registry, PREFIX),
    [Symbol.dispose](): void {
      delay.disable()
      registry.clear()
    },
  }
}

function checkMetrics(registry: Registry) {
  const counts = new Float64Array(OUTCOMES.length)
  // Read at a scrape, so that a check costs one array increment.
  const decisions = new Counter({
    name: `${PREFIX}decisions_total`,
    help: 'Permission checks answered, by outcome: allowed, or the reason for a denial',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [index, outcome] of OUTCOMES.entries()) this.inc({ outcome }, counts[index] ?? 0)
    },
  })
  void decisions
  const duration = registerLatencyHistogram(
    registry,
    `${PREFIX}check_duration_seconds`,
    'Time from the arrival of a check request to its answer; a batch counts once',
  )
  return {
    /** Counts one decision, of a single check or of a batch. */
    decided(outcome: Outcome): void {
      counts[outcome] = (counts[outcome] as number) + 1
    },
    /** Counts the time of one check request, in seconds. */
    checkTook(seconds: number): void {
      duration.observe(seconds)
    },
  }
}

function requestMetrics(registry: Registry) {
  const counts = new Float64Array(PLANES.length * STATUS_CLASSES.length)
  const requests = new Counter({
    name: `${PREFIX}http_requests_total`,
    help: 'HTTP requests answered, by plane and class of status',
    labelNames: ['plane', 'status'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [p, plane] of PLANES.entries()) {
        for (const [s, status] of STATUS_CLASSES.entries()) {
          this.inc({ plane, status }, counts[p * STATUS_CLASSES.length + s] ?? 0)
        }
      }
    },
  })
  void requests
  const failures = new Counter({
    name: `${PREFIX}failures_total`,
    help: 'Requests that ended in a failure, by plane and code; internal is a bug',
    labelNames: ['plane', 'code'],
    registers: [registry],
  })
  for (const plane of PLANES) {
    for (const code of FAILURE_CODES) failures.inc({ plane, code }, 0)
  }
  return {
    /** Counts one answered request. `status` is the HTTP status. */
    answered(plane: Plane, status: number): void {
      const index = (plane === 'check' ? 0 : STATUS_CLASSES.length) + Math.floor(status / 100) - 2
      counts[index] = (counts[index] ?? 0) + 1
    },
    /** Counts one failure by its code. */
    failed(plane: Plane, code: FailureCode): void {
      failures.inc({ plane, code })
    },
  }
}

function rebuildMetrics(registry: Registry) {
  const rebuilds = new Counter({
    name: `${PREFIX}rebuilds_total`,
    help: 'Rebuilds ended, by result; refused means that a guard kept the old matrix',
    labelNames: ['result'],
    registers: [registry],
  })
  for (const result of REBUILD_RESULTS) rebuilds.inc({ result }, 0)
  const duration = new Histogram({
    name: `${PREFIX}rebuild_duration_seconds`,
    help: 'Time that rebuilds took, whatever their result',
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1_800],
    registers: [registry],
  })
  const running = new Gauge({
    name: `${PREFIX}rebuild_running`,
    help: '1 while a rebuild runs',
    registers: [registry],
  })
  const drift = new Counter({
    name: `${PREFIX}drift_total`,
    help: 'Differences between a rebuilt matrix and the one it replaced, by kind',
    labelNames: ['kind'],
    registers: [registry],
  })
  for (const kind of DRIFT_KINDS) drift.inc({ kind }, 0)
  const snapshots = new Counter({
    name: `${PREFIX}snapshot_writes_total`,
    help: 'Matrices written to disk, by result',
    labelNames: ['result'],
    registers: [registry],
  })
  for (const result of SNAPSHOT_RESULTS) snapshots.inc({ result }, 0)
  const unknownUsers = new Counter({
    name: `${PREFIX}unknown_user_reads_total`,
    help: 'Users that a check named and the matrix did not know, by what reading them gave',
    labelNames: ['result'],
    registers: [registry],
  })
  for (const result of UNKNOWN_USER_RESULTS) unknownUsers.inc({ result }, 0)
  return {
    rebuildStarted(): void {
      running.set(1)
    },
    rebuildEnded(result: (typeof REBUILD_RESULTS)[number], seconds: number): void {
      running.set(0)
      rebuilds.inc({ result })
      duration.observe(seconds)
    },
    drifted(counts: Drift['counts']): void {
      for (const kind of DRIFT_KINDS) drift.inc({ kind }, counts[kind])
    },
    snapshotWritten(result: (typeof SNAPSHOT_RESULTS)[number]): void {
      snapshots.inc({ result })
    },
    unknownUserRead(result: (typeof UNKNOWN_USER_RESULTS)[number], count = 1): void {
      unknownUsers.inc({ result }, count)
    },
  }
}

function upstreamMetrics(registry: Registry) {
  const requests = new Counter({
    name: `${PREFIX}upstream_requests_total`,
    help: 'Requests sent to the platform, by OAuth client and outcome',
    labelNames: ['client', 'outcome'],
    registers: [registry],
  })
  const duration = new Histogram({
    name: `${PREFIX}upstream_request_duration_seconds`,
    help: 'Time that requests to the platform took, each attempt by itself',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  })
  const retries = new Counter({
    name: `${PREFIX}upstream_retries_total`,
    help: 'Requests to the platform that were tried again, by cause',
    labelNames: ['cause'],
    registers: [registry],
  })
  for (const cause of RETRY_CAUSES) retries.inc({ cause }, 0)
  for (const client of UPSTREAM_CLIENTS) {
    for (const outcome of UPSTREAM_OUTCOMES) requests.inc({ client, outcome }, 0)
  }
  const budget = new Gauge({
    name: `${PREFIX}upstream_budget_remaining`,
    help: 'Requests that an OAuth client may send at once within its budget',
    labelNames: ['client'],
    registers: [registry],
  })
  const crashes = new Counter({
    name: `${PREFIX}upstream_thread_crashes_total`,
    help: 'Times that the thread which reads the platform died and had to be started again',
    registers: [registry],
  })
  return {
    upstreamAnswered(
      client: (typeof UPSTREAM_CLIENTS)[number],
      outcome: (typeof UPSTREAM_OUTCOMES)[number],
      seconds: number,
    ): void {
      requests.inc({ client, outcome })
      duration.observe(seconds)
    },
    upstreamRetried(cause: (typeof RETRY_CAUSES)[number]): void {
      retries.inc({ cause })
    },
    upstreamBudget(client: (typeof UPSTREAM_CLIENTS)[number], remaining: number): void {
      budget.set({ client }, remaining)
    },
    upstreamThreadCrashed(): void {
      crashes.inc()
    },
  }
}

function registerMatrixGauges(registry: Registry, sources: MetricsSources): void {
  const gauge = (name: string, help: string, read: (matrix: Matrix) => number): void => {
    const registered = new Gauge({
      name: PREFIX + name,
      help,
      registers: [registry],
      collect() {
        const matrix = sources.matrix()
        if (matrix) this.set(read(matrix))
        else this.set(NaN)
      },
    })
    void registered
  }
  gauge('matrix_revision', 'Revision of the matrix that is held', (matrix) => matrix.revision)
  gauge('matrix_age_seconds', 'Time since the facts of the matrix were read', (matrix) =>
    sources.ageSeconds(matrix),
  )
  gauge('matrix_bytes', 'Memory of the matrix', (matrix) => matrix.buffer.byteLength)
  gauge('matrix_users', 'Users in the matrix, of every state', (matrix) => matrix.userCount)
  gauge('matrix_grants', 'Direct grants in the matrix', (matrix) => matrix.directGrantCount)
  gauge('matrix_group_grants', 'Grants of groups in the matrix', (matrix) => matrix.groupGrantCount)
  gauge('matrix_roles', 'Roles in the matrix', (matrix) => matrix.roleCount)
  gauge(
    'matrix_access_policies',
    'Active attribute-based access policies, which can deny beyond roles and are not evaluated',
    (matrix) => matrix.description.activeAccessPolicies ?? NaN,
  )
  const queued = new Gauge({
    name: `${PREFIX}unknown_users_queued`,
    help: 'Users that checks named, the matrix did not know, and nobody has read yet',
    registers: [registry],
    collect() {
      this.set(sources.unknownUsersQueued())
    },
  })
  void queued
}

function registerEventLoopGauge(
  registry: Registry,
  delay: ReturnType<typeof monitorEventLoopDelay>,
): void {
  const quantiles = [
    ['0.5', 50],
    ['0.99', 99],
    ['1', 100],
  ] as const
  const gauge = new Gauge({
    name: `${PREFIX}event_loop_delay_seconds`,
    help: 'How late the event loop was since the scrape before, by quantile',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const [quantile, percentile] of quantiles) {
        // What is sampled is the time between two samples: lateness is what exceeds the interval.
        const between = delay.count > 0 ? delay.percentile(percentile) / 1e6 : 0
        this.set({ quantile }, Math.max(0, between - DELAY_RESOLUTION_MS) / 1_000)
      }
      delay.reset()
    },
  })
  void gauge
}
