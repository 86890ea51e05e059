import type { Grant } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import type { Matrix } from '../domain/matrix.ts'
import type {
  Claim,
  RecordStep,
  RoleChangeStore,
  Sunset,
  WrittenGrants,
} from '../domain/role-change-store.ts'
import type {
  GrantDelta,
  GrantPlatform,
  ItemState,
  RoleChangeBatch,
  RoleChangeItem,
} from '../domain/role-change.ts'
import type { RoleRule } from '../domain/role-rules.ts'
import type { Logger } from '../observability/logger.ts'
import type { Clock } from './clock.ts'
import type { OnRunStep, RunAct } from './run-steps.ts'

/** Items are read in pages of so many. */
const PAGE = 100
/** More timed grants than a user can have. */
const MAX_SUNSETS_OF_USER = 1_000

/** How long a written change is waited for to show: pauses double from `firstMs` to `maxMs`. */
export type ReadBack = {
  readonly firstMs: number
  readonly maxMs: number
  /** All pauses together. */
  readonly boundMs: number
}

/** What every batch in hand needs. */
export type BatchTools = {
  readonly store: RoleChangeStore
  readonly platform: GrantPlatform
  /** Whose home division, roles and groups are gone by; undefined while there is none. */
  readonly matrix: () => Matrix | undefined
  readonly rules: readonly RoleRule[]
  /** Puts what was written into the served matrix; `shown` resolves once it is there. */
  readonly writtenGrants: {
    note(written: WrittenGrants): void
    shown(): Promise<void>
  }
  readonly itemEnded: (state: ItemState) => void
  readonly clock: Clock
  readonly readBack: ReadBack
  /** For how long a claim holds without being renewed. */
  readonly leaseMs: number
  readonly onStep: OnRunStep | undefined
  readonly logger: Logger
  /** Aborts when nothing new may begin: the service is stopping. */
  readonly stopping: AbortSignal
}

/**
 * One batch while this process holds it. Whatever takes it out of its hands (a lost lease, a store
 * that cannot be reached, the service's end) aborts {@link signal}: then nothing more is sent and
 * nothing more recorded, and whoever claims the batch next goes on from what was recorded.
 */
export class ClaimedBatch {
  readonly claim: Claim
  readonly log: Logger
  readonly #tools: BatchTools
  readonly #abort = new AbortController()
  #stopRequested: boolean

  constructor(claim: Claim, tools: BatchTools) {
    this.claim = claim
    this.#tools = tools
    this.#stopRequested = claim.batch.stopRequested
    this.log = tools.logger.child({ batch: claim.batch.id })
  }

  get batch(): RoleChangeBatch {
    return this.claim.batch
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Whether a caller asked for a halt, as of the last record. */
  get stopRequested(): boolean {
    return this.#stopRequested
  }

  get rules(): readonly RoleRule[] {
    return this.#tools.rules
  }

  /** The batch is out of our hands. Only the first reason counts. */
  abort(reason: unknown): void {
    this.#abort.abort(reason)
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#tools.clock.now()
  }

  /** Throws when the batch is out of our hands or the service is stopping. */
  checkpoint(): void {
    if (this.#tools.stopping.aborted) this.abort(this.#tools.stopping.reason)
    this.signal.throwIfAborted()
  }

  matrix(): Matrix {
    const matrix = this.#tools.matrix()
    if (matrix) return matrix
    this.abort(new Failure('not-ready', 'there is no matrix to go by'))
    throw this.signal.reason
  }

  /** All items, in order of position; at most `MAX_BATCH_USERS`. */
  async items(): Promise<RoleChangeItem[]> {
    const items: RoleChangeItem[] = []
    let after: number | undefined
    do {
      const page = await this.#ask(() => {
        return this.#tools.store.items(this.batch.id, { limit: PAGE, after })
      })
      items.push(...page.items)
      after = page.next
    } while (after !== undefined)
    return items
  }

  /** The batch as it is recorded now. */
  async current(): Promise<RoleChangeBatch> {
    return await this.#ask(() => this.#tools.store.find(this.batch.id))
  }

  async sunsetsOf(userId: string): Promise<readonly Sunset[]> {
    const filter = { userId, limit: MAX_SUNSETS_OF_USER }
    return await this.#ask(() => this.#tools.store.pendingSunsets(filter))
  }

  /** Records a step. When it cannot be recorded the batch is out of our hands. */
  async record(act: RunAct, step: RecordStep): Promise<void> {
    await this.#tools.onStep?.(`before-${act}`)
    const { stopRequested } = await this.#ask(() => this.#tools.store.record(this.claim, step))
    this.#stopRequested = stopRequested
    await this.#tools.onStep?.(`after-${act}`)
  }

  /** Direct grants as the platform has them now. */
  async read(userId: string): Promise<readonly Grant[]> {
    this.signal.throwIfAborted()
    return await this.#tools.platform.readDirectGrants(userId, this.signal)
  }

  async write(act: 'write' | 'undo-write', userId: string, delta: GrantDelta): Promise<void> {
    const { platform, onStep } = this.#tools
    this.signal.throwIfAborted()
    await onStep?.(`before-${act}`)
    this.signal.throwIfAborted()
    await platform.writeGrants(userId, delta, this.signal)
    await onStep?.(`after-${act}`)
  }

  /** The platform has this, whether or not it can be recorded: the served matrix is to have it too. */
  serve(userId: string, delta: GrantDelta): void {
    const { writtenGrants, clock } = this.#tools
    writtenGrants.note({ userId, ...delta, writtenAt: clock.now() })
  }

  /**
   * Reads until `shows` says yes; false when it did not within the bound. What was written stays
   * written: that it cannot be read back is no failure.
   */
  async readBack(userId: string, shows: (grants: readonly Grant[]) => boolean): Promise<boolean> {
    const { firstMs, maxMs, boundMs } = this.#tools.readBack
    let waited = 0
    for (let pauseMs = firstMs; ; pauseMs = Math.min(pauseMs * 2, maxMs)) {
      this.checkpoint()
      try {
        if (shows(await this.read(userId))) return true
      } catch (error) {
        this.signal.throwIfAborted()
        this.log.warn({ err: error, userId }, 'a change could not be read back')
      }
      if (waited + pauseMs > boundMs) return false
      await this.#pause(pauseMs)
      waited += pauseMs
    }
  }

  /** Counts an item that has come to its end. */
  itemEnded(state: ItemState): void {
    this.#tools.itemEnded(state)
  }

  /** Resolves once the served matrix shows what was written. */
  async shown(): Promise<void> {
    await this.#tools.writtenGrants.shown()
  }

  async #pause(ms: number): Promise<void> {
    const { clock, stopping } = this.#tools
    try {
      await clock.pause(ms, AbortSignal.any([this.signal, stopping]))
    } finally {
      this.checkpoint()
    }
  }

  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    this.signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      this.abort(error)
      throw error
    }
  }
}
