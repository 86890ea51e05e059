import { DEFAULT_CLIENT } from '../../../simulator/simulated-client.ts'
import { startSimulator } from '../../../simulator/server.ts'
import type { Simulator, SimulatorOptions } from '../../../simulator/server.ts'
import { smallWorld } from '../../../simulator/small-world.ts'
import type { Env } from './permctl.ts'

export type SimulatedPlatform = AsyncDisposable & {
  readonly simulator: Simulator
  /** What permctl needs to reach it. */
  readonly env: Env
}

/** A platform of its own for permctl, with the small world. */
export async function startPlatform(
  options: Partial<SimulatorOptions> = {},
): Promise<SimulatedPlatform> {
  const simulator = await startSimulator({
    world: smallWorld(),
    requestsPerMinute: 0,
    tokenRequestsPerMinute: 0,
    ...options,
  })
  return {
    simulator,
    env: {
      GENESYS_BASE_URL: simulator.url,
      GENESYS_CLIENT_ID: DEFAULT_CLIENT.id,
      GENESYS_CLIENT_SECRET: DEFAULT_CLIENT.secret,
      GENESYS_REQUESTS_PER_MINUTE: '100000',
    },
    [Symbol.asyncDispose]: () => simulator.close(),
  }
}

/** A client that may do only this. */
export function clientWith(...permissions: readonly string[]) {
  return { clients: [{ ...DEFAULT_CLIENT, permissions }] }
}
