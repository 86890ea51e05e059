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
  readonly store: Pick<OperationStore, 'undoable' | 'organizationChangesSince' | 'markVisible'>
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
      const { list: before } = await listInForce(await changesOfLate(options), options)
      guardOrganizationAllowlist(before, draft)
      const difference = compareOrganizationAllowlists(before, draft.networks)
      return { before, ...difference, warnings: validation.warnings }
    },
    replace: (requested, by) => replace(requested, by, options),
    undo: ({ callerAddress }, by) => undo(callerAddress, by, options),
  }
}

type Changes = readonly OrganizationChange[]

/** Our own changes of late, newest first. */
function changesOfLate({ runner, store }: OrganizationDeskOptions): Promise<Changes> {
  return store.organizationChangesSince(runner.now() - PLATFORM_LAG_MS)
}

type InForce = {
  readonly list: readonly string[]
  /** What a platform that is behind our own changes may show in its place; none when it is not. */
  readonly lag: readonly (readonly string[])[]
}

/**
 * What the platform shows, unless it is behind our own changes: then what the newest one left. An
 * older list is behind only while the platform has not shown the newer one: after that somebody else
 * has put it back.
 */
async function listInForce(
  late: Changes,
  { platform, runner, store }: OrganizationDeskOptions,
): Promise<InForce> {
  const shown = await platform.readOrganizationAllowlist(runner.signal)
  const [newest] = late
  if (newest === undefined || newest.visible) return { list: shown, lag: [] }
  const older = listsBefore(late)
  if (hasList(older, shown)) return { list: newest.after, lag: [...older, newest.after] }
  if (sameOrganizationAllowlist(newest.after, shown)) await store.markVisible(newest.id)
  return { list: shown, lag: [] }
}

/** What was in force before the newest change and since the platform last showed one of ours. */
function listsBefore(late: Changes): readonly (readonly string[])[] {
  const shown = late.findIndex(({ visible }) => visible)
  const unseen = shown < 0 ? late : late.slice(0, shown)
  return unseen.flatMap(({ before, after }, index) => (index === 0 ? [before] : [before, after]))
}

function hasList(lists: readonly (readonly string[])[], list: readonly string[]): boolean {
  return lists.some((one) => sameOrganizationAllowlist(one, list))
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
  let lag: InForce['lag'] = []
  const result = await options.runner.run({
    asked: { ...base, payloadHash: requestHash, entryCount: requested.entries.length },
    async prepare() {
      const draft = requireValid(validation)
      late = await changesOfLate(options)
      const inForce = await listInForce(late, options)
      const { list: before } = inForce
      lag = inForce.lag
      guardOrganizationAllowlist(before, draft)
      const payload = { requestHash, before, after: draft.networks, behind: lag.length > 0 }
      return { ...base, payload }
    },
    beforeSending: () => requireLast(late, options),
    async perform(operation, signal) {
      return await perform(operation, lag, { signal, ...options })
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
  let lag: InForce['lag'] = []
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
      const inForce = await listInForce(late, options)
      if (!sameOrganizationAllowlist(inForce.list, expected)) {
        throw new Failure(
          'conflict',
          'the list is not what its newest change left: somebody changed it',
        )
      }
      lag = inForce.lag
      // An empty list is no mistake here: it is what was there.
      if (networks.length > 0) guardOrganizationAllowlist(expected, { networks, callerAddress })
      const behind = lag.length > 0
      const payload = { requestHash, before: expected, after: networks, behind }
      return { ...base, undoes, payload }
    },
    beforeSending: () => requireLast(late, options),
    async perform(operation, signal) {
      return await perform(operation, lag, { signal, ...options })
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
    // An old list that is the same as the new one says nothing of it.
    visible: visible && !hasList(stale, networks),
    told: {
      resultId: changeId,
      latencyMs,
      before: hashedList(before),
      after: hashedList(networks),
      details: { attempts, visible, ...(overtaken && { overtaken }) },
    },
  }
}
