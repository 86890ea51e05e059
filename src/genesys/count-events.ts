import type { Metrics } from '../observability/metrics.ts'
import type { OnEvent } from './upstream-event.ts'

type Counters = Pick<
  Metrics,
  'upstreamAnswered' | 'upstreamRetried' | 'upstreamBudget' | 'upstreamThreadCrashed'
>

/** Turns what the reader tells of itself into metrics. */
export function countEvents(metrics: Counters): OnEvent {
  return (event) => {
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
    }
  }
}
