import type { ArchitectureOperation, OperationEnd } from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { sameAllowlistContent } from '../domain/ip-allowlist.ts'
import type { AllowlistContent } from '../domain/ip-allowlist.ts'
import { sameOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { hashedList } from './architecture-audit.ts'
import type { ToldEnd } from './architecture-audit.ts'

/** How far the platform's clock may be behind ours. */
const CLOCK_SKEW_MS = 60_000

/** An end, as it is recorded and as the trail tells it. */
type SettledEnd = { readonly end: OperationEnd; readonly told: ToldEnd }

export type Settled = SettledEnd & {
  /** False when looking later may show something else: the platform may be behind. */
  readonly certain: boolean
  /** The end when another operation that succeeded has the same result. */
  readonly claimed?: SettledEnd
}

type Looking = {
  readonly operation: ArchitectureOperation
  readonly platform: ArchitecturePlatform
  readonly signal: AbortSignal
}

/**
 * Finds out what became of an operation whose process ended before it could say, or could not say,
 * by looking at the platform. Throws when that cannot be looked at, also where the organisation does
 * not offer such a thing just now.
 */
export async function settleOperation(looking: Looking): Promise<Settled> {
  switch (looking.operation.kind) {
    case 'ip-allowlist':
      return await settleAllowlist(looking)
    case 'environment':
      return await settleEnvironment(looking)
    case 'organization-allowlist':
      return await settleReplacement(looking)
  }
}

async function settleAllowlist({ operation, platform, signal }: Looking): Promise<Settled> {
  const { draft } = operation.payload as unknown as { readonly draft: AllowlistContent }
  const all = await platform.listIpAllowlists(signal)
  const found = all.find(({ name }) => name === operation.name)
  return found !== undefined && sameAllowlistContent(found, draft)
    ? foundSettled(operation, found)
    : notYet(interrupted())
}

async function settleEnvironment({ operation, platform, signal }: Looking): Promise<Settled> {
  const all = await platform.listEnvironments(signal)
  const found = all.find(({ name }) => name === operation.name)
  return found === undefined ? notYet(interrupted()) : foundSettled(operation, found)
}

async function settleReplacement({ operation, platform, signal }: Looking): Promise<Settled> {
  const { before, after, behind } = operation.payload as unknown as {
    readonly before: readonly string[]
    readonly after: readonly string[]
    readonly behind?: boolean
  }
  const current = await platform.readOrganizationAllowlist(signal)
  if (!sameOrganizationAllowlist(current, after)) {
    return sameOrganizationAllowlist(current, before)
      ? notYet(interrupted())
      : notYet(interrupted('the list is neither the old nor the new one: somebody else changed it'))
  }
  const outcome = sameOrganizationAllowlist(before, after) ? 'unchanged' : 'succeeded'
  const { id: resultId } = operation
  const lists = { before: hashedList(before), after: hashedList(after) }
  const details = { recovered: true }
  return {
    end: { state: outcome, resultId, visible: behind !== true },
    told: { outcome, resultId, latencyMs: null, ...lists, details },
    // The same list may be an old one, from before our own last changes.
    certain: behind !== true,
  }
}

type Found = { readonly id: string; readonly name: string; readonly createdDate: string }

/** Something of that name which is older than the operation is not what the operation made. */
function foundSettled({ kind, startedAt }: ArchitectureOperation, found: Found): Settled {
  const { id, createdDate } = found
  const createdAt = Date.parse(createdDate)
  const made = foundEnd('succeeded', found)
  // How long the platform took: its own word is all that is left of it.
  const latencyMs = Number.isNaN(createdAt) ? null : Math.max(0, createdAt - startedAt)
  const othersEnd = (whose: string): SettledEnd =>
    kind === 'environment'
      ? interrupted(`an environment of that name ${whose}: ${id}`)
      : foundEnd('unchanged', found)
  if (createdAt < startedAt - CLOCK_SKEW_MS) {
    return { ...othersEnd('existed before'), certain: true }
  }
  const claimed = othersEnd('was created by another operation')
  return { ...made, told: { ...made.told, latencyMs }, certain: true, claimed }
}

function foundEnd(outcome: 'succeeded' | 'unchanged', { id: resultId, name }: Found): SettledEnd {
  const told = { outcome, resultId, latencyMs: null, details: { recovered: true } } as const
  return { end: { state: outcome, resultId }, told: { ...told, after: { id: resultId, name } } }
}

/** The end of what the platform did not let us look for in all the time that there was. */
export function untold(): Settled {
  const why = 'its outcome could not be told: the platform may have it'
  return { ...interrupted(why), certain: true }
}

function interrupted(why = 'nothing of it is on the platform'): SettledEnd {
  const reason = `its answer was lost, or the service ended before it was done; ${why}`
  return {
    end: { state: 'interrupted', resultId: null },
    told: { outcome: 'failed', resultId: null, latencyMs: null, details: { reason } },
  }
}

function notYet(settled: SettledEnd): Settled {
  return { ...settled, certain: false }
}
