import type { Metric, Registry } from 'prom-client'

/** Upper bounds in seconds: from what a check in memory takes to what no caller waits for. */
const LATENCY_BUCKETS: readonly number[] = [
  0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
  0.25, 0.5, 1,
]

/**
 * A Prometheus histogram that costs an array increment to observe: prom-client's own hashes its
 * labels each time, which shows on the check route. The registry asks for its values at a scrape.
 */
export type LatencyHistogram = {
  /** Counts one duration in seconds. */
  observe(seconds: number): void
}

type Sample = { metricName: string; labels: Record<string, string>; value: number }

export function registerLatencyHistogram(
  registry: Registry,
  name: string,
  help: string,
): LatencyHistogram {
  const bounds = Float64Array.from(LATENCY_BUCKETS)
  const counts = new Float64Array(bounds.length + 1)
  let sum = 0
  const samples = (): Sample[] => {
    const values: Sample[] = []
    let cumulative = 0
    for (const [index, bound] of [...bounds, Infinity].entries()) {
      cumulative += counts[index] ?? 0
      const le = bound === Infinity ? '+Inf' : String(bound)
      values.push({ metricName: `${name}_bucket`, labels: { le }, value: cumulative })
    }
    values.push({ metricName: `${name}_sum`, labels: {}, value: sum })
    values.push({ metricName: `${name}_count`, labels: {}, value: cumulative })
    return values
  }
  const metric = {
    name,
    get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: samples() }),
  }
  // The registry calls nothing but `name` and `get`; the published type names concrete classes.
  registry.registerMetric(metric as unknown as Metric)
  return {
    observe(seconds) {
      let index = 0
      while (index < bounds.length && seconds > (bounds[index] as number)) index += 1
      counts[index] = (counts[index] as number) + 1
      sum += seconds
    },
  }
}
