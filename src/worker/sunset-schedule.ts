import { auditEntry } from '../domain/audit.ts'
import type { NewAuditEntry } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import { subjectFacts } from '../domain/matrix-facts.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { NewBatch, RoleChangeStore, Sunset } from '../domain/role-change-store.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { SUNSET_ACTOR } from './item-sunsets.ts'

/** How often due sunsets are looked for: each is to be carried out within a minute of its time. */
const TICK_MS = 20_000
/** Sunsets taken at one tick; more wait for the next. */
const MAX_DUE = 1_000
/** Later than this a sunset counts as overdue. */
const OVERDUE_MS = 60_000

export type SunsetScheduleOptions = {
  readonly store: Pick<RoleChangeStore, 'accept' | 'dueSunsets' | 'pendingSunsets'>
  /** The matrix that is held; undefined while there is none. */
  readonly matrix: () => Matrix | undefined
  /** Told when batches were queued. */
  readonly onQueued: () => void
  readonly metrics: Pick<Metrics, 'sunsetsSeen'>
  readonly logger: Logger
  readonly clock?: Clock
}

/**
 * Takes back grants whose time is over, durably: for each user with due sunsets a batch is queued, of
 * that user alone, so that nobody's sunset waits for what is being done to others. One that could not
 * be carried out becomes due again by itself.
 */
export class SunsetSchedule {
  readonly #options: SunsetScheduleOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #looping: Promise<void> | undefined
  #failing = false

  constructor(options: SunsetScheduleOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Begins: with what came due before the start. To be called once. */
  begin(): void {
    this.#looping = this.#loop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#looping
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#tick()
        this.#failing = false
      } catch (error) {
        if (!this.#failing) {
          this.#options.logger.error({ err: error }, 'due sunsets cannot be taken up')
        }
        this.#failing = true
      }
      await this.#clock.pause(TICK_MS, signal).catch(() => undefined)
    }
  }

  async #tick(): Promise<void> {
    const { store, metrics, onQueued } = this.#options
    const failures: unknown[] = []
    const due = await store.dueSunsets(this.#clock.now(), MAX_DUE)
    for (const [userId, sunsets] of Map.groupBy(due, (sunset) => sunset.userId)) {
      if (this.#stopping.signal.aborted) return
      // One user's trouble is nobody else's: it is told of once everyone had their turn.
      await this.#queue(userId, sunsets).then(onQueued, (error: unknown) => failures.push(error))
    }
    const pending = await store.pendingSunsets({ limit: MAX_DUE })
    const overdueAt = this.#clock.now() - OVERDUE_MS
    const overdue = pending.filter(({ until }) => Date.parse(until) < overdueAt)
    metrics.sunsetsSeen({ pending: pending.length, overdue: overdue.length })
    if (failures.length > 0) throw failures[0]
  }

  async #queue(userId: string, sunsets: readonly Sunset[]): Promise<void> {
    const { store, matrix, logger } = this.#options
    const held = matrix()
    const [subject] = held ? subjectFacts(held, [userId]) : []
    const before = subject?.grants ?? []
    const revoke = sunsets.map(({ roleId, divisionId }) => ({ roleId, divisionId }))
    const batch: NewBatch = {
      requestedBy: SUNSET_ACTOR,
      requestId: '',
      comment: 'the time of these grants is over',
      onFailure: 'continue',
      // Whatever else has become of the user: these grants go.
      force: true,
      baseRevision: held?.revision ?? 0,
      items: [{ userId, intent: { kind: 'delta', grant: [], revoke }, before }],
      sunsetIds: sunsets.map(({ id }) => id),
    }
    try {
      await store.accept(batch, (id) => [acceptedEntry(id, userId, sunsets)])
    } catch (error) {
      // Another instance was faster, or the sunset was cancelled just now.
      if (!(error instanceof Failure) || error.code !== 'conflict') throw error
      logger.debug({ userId }, 'sunsets were taken up elsewhere')
    }
  }
}

function acceptedEntry(batchId: string, userId: string, sunsets: readonly Sunset[]): NewAuditEntry {
  return auditEntry({
    action: 'role_changes_accepted',
    outcome: 'succeeded',
    actor: SUNSET_ACTOR,
    userId,
    subjectId: batchId,
    details: {
      sunsets: sunsets.map(({ roleId, divisionId, until, batchId: setBy, requestedBy }) => {
        return { roleId, divisionId, until, setBy, requestedBy }
      }),
    },
  })
}
