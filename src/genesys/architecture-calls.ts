import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'

type Answer<Name extends keyof ArchitecturePlatform> = Awaited<
  ReturnType<ArchitecturePlatform[Name]>
>
type Request<Name extends keyof ArchitecturePlatform> = Parameters<ArchitecturePlatform[Name]>[0]
type WithRequest = 'createIpAllowlist' | 'createEnvironment' | 'replaceOrganizationAllowlist'

/** What the thread can be asked for of {@link ArchitecturePlatform}, by the names there. */
export type ArchitectureCalls = {
  readonly [Name in keyof ArchitecturePlatform]: {
    readonly request: Name extends WithRequest ? Request<Name> : null
    readonly answer: Answer<Name>
  }
}

/** One call on its way; `kind` tells what the request is. */
export type ArchitectureCall = {
  [Kind in keyof ArchitectureCalls]: {
    readonly kind: Kind
    readonly request: ArchitectureCalls[Kind]['request']
  }
}[keyof ArchitectureCalls]

const READ_TIMEOUT_MS = 10 * 60_000
const WRITE_TIMEOUT_MS = 20 * 60_000

/** After so long without an answer the thread is stuck; each call ends by itself long before. */
export const ARCHITECTURE_TIMEOUTS_MS: Readonly<Record<keyof ArchitectureCalls, number>> = {
  offers: READ_TIMEOUT_MS,
  listIpAllowlists: READ_TIMEOUT_MS,
  listEnvironments: READ_TIMEOUT_MS,
  readOrganizationAllowlist: READ_TIMEOUT_MS,
  createIpAllowlist: WRITE_TIMEOUT_MS,
  createEnvironment: WRITE_TIMEOUT_MS,
  replaceOrganizationAllowlist: WRITE_TIMEOUT_MS,
}

/** Does in the thread what was asked for from outside. */
export function performArchitecture(
  call: ArchitectureCall,
  architecture: ArchitecturePlatform,
  signal: AbortSignal,
): Promise<unknown> {
  switch (call.kind) {
    case 'createIpAllowlist':
      return architecture.createIpAllowlist(call.request, signal)
    case 'createEnvironment':
      return architecture.createEnvironment(call.request, signal)
    case 'replaceOrganizationAllowlist':
      return architecture.replaceOrganizationAllowlist(call.request, signal)
    default:
      return architecture[call.kind](signal)
  }
}
