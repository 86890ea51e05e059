import { openArchitecture } from '../../src/genesys/architecture.ts'
import type { PlatformOptions } from '../../src/genesys/platform-client.ts'
import type { ArchitecturePlatform } from '../../src/domain/architecture-platform.ts'
import type { EnvironmentDraft } from '../../src/domain/environment.ts'
import { Failure } from '../../src/domain/failure.ts'
import type { AllowlistDraft } from '../../src/domain/ip-allowlist.ts'
import type { SimulatorOptions } from '../../simulator/server.ts'
import { skippingClock } from './clocks.ts'
import { openUnderTest } from './platform-under-test.ts'
import type { UnderTest } from './platform-under-test.ts'

export const ALLOWLISTS = '/api/v2/architecture/ipallowlists'
export const ENVIRONMENTS = '/api/v2/architecture/environments'
export const SETTINGS = '/api/v2/organizations/authentication/settings'

export const OFFICE: AllowlistDraft = {
  name: 'Office',
  description: 'HQ',
  entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
}

export function environment(name: string): EnvironmentDraft {
  return {
    name,
    description: '',
    configSource: { type: 'matrix', sources: ['current'] },
    accessControl: [{ role: 'Agent', permission: 'full' }],
  }
}

export const { signal } = new AbortController()

export type ArchitectureUnderTest = UnderTest & {
  readonly architecture: ArchitecturePlatform
  /** Times that were waited for and that are among these. */
  waited(...amongMs: readonly number[]): readonly number[]
}

/** @param speed how much faster than in truth a bound passes */
export async function openArchitectureUnderTest(
  settings: Partial<SimulatorOptions> = {},
  more: Partial<PlatformOptions> = {},
  speed = 1,
): Promise<ArchitectureUnderTest> {
  const clock = skippingClock(speed)
  const context = await openUnderTest(settings, { requestTimeoutMs: 100_000, ...more }, clock)
  return {
    ...context,
    architecture: openArchitecture(context.platform),
    waited: (...amongMs) => clock.waits.filter((ms) => amongMs.includes(ms)),
  }
}

/** The failure that something ends in. */
export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error: unknown = await work.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Failure)) throw error
  return error
}
