import type { Config } from '../config.ts'
import type { Upstream } from '../genesys/upstream.ts'
import type { Logger } from '../observability/logger.ts'
import type { Store } from '../store/store.ts'
import type { Held } from './held-matrices.ts'

/** What everything in the service is made of. */
export type Parts = Held & {
  readonly config: Config
  readonly logger: Logger
  readonly now: () => number
  readonly upstream: Upstream
  readonly store: Store
}
