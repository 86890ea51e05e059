import type { Faults } from './faults.ts'
import type { PlatformSettings } from './operation.ts'
import type { PendingWrites } from './pending-writes.ts'
import type { RateWindow } from './rate-window.ts'
import type { RequestCounts } from './request-counts.ts'
import type { SimulatedClient } from './simulated-client.ts'
import type { Tokens } from './tokens.ts'
import type { World } from './world.ts'

/** What the routes of one simulator share. */
export interface Platform {
  readonly world: World
  readonly writes: PendingWrites
  readonly clients: ReadonlyMap<string, SimulatedClient>
  readonly tokens: Tokens
  readonly requestRate: RateWindow
  readonly tokenRate: RateWindow
  readonly faults: Faults
  readonly requests: RequestCounts
  readonly settings: () => PlatformSettings
  /** Aborted when the simulator closes, so that nothing waits on. */
  readonly closing: AbortSignal
}
