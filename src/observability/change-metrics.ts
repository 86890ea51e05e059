import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { ITEM_STATES, REST_STATES } from '../domain/role-change.ts'
import type { ItemState, RestState } from '../domain/role-change.ts'

const SUNSET_TIMES = ['pending', 'overdue'] as const

/** What is told of role changes and of the trail; `prefix` begins every name. */
export function changeMetrics(registry: Registry, prefix: string) {
  const registers = [registry]
  const batches = new Counter({
    name: `${prefix}role_change_batches_total`,
    help: 'Role-change batches that came to rest, by state; stopped ones can be resumed',
    labelNames: ['state'],
    registers,
  })
  for (const state of REST_STATES) batches.inc({ state }, 0)
  const items = new Counter({
    name: `${prefix}role_change_items_total`,
    help: 'Users of role-change batches that were dealt with, by state',
    labelNames: ['state'],
    registers,
  })
  for (const state of ITEM_STATES) items.inc({ state }, 0)
  const inHand = new Gauge({
    name: `${prefix}role_change_batches_in_hand`,
    help: 'Role-change batches that this process is carrying out',
    registers,
  })
  const sunsets = new Gauge({
    name: `${prefix}sunsets`,
    help: 'Grants to be taken back by themselves (counted up to 1,000): pending in all, and overdue by more than a minute',
    labelNames: ['time'],
    registers,
  })
  for (const time of SUNSET_TIMES) sunsets.set({ time }, 0)
  const appendFailures = new Counter({
    name: `${prefix}audit_append_failures_total`,
    help: 'Entries of rebuilds and drift that the audit trail did not take',
    registers,
  })
  return {
    /** Counts a batch that came to rest. */
    roleChangeBatchEnded(state: RestState): void {
      batches.inc({ state })
    },
    /** Counts a user that was dealt with. */
    roleChangeItemEnded(state: ItemState): void {
      items.inc({ state })
    },
    roleChangesInHand(count: number): void {
      inHand.set(count)
    },
    sunsetsSeen(seen: Readonly<Record<(typeof SUNSET_TIMES)[number], number>>): void {
      for (const time of SUNSET_TIMES) sunsets.set({ time }, seen[time])
    },
    /** Counts entries that were not recorded. */
    auditAppendFailed(count = 1): void {
      appendFailures.inc(count)
    },
  }
}
