import { roleNamesOf } from '../domain/role-names.ts'
import { createAllowlistDesk } from '../worker/allowlist-desk.ts'
import { OfferedParts } from '../worker/architecture-offers.ts'
import { createEnvironmentDesk } from '../worker/environment-desk.ts'
import { OperationRunner } from '../worker/operation-runner.ts'
import type { OperationRunnerOptions } from '../worker/operation-runner.ts'
import { OperationSettler } from '../worker/operation-settler.ts'
import { createOrganizationDesk } from '../worker/organization-desk.ts'
import type { Parts } from './parts.ts'

export type ArchitectureOverrides = Pick<OperationRunnerOptions, 'leaseMs' | 'onAnswered'>

/** What keeps networks and environments in order. */
export function createArchitecture(
  parts: Parts & { readonly overrides: ArchitectureOverrides | undefined },
  stack: AsyncDisposableStack,
) {
  const { config, logger, metrics, publisher, upstream, overrides = {} } = parts
  const { operations: store, audit: trail } = parts.store
  const platform = upstream.architecture
  const { leaseMs } = overrides
  const lease = leaseMs === undefined ? {} : { leaseMs }
  const offered = stack.use(new OfferedParts({ platform, logger }))
  const settler = stack.use(new OperationSettler({ store, platform, metrics, logger, ...lease }))
  const runner = stack.use(new OperationRunner({ store, trail, metrics, logger, ...overrides }))
  const { maxEnvironments } = config
  const roleNames = () => publisher.held && roleNamesOf(publisher.held)
  return {
    offered,
    allowlists: createAllowlistDesk({ platform, runner }),
    organizationAllowlist: createOrganizationDesk({ platform, runner, store }),
    environments: createEnvironmentDesk({ platform, runner, store, maxEnvironments, roleNames }),
    begin(): void {
      runner.begin()
      settler.begin()
      // Whoever asks first need not wait.
      void offered.current()
    },
    async stop(): Promise<void> {
      await settler[Symbol.asyncDispose]()
      await runner[Symbol.asyncDispose]()
    },
  }
}

export type Architecture = ReturnType<typeof createArchitecture>
