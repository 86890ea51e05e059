import type { Creation } from '../domain/architecture-platform.ts'
import type { Done } from './operation-runner.ts'

/** How the trail tells of a creation: `unchanged` for what was there already. */
export function creationDone<Made extends Creation<{ readonly id: string; readonly name: string }>>(
  creation: Made,
): Done<Made> {
  const { item, outcome, latencyMs, attempts } = creation
  return {
    value: creation,
    state: outcome === 'existing' ? 'unchanged' : 'succeeded',
    told: {
      resultId: item.id,
      latencyMs,
      after: { id: item.id, name: item.name },
      details: outcome === 'recovered' ? { attempts, recovered: true } : { attempts },
    },
  }
}
