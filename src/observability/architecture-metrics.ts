import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import { OPERATION_KINDS } from '../domain/architecture-operation.ts'
import type { OpenOperations, OperationKind } from '../domain/architecture-operation.ts'
import { EVENT_TARGETS } from '../domain/delivery.ts'
import type { DeliveryCounts, EventTarget } from '../domain/delivery.ts'

/** `failed`: it is tried again. `dead`: it was given up. */
const DELIVERY_RESULTS = ['delivered', 'failed', 'dead'] as const
const OPERATION_RESULTS = ['succeeded', 'failed'] as const

/** What is told of networks, environments and events; `prefix` begins every name. */
export function architectureMetrics(registry: Registry, prefix: string) {
  const registers = [registry]
  const operations = new Histogram({
    name: `${prefix}architecture_operation_duration_seconds`,
    help: 'Time that the platform took to create networks and environments or to replace a list, attempts and pauses included',
    labelNames: ['operation', 'result'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  })
  for (const operation of OPERATION_KINDS) {
    for (const result of OPERATION_RESULTS) operations.zero({ operation, result })
  }
  const openGauge = (name: string, help: string) => {
    const labelNames = ['operation']
    const registered = new Gauge({ name: prefix + name, help, labelNames, registers })
    for (const operation of OPERATION_KINDS) registered.set({ operation }, 0)
    return registered
  }
  const open = openGauge(
    'architecture_operations_open',
    'Operations on networks and environments that have no end yet, those under way included',
  )
  const oldest = openGauge(
    'architecture_operation_oldest_open_seconds',
    'Time since the oldest operation that has no end yet began; 0 without one',
  )
  const attempts = new Counter({
    name: `${prefix}deliveries_total`,
    help: 'Attempts to deliver events, by address and result; dead means given up',
    labelNames: ['target', 'result'],
    registers,
  })
  for (const target of EVENT_TARGETS) {
    for (const result of DELIVERY_RESULTS) attempts.inc({ target, result }, 0)
  }
  const gauge = (name: string, help: string) => {
    const registered = new Gauge({ name: prefix + name, help, labelNames: ['target'], registers })
    for (const target of EVENT_TARGETS) registered.set({ target }, 0)
    return registered
  }
  const pending = gauge('deliveries_pending', 'Events that wait to be delivered, by address')
  const dead = gauge('deliveries_dead', 'Events that were given up and not asked for again')
  return {
    /** Counts one operation by the time from its first request to its last. */
    architectureOperationEnded(
      operation: OperationKind,
      result: (typeof OPERATION_RESULTS)[number],
      seconds: number,
    ): void {
      operations.observe({ operation, result }, seconds)
    },
    openOperationsSeen(seen: OpenOperations): void {
      for (const operation of OPERATION_KINDS) {
        open.set({ operation }, seen[operation].count)
        oldest.set({ operation }, seen[operation].oldestMs / 1_000)
      }
    },
    /** Counts one attempt. */
    delivered(target: EventTarget, result: (typeof DELIVERY_RESULTS)[number]): void {
      attempts.inc({ target, result })
    },
    deliveriesSeen(counts: DeliveryCounts): void {
      for (const target of EVENT_TARGETS) {
        pending.set({ target }, counts[target].pending)
        dead.set({ target }, counts[target].dead)
      }
    },
  }
}
