import type { Grant } from '../../../src/domain/facts.ts'
import { Failure } from '../../../src/domain/failure.ts'
import { applyDelta } from '../../../src/domain/grant-sets.ts'
import type { GrantDelta, GrantPlatform } from '../../../src/domain/role-change.ts'

type Call = {
  readonly kind: 'read' | 'write'
  readonly userId: string
  readonly delta?: GrantDelta
}

/** A platform that really keeps grants, and does what a test wants to see survived. */
export class KeepingPlatform implements GrantPlatform {
  readonly grants: Map<string, readonly Grant[]>
  readonly calls: Call[] = []
  /** Reads of a user that still show what was before the last write. */
  staleReads = 0
  /** Called before a read or write is done; what it throws, the caller gets. */
  before: (call: Call, signal: AbortSignal) => Promise<void> | void = () => undefined
  /** Called once a write is done: what it throws, the caller gets all the same. */
  after: (call: Call) => Promise<void> | void = () => undefined
  readonly #stale = new Map<string, { readonly grants: readonly Grant[]; reads: number }>()

  constructor(grants: Iterable<readonly [string, readonly Grant[]]>) {
    this.grants = new Map(grants)
  }

  get writes(): Call[] {
    return this.calls.filter(({ kind }) => kind === 'write')
  }

  async readDirectGrants(userId: string, signal: AbortSignal): Promise<readonly Grant[]> {
    const call: Call = { kind: 'read', userId }
    this.calls.push(call)
    await this.before(call, signal)
    signal.throwIfAborted()
    const grants = this.grants.get(userId)
    if (!grants) throw new Failure('not-found', `the platform has no user ${userId}`)
    const stale = this.#stale.get(userId)
    if (!stale || stale.reads === 0) return grants
    stale.reads -= 1
    return stale.grants
  }

  async writeGrants(userId: string, delta: GrantDelta, signal: AbortSignal): Promise<void> {
    const call: Call = { kind: 'write', userId, delta }
    this.calls.push(call)
    await this.before(call, signal)
    signal.throwIfAborted()
    const grants = this.grants.get(userId) ?? []
    this.#stale.set(userId, { grants, reads: this.staleReads })
    this.grants.set(userId, applyDelta(grants, delta))
    await this.after(call)
  }
}

export function refusal(message = 'the role cannot be assigned'): Failure {
  const upstream = { status: 422, code: 'role.not.assignable', correlationId: 'corr-1' }
  return new Failure('upstream-refused', message, { upstream })
}
