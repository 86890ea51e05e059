import { OUTCOMES } from '../../../src/domain/evaluate.ts'
import {
  createMetrics,
  PLANES,
  REBUILD_RESULTS,
  RETRY_CAUSES,
  SNAPSHOT_RESULTS,
  UNKNOWN_USER_RESULTS,
  UPSTREAM_CLIENTS,
  UPSTREAM_OUTCOMES,
} from '../../../src/observability/metrics.ts'

type Series = {
  /** As in the exposition: counter, gauge, histogram. */
  readonly type: string
  /** Every label with every value that was seen. */
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>
}

/** Everything that the real registry exposes after each event has happened with each closed value. */
export async function readKnownSeries(): Promise<ReadonlyMap<string, Series>> {
  using metrics = createMetrics({
    matrix: () => undefined,
    ageSeconds: () => 0,
    unknownUsersQueued: () => 0,
  })
  causeEverything(metrics)
  const known = new Map<string, { type: string; labels: Map<string, Set<string>> }>()
  const add = (name: string, type: string): Map<string, Set<string>> => {
    const series = known.get(name) ?? { type, labels: new Map<string, Set<string>>() }
    known.set(name, series)
    return series.labels
  }
  for (const metric of await metrics.registry.getMetricsAsJSON()) {
    const type = String(metric.type)
    if (type !== 'histogram') add(metric.name, type)
    for (const value of metric.values) {
      const { metricName = metric.name } = value as { metricName?: string }
      const labels = add(metricName, type)
      for (const [label, content] of Object.entries(value.labels)) {
        if (!labels.has(label)) labels.set(label, new Set())
        labels.get(label)?.add(String(content))
      }
    }
  }
  return known
}

function causeEverything(metrics: ReturnType<typeof createMetrics>): void {
  for (const outcome of OUTCOMES.keys()) metrics.decided(outcome)
  metrics.checkTook(0)
  for (const plane of PLANES) metrics.answered(plane, 200)
  metrics.rebuildStarted()
  for (const result of REBUILD_RESULTS) metrics.rebuildEnded(result, 1)
  for (const result of SNAPSHOT_RESULTS) metrics.snapshotWritten(result)
  for (const result of UNKNOWN_USER_RESULTS) metrics.unknownUserRead(result)
  for (const cause of RETRY_CAUSES) metrics.upstreamRetried(cause)
  for (const client of UPSTREAM_CLIENTS) {
    metrics.upstreamBudget(client, 1)
    for (const outcome of UPSTREAM_OUTCOMES) metrics.upstreamAnswered(client, outcome, 1)
  }
  metrics.upstreamThreadCrashed()
  metrics.storeUp(true)
  metrics.auditVerified({ intact: true, verifiedAt: new Date(0).toISOString() })
}
