import diagnostics from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import type { CallPolicy } from '../../src/genesys/call-policy.ts'
import type { Clock } from '../../src/genesys/clock.ts'
import { openPlatform } from '../../src/genesys/platform-client.ts'
import type { Platform, PlatformOptions } from '../../src/genesys/platform-client.ts'
import type { UpstreamEvent } from '../../src/genesys/upstream-event.ts'
import { startSimulator } from '../../simulator/server.ts'
import type { Simulator, SimulatorOptions } from '../../simulator/server.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { smallWorld } from '../../simulator/small-world.ts'
import { hurried, hurriedClock } from './clocks.ts'

export type UnderTest = AsyncDisposable & {
  readonly simulator: Simulator
  readonly platform: Platform
  readonly events: UpstreamEvent[]
}

/** What the platform needs to know to reach a simulator. */
export function optionsFor(url: string, more: Partial<PlatformOptions> = {}): PlatformOptions {
  return {
    clientId: DEFAULT_CLIENT.id,
    clientSecret: DEFAULT_CLIENT.secret,
    region: 'us-east-1',
    baseUrl: url,
    requestsPerMinute: 1_000_000,
    requestTimeoutMs: hurried(10_000),
    ...more,
  }
}

/** The reader in this process, without its thread, against a simulator of its own. */
export async function openUnderTest(
  settings: Partial<SimulatorOptions> = {},
  more: Partial<PlatformOptions> = {},
  clock: Clock = hurriedClock,
): Promise<UnderTest> {
  const simulator = await startSimulator({
    world: smallWorld(),
    requestsPerMinute: 0,
    tokenRequestsPerMinute: 0,
    ...settings,
  })
  const events: UpstreamEvent[] = []
  const onEvent = (event: UpstreamEvent): void => void events.push(event)
  const platform = openPlatform(optionsFor(simulator.url, more), onEvent, clock)
  return {
    simulator,
    platform,
    events,
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

/** A policy that gives up late by the hurried clock. */
export function policyOf(more: Partial<CallPolicy> = {}): CallPolicy {
  return {
    priority: 'single-user',
    signal: new AbortController().signal,
    attempts: 4,
    timeoutMs: hurried(20_000),
    ...more,
  }
}

type Created = { readonly request: { readonly headers: unknown } }

/** Every `Authorization` value that undici sends from now on, in this process. */
export function watchAuthorization(): { readonly sent: Set<string>; stop(): void } {
  const sent = new Set<string>()
  const channel = diagnostics.channel('undici:request:create')
  const watch = (message: unknown): void => {
    const headers = JSON.stringify((message as Created).request.headers)
    const found = /(?:Bearer|Basic) ([A-Za-z0-9._~+/=-]+)/g
    for (const [, value] of headers.matchAll(found)) if (value !== undefined) sent.add(value)
  }
  channel.subscribe(watch)
  return { sent, stop: () => channel.unsubscribe(watch) }
}

/** All that an error could tell anybody: hidden properties, causes and stacks included. */
export function allTextOf(error: unknown): string {
  const shown = inspect(error, { depth: 20, showHidden: true, maxStringLength: null })
  const own = typeof error === 'object' && error !== null ? Object.entries(error) : []
  return `${shown} ${JSON.stringify(own)} ${error instanceof Error ? error.stack : ''}`
}
