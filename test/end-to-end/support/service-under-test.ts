import { startSimulator } from '../../../simulator/server.ts'
import type { Simulator, SimulatorOptions } from '../../../simulator/server.ts'
import { smallWorld } from '../../../simulator/small-world.ts'
import { readConfig } from '../../../src/config.ts'
import { createService } from '../../../src/service.ts'
import type { Overrides, Service } from '../../../src/service.ts'
import { recordingLogger } from '../../support/recording-logger.ts'
import type { LogLine } from '../../support/recording-logger.ts'
import { Caller } from './caller.ts'
import { environment, temporaryFolder } from './environment.ts'

/** All that anybody outside could have seen of the services of this process. */
export const seen: { readonly lines: LogLine[]; readonly texts: string[] } = {
  lines: [],
  texts: [],
}

export type RunningService = AsyncDisposable & {
  readonly service: Service
  readonly caller: Caller
  readonly lines: readonly LogLine[]
}

/** A service that is created but not started. */
export async function openService(
  env: Record<string, string>,
  overrides: Overrides = {},
): Promise<RunningService> {
  const { logger, lines } = recordingLogger()
  const service = await createService(readConfig(env), { logger, drainMs: 0, ...overrides })
  const caller = new Caller(service, (text) => void seen.texts.push(text))
  return {
    service,
    caller,
    lines,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]()
      seen.lines.push(...lines)
    },
  }
}

export function startPlatform(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const unlimited = { requestsPerMinute: 0, tokenRequestsPerMinute: 0 }
  return startSimulator({ world: smallWorld(), ...unlimited, ...options })
}

export type UnderTest = RunningService & {
  readonly simulator: Simulator
  readonly env: Record<string, string>
}

/** A service that serves the simulator's organisation, both in this process. */
export async function startUnderTest(
  options: {
    readonly simulator?: Partial<SimulatorOptions>
    readonly env?: Record<string, string>
    readonly overrides?: Overrides
    /** False for an organisation that cannot be read. */
    readonly ready?: boolean
    readonly prepare?: (simulator: Simulator) => void
  } = {},
): Promise<UnderTest> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const simulator = await startPlatform(options.simulator)
  stack.defer(() => simulator.close())
  options.prepare?.(simulator)
  const env = { ...environment(simulator.url, folder.path), ...options.env }
  const running = stack.use(await openService(env, options.overrides))
  await running.service.start()
  if (options.ready !== false) {
    await running.caller.untilReady().catch((cause: unknown) => {
      const told = running.lines.map((line) => JSON.stringify(line)).join('\n')
      throw new Error(`the service did not become ready:\n${told}`, { cause })
    })
  }
  const disposables = stack.move()
  return {
    ...running,
    simulator,
    env,
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  }
}
