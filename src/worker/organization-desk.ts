import type {
  OrganizationAllowlistDesk,
  OrganizationResult,
  Requester,
  Warned,
} from '../domain/architecture-desk.ts'
import type {
  ArchitectureOperation,
  NewOperation,
  OperationStore,
  OrganizationChange,
} from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import {
  compareOrganizationAllowlists,
  guardOrganizationAllowlist,
  requireCallerAddress,
  sameOrganizationAllowlist,
  validateOrganizationAllowlist,
} from '../domain/organization-allowlist.ts'
import type { RequestedOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { requireValid } from '../domain/validation.ts'
import { hashedList, hashPayload } from './architecture-audit.ts'
import type { Done, OperationRunner } from './operation-runner.ts'

const KIND = 'organization-allowlist'

const OVERTAKEN = {
  field: 'entries',
  message:
    'was taken, but what the platform shows now is neither the old list nor this one: somebody else changes it too',
}

/** For so long after a write of ours the platform may still show the list from before it. */
const PLATFORM_LAG_MS = 5 * 60_000

export type OrganizationDeskOptions = {
  readonly platform: ArchitecturePlatform
  readonly runner: OperationRunner
  readonly store: Pick<OperationStore, 'undoable' | 'organizationChangesSince'>
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
      const before = await listInForce(await changesOfLate(options), options)
      guardOrganizationAllowlist(before, draft)
      const difference = compareOrganizationAllowlists(before, draft.networks)
      return { before, ...difference, warnings: validation.warnings }
    },
    replace: (requested, by) => replace(requested, by, options),
    undo: ({ callerAddress }, by) => undo(callerAddress, by, options),
  }
}

type Changes = readonly OrganizationChange[]

/** Our own changes that the platform need not show yet, newest first. */
function changesOfLate({ runner, store }: OrganizationDeskOptions): Promise<Changes> {
  return store.organizationChangesSince(runner.now() - PLATFORM_LAG_MS)
}

/** What the platform shows, unless it is behind our own changes: then what the newest one left. */
async function listInForce(
  late: Changes,
  { platform, runner }: OrganizationDeskOptions,
): Promise<readonly string[]> {
  const shown = await platform.readOrganizationAllowlist(runner.signal)
  const [newest] = late
  const isOurs = listsOf(late).some((list) => sameOrganizationAllowlist(list, shown))
  return newest !== undefined && isOurs ? newest.after : shown
}

function listsOf(changes: Changes): readonly (readonly string[])[] {
  return changes.flatMap(({ before, after }) => [before, after])
}

async function replace(
  requested: RequestedOrganizationAllowlist,
  { actor: requestedBy, requestId }: Requester,
  options: OrganizationDeskOptions,
): Promise<Warned<OrganizationResult>> {
  const validation = validateOrganizationAllowlist(requested)
  const requestHash = hashPayload(requested)
  const base = { kind: KIND, name: '', requestedBy, requestId } as const
  let late: Changes = []
  const result = await options.runner.run({
    asked: { ...base, payloadHash: requestHash, entryCount: requested.entries.length },
    async prepare() {
      const draft = requireValid(validation)
      late = await changesOfLate(options)
      const before = await listInForce(late, options)
      guardOrganizationAllowlist(before, draft)
      const payload = { requestHash, before, after: draft.networks, behind: late.length > 0 }
      return { ...base, payload }
    },
    beforeSending: () => requireLast(late, options),
    async perform(operation, signal) {
      return await perform(operation, listsOf(late), { signal, ...options })
    },
  })
  return { ...result, warnings: [...validation.warnings, ...result.warnings] }
}

async function undo(
  callerAddress: string | undefined,
  { actor: requestedBy, requestId }: Requester,
  options: OrganizationDeskOptions,
): Promise<Warned<OrganizationResult>> {
  const requestHash = hashPayload({ callerAddress })
  const base = { kind: KIND, name: '', requestedBy, requestId } as const
  let late: Changes = []
  return await options.runner.run({
    asked: { ...base, undoes: '', payloadHash: requestHash, entryCount: null },
    async prepare(): Promise<NewOperation> {
      requireCallerAddress(callerAddress)
      late = await changesOfLate(options)
      const change = await options.store.undoable()
      if (change === undefined) {
        throw new Failure('conflict', 'there is no change of the list that could be taken back')
      }
      const { id: undoes, before: networks, after: expected } = change
      // An empty list is no mistake here: it is what was there.
      if (networks.length > 0) guardOrganizationAllowlist(expected, { networks, callerAddress })
      const behind = late.length > 0
      const payload = { requestHash, before: expected, after: networks, behind }
      return { ...base, undoes, payload }
    },
    beforeSending: () => requireLast(late, options),
    async perform(operation, signal) {
      // That the old list seems to be there already does not mean that it is in force.
      const stale = [...listsOf(late), operation.payload['after'] as readonly string[]]
      return await perform(operation, stale, { signal, ...options })
    },
  })
}

/** Throws `conflict` when another change came between: what is to be done was said without it. */
async function requireLast([known]: Changes, options: OrganizationDeskOptions): Promise<void> {
  const [newest] = await changesOfLate(options)
  if (newest === undefined || newest.id === known?.id) return
  throw new Failure('conflict', 'the list was changed by another request meanwhile')
}

async function perform(
  { id: changeId, payload }: ArchitectureOperation,
  stale: readonly (readonly string[])[],
  { platform, signal }: OrganizationDeskOptions & { readonly signal: AbortSignal },
): Promise<Done<Warned<OrganizationResult>>> {
  const { before, after: networks } = payload as {
    readonly before: readonly string[]
    readonly after: readonly string[]
  }
  const request = { expected: before, networks, stale }
  const { overtaken, ...result } = await platform.replaceOrganizationAllowlist(request, signal)
  const difference = compareOrganizationAllowlists(before, networks)
  const { attempts, visible, latencyMs } = result
  const unchanged = attempts === 0 || sameOrganizationAllowlist(before, networks)
  return {
    value: { ...result, before, ...difference, changeId, warnings: overtaken ? [OVERTAKEN] : [] },
    state: unchanged ? 'unchanged' : 'succeeded',
    told: {
      resultId: changeId,
      latencyMs,
      before: hashedList(before),
      after: hashedList(networks),
      details: { attempts, visible, ...(overtaken && { overtaken }) },
    },
  }
}
