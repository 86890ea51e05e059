import type {
  AllowlistDesk,
  AllowlistPreview,
  Requester,
  Warned,
} from '../domain/architecture-desk.ts'
import type {
  ArchitecturePlatform,
  Creation,
  IpAllowlist,
} from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { sameAllowlistContent, validateAllowlist } from '../domain/ip-allowlist.ts'
import type { AllowlistDraft, RequestedAllowlist } from '../domain/ip-allowlist.ts'
import { requireValid } from '../domain/validation.ts'
import { hashPayload } from './architecture-audit.ts'
import { creationDone } from './creation-done.ts'
import type { OperationRunner } from './operation-runner.ts'

export type AllowlistDeskOptions = {
  readonly platform: ArchitecturePlatform
  readonly runner: OperationRunner
}

/** See {@link AllowlistDesk}. */
export function createAllowlistDesk({ platform, runner }: AllowlistDeskOptions): AllowlistDesk {
  const list = (): Promise<readonly IpAllowlist[]> => platform.listIpAllowlists(runner.signal)
  return {
    list,
    validate: validateAllowlist,
    async preview(requested): Promise<Warned<AllowlistPreview>> {
      const validation = validateAllowlist(requested)
      const draft = requireValid(validation)
      const namesake = (await list()).find(({ name }) => name === draft.name)
      if (namesake !== undefined && !sameAllowlistContent(namesake, draft)) {
        const message = `an IP allowlist "${draft.name}" with other content exists: ${namesake.id}`
        throw new Failure('conflict', message, { field: 'name' })
      }
      const { warnings } = validation
      return { outcome: namesake === undefined ? 'created' : 'existing', warnings }
    },
    create: (requested, by) => create(requested, by, { platform, runner }),
  }
}

async function create(
  requested: RequestedAllowlist,
  { actor: requestedBy, requestId }: Requester,
  { platform, runner }: AllowlistDeskOptions,
): Promise<Warned<Creation<IpAllowlist>>> {
  const validation = validateAllowlist(requested)
  const base = { kind: 'ip-allowlist', name: requested.name, requestedBy, requestId } as const
  const requestHash = hashPayload(requested)
  const creation = await runner.run({
    asked: {
      ...base,
      payloadHash: requestHash,
      entryCount: requested.entries.length,
    },
    prepare: async () => ({ ...base, payload: { requestHash, draft: requireValid(validation) } }),
    perform: async ({ payload }, signal) => {
      const { draft } = payload as unknown as { readonly draft: AllowlistDraft }
      return creationDone(await platform.createIpAllowlist(draft, signal))
    },
  })
  return { ...creation, warnings: validation.warnings }
}
