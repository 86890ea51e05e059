import { ADMIN_KEY, CHECK_KEY } from '../../end-to-end/support/environment.ts'
import { startUnderTest } from '../../end-to-end/support/service-under-test.ts'
import type { UnderTest } from '../../end-to-end/support/service-under-test.ts'
import type { Env } from './permctl.ts'

export type ServedWorld = UnderTest & {
  /** What permctl needs to reach both planes. */
  readonly permctlEnv: Env
}

/**
 * A service that serves the simulator's small world, and the variables that lead permctl to it. It
 * turns nobody away because the machine let this process wait.
 */
export async function startServedWorld(
  options: Parameters<typeof startUnderTest>[0] = {},
): Promise<ServedWorld> {
  const world = await startUnderTest({
    ...options,
    overrides: { maxEventLoopDelayMs: Infinity, ...options.overrides },
  })
  return Object.assign(world, {
    permctlEnv: {
      PERMCTL_CHECK_URL: world.service.checkUrl,
      PERMCTL_ADMIN_URL: world.service.adminUrl,
      PERMCTL_CHECK_KEY: CHECK_KEY,
      PERMCTL_ADMIN_KEY: ADMIN_KEY,
    },
  })
}
