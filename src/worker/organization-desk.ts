import type {
  OrganizationAllowlistDesk,
  OrganizationResult,
  Requester,
  Warned,
} from '../domain/architecture-desk.ts'
import type { NewOperation, OperationStore } from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import {
  compareOrganizationAllowlists,
  guardOrganizationAllowlist,
  requireCallerAddress,
  validateOrganizationAllowlist,
} from '../domain/organization-allowlist.ts'
import type { RequestedOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { requireValid } from '../domain/validation.ts'
import { hashedList, hashPayload } from './architecture-audit.ts'
import type { Done, OperationRunner } from './operation-runner.ts'

const KIND = 'organization-allowlist'

export type OrganizationDeskOptions = {
  readonly platform: ArchitecturePlatform
  readonly runner: OperationRunner
  readonly store: Pick<OperationStore, 'undoable'>
}

/** See {@link OrganizationAllowlistDesk}. One replacement is under way at a time, on all instances. */
export function createOrganizationDesk(
  options: OrganizationDeskOptions,
): OrganizationAllowlistDesk {
  const { platform, runner, store } = options
  return {
    async read() {
      const networks = await platform.readOrganizationAllowlist(runner.signal)
      return { networks, undoable: await store.undoable() }
    },
    validate: validateOrganizationAllowlist,
    async preview(requested) {
      const validation = validateOrganizationAllowlist(requested)
      const draft = requireValid(validation)
      const before = await platform.readOrganizationAllowlist(runner.signal)
      guardOrganizationAllowlist(before, draft)
      const difference = compareOrganizationAllowlists(before, draft.networks)
      return { before, ...difference, warnings: validation.warnings }
    },
    replace: (requested, by) => replace(requested, by, options),
    undo: ({ callerAddress }, by) => undo(callerAddress, by, options),
  }
}

async function replace(
  requested: RequestedOrganizationAllowlist,
  { actor: requestedBy, requestId }: Requester,
  { platform, runner }: OrganizationDeskOptions,
): Promise<Warned<OrganizationResult>> {
  const validation = validateOrganizationAllowlist(requested)
  const base = { kind: KIND, name: '', requestedBy, requestId } as const
  const result = await runner.run({
    asked: {
      ...base,
      payloadHash: hashPayload(requested),
      entryCount: requested.entries.length,
    },
    async prepare() {
      const draft = requireValid(validation)
      const before = await platform.readOrganizationAllowlist(runner.signal)
      guardOrganizationAllowlist(before, draft)
      return { ...base, payload: { before, after: draft.networks } }
    },
    perform: (operation, signal) => perform(operation, platform, signal),
  })
  return { ...result, warnings: validation.warnings }
}

async function undo(
  callerAddress: string | undefined,
  { actor: requestedBy, requestId }: Requester,
  { platform, runner, store }: OrganizationDeskOptions,
): Promise<OrganizationResult> {
  const base = { kind: KIND, name: '', requestedBy, requestId } as const
  return await runner.run({
    asked: {
      ...base,
      undoes: '',
      payloadHash: hashPayload({ callerAddress: callerAddress ?? null }),
      entryCount: null,
    },
    async prepare(): Promise<NewOperation> {
      requireCallerAddress(callerAddress)
      const change = await store.undoable()
      if (change === undefined) {
        throw new Failure('conflict', 'there is no change of the list that could be taken back')
      }
      const { id: undoes, before: networks, after: expected } = change
      // An empty list is no mistake here: it is what was there.
      if (networks.length > 0) guardOrganizationAllowlist(expected, { networks, callerAddress })
      return { ...base, undoes, payload: { before: expected, after: networks } }
    },
    perform: (operation, signal) => perform(operation, platform, signal),
  })
}

async function perform(
  { id: changeId, payload }: NewOperation & { readonly id: string },
  platform: ArchitecturePlatform,
  signal: AbortSignal,
): Promise<Done<OrganizationResult>> {
  const { before: expected, after: networks } = payload as {
    readonly before: readonly string[]
    readonly after: readonly string[]
  }
  const request = { expected, networks }
  const result = await platform.replaceOrganizationAllowlist(request, signal)
  const { before, attempts, visible, latencyMs } = result
  return {
    value: { ...result, ...compareOrganizationAllowlists(before, networks), changeId },
    state: attempts === 0 ? 'unchanged' : 'succeeded',
    told: {
      resultId: changeId,
      latencyMs,
      before: hashedList(before),
      after: hashedList(networks),
      details: { attempts, visible },
    },
  }
}
