import type { ArchitectureOperation, OperationEnd } from '../domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { sameAllowlistContent } from '../domain/ip-allowlist.ts'
import type { AllowlistContent } from '../domain/ip-allowlist.ts'
import { sameOrganizationAllowlist } from '../domain/organization-allowlist.ts'
import { hashedList } from './architecture-audit.ts'
import type { ToldEnd } from './architecture-audit.ts'

/** How far the platform's clock may be behind ours. */
const CLOCK_SKEW_MS = 60_000

export type Settled = { readonly end: OperationEnd; readonly told: ToldEnd }

type Looking = {
  readonly operation: ArchitectureOperation
  readonly platform: ArchitecturePlatform
  readonly signal: AbortSignal
}

/**
 * Finds out what became of an operation whose process ended before it could say, by looking at the
 * platform. Throws when that cannot be looked at.
 */
export async function settleOperation(looking: Looking): Promise<Settled> {
  try {
    switch (looking.operation.kind) {
      case 'ip-allowlist':
        return await settleAllowlist(looking)
      case 'environment':
        return await settleEnvironment(looking)
      case 'organization-allowlist':
        return await settleReplacement(looking)
    }
  } catch (error) {
    // What the organisation does not have holds nothing of ours.
    if (error instanceof Failure && error.code === 'not-offered') return interrupted(error.message)
    throw error
  }
}

async function settleAllowlist({ operation, platform, signal }: Looking): Promise<Settled> {
  const wanted = operation.payload as unknown as AllowlistContent
  const all = await platform.listIpAllowlists(signal)
  const found = all.find(({ name }) => name === operation.name)
  return found !== undefined && sameAllowlistContent(found, wanted)
    ? foundSettled(operation, found)
    : interrupted()
}

async function settleEnvironment({ operation, platform, signal }: Looking): Promise<Settled> {
  const all = await platform.listEnvironments(signal)
  const found = all.find(({ name }) => name === operation.name)
  return found === undefined ? interrupted() : foundSettled(operation, found)
}

async function settleReplacement({ operation, platform, signal }: Looking): Promise<Settled> {
  const { before, after } = operation.payload as unknown as {
    readonly before: readonly string[]
    readonly after: readonly string[]
  }
  const current = await platform.readOrganizationAllowlist(signal)
  if (!sameOrganizationAllowlist(current, after)) {
    return sameOrganizationAllowlist(current, before)
      ? interrupted()
      : interrupted('the list is neither the old nor the new one: somebody else changed it')
  }
  const outcome = sameOrganizationAllowlist(before, after) ? 'unchanged' : 'succeeded'
  const { id: resultId } = operation
  const lists = { before: hashedList(before), after: hashedList(after) }
  const details = { recovered: true }
  return {
    end: { state: outcome, resultId },
    told: { outcome, resultId, latencyMs: null, ...lists, details },
  }
}

/** Something of that name which is older than the operation is not what the operation made. */
function foundSettled(
  { kind, startedAt }: ArchitectureOperation,
  found: { readonly id: string; readonly name: string; readonly createdDate: string },
): Settled {
  const { id: resultId, name, createdDate } = found
  const createdAt = Date.parse(createdDate)
  const older = createdAt < startedAt - CLOCK_SKEW_MS
  if (older && kind === 'environment') {
    return interrupted(`an environment of that name existed before: ${resultId}`)
  }
  const outcome = older ? 'unchanged' : 'succeeded'
  // How long the platform took: its own word is all that is left of it.
  const latencyMs = older || Number.isNaN(createdAt) ? null : Math.max(0, createdAt - startedAt)
  const after = { id: resultId, name }
  return {
    end: { state: outcome, resultId },
    told: { outcome, resultId, latencyMs, after, details: { recovered: true } },
  }
}

function interrupted(why = 'nothing of it is on the platform'): Settled {
  const reason = `the service ended before it was done; ${why}`
  return {
    end: { state: 'interrupted', resultId: null },
    told: { outcome: 'failed', resultId: null, latencyMs: null, details: { reason } },
  }
}
