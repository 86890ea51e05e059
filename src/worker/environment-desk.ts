import type {
  CountedEnvironment,
  EnvironmentDesk,
  EnvironmentPreview,
  Requester,
  Warned,
} from '../domain/architecture-desk.ts'
import type { CreatedEnvironment, OperationStore } from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform, Environment } from '../domain/architecture-platform.ts'
import { validateEnvironment } from '../domain/environment.ts'
import type { EnvironmentDraft, RequestedEnvironment } from '../domain/environment.ts'
import { Failure } from '../domain/failure.ts'
import { requireValid } from '../domain/validation.ts'
import { hashPayload } from './architecture-audit.ts'
import { creationDone } from './creation-done.ts'
import type { OperationRunner } from './operation-runner.ts'

/** What was created so lately need not be listed yet. */
const LISTED_AFTER_MS = 2 * 60_000

export type EnvironmentDeskOptions = {
  readonly platform: ArchitecturePlatform
  readonly runner: OperationRunner
  readonly store: Pick<OperationStore, 'environmentsSince'>
  readonly maxEnvironments: number
  /** Names of the organisation's roles; undefined while there is no matrix. */
  readonly roleNames: () => ReadonlySet<string> | undefined
}

/**
 * See {@link EnvironmentDesk}. The limit holds for all instances together: one creation is under way
 * at a time, and each counts what was created before it, listed or not.
 */
export function createEnvironmentDesk(options: EnvironmentDeskOptions): EnvironmentDesk {
  const { platform, runner, maxEnvironments } = options
  const list = (): Promise<readonly Environment[]> => platform.listEnvironments(runner.signal)
  const validate = (requested: RequestedEnvironment) =>
    validateEnvironment(requested, options.roleNames())
  return {
    list,
    validate,
    async preview(requested): Promise<Warned<EnvironmentPreview>> {
      const validation = validate(requested)
      const { name } = requireValid(validation)
      const all = await list()
      const namesake = all.find((environment) => environment.name === name)
      if (namesake !== undefined) {
        const message = `an environment "${name}" exists: ${namesake.id}`
        throw new Failure('conflict', message, { field: 'name' })
      }
      const count = all.length
      if (count >= maxEnvironments) {
        const message = `${count} environments exist, and MAX_ENVIRONMENTS allows ${maxEnvironments}`
        throw new Failure('conflict', message)
      }
      return { count, maxEnvironments, warnings: validation.warnings }
    },
    create: (requested, by) => create(requested, by, options),
  }
}

async function create(
  requested: RequestedEnvironment,
  { actor: requestedBy, requestId }: Requester,
  { platform, runner, store, maxEnvironments, roleNames }: EnvironmentDeskOptions,
): Promise<Warned<CountedEnvironment>> {
  const validation = validateEnvironment(requested, roleNames())
  const base = { kind: 'environment', name: requested.name, requestedBy, requestId } as const
  const requestHash = hashPayload(requested)
  let recent: readonly CreatedEnvironment[] = []
  const creation = await runner.run({
    asked: { ...base, payloadHash: requestHash, entryCount: null },
    prepare: async () => ({ ...base, payload: { requestHash, draft: requireValid(validation) } }),
    beforeSending: async () => {
      recent = await store.environmentsSince(runner.now() - LISTED_AFTER_MS)
    },
    perform: async ({ payload }, signal) => {
      const { draft } = payload as unknown as { readonly draft: EnvironmentDraft }
      const created = await platform.createEnvironment({ draft, maxEnvironments, recent }, signal)
      const done = creationDone(created)
      const before = { environments: created.countBefore }
      return { ...done, told: { ...done.told, before } }
    },
  })
  return { ...creation, maxEnvironments, warnings: validation.warnings }
}
