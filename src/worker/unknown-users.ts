import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Directory, MatrixWorkshop } from '../domain/directory.ts'
import type { SubjectFact } from '../domain/facts.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { MatrixPublisher } from './matrix-publisher.ts'
import type { RecentlyWrittenGrants } from './written-grants.ts'

/** Ids that wait to be read; more are dropped and counted, and come again with the next check. */
const MAX_QUEUED = 1_000
/** Users read from the platform within a minute, at most. */
const MAX_READS_PER_MINUTE = 60
/** Users read and published together, at most. */
const MAX_BATCH = 20
/** How long checks collect before the first read, so that one publication serves several users. */
const COLLECT_MS = 500
/** Least time between two publications of this kind: each rebuilds the whole matrix. */
const PAUSE_MS = 5_000
/** Ids that the platform does not know are not asked for again so soon. */
const MISSES = { max: 50_000, ttlMs: 10 * 60_000 }
/** After a failure of the platform. */
const FAILURE_TTL_MS = 60_000
/** A rebuild that began longer ago than this is not corrected by what was read in between. */
const RECENT_MS = 60 * 60_000
const MAX_RECENT = 5_000

/** The platform's ids. Anything else is counted, but no reason to trouble the platform. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export type UnknownUsersOptions = {
  readonly directory: Pick<Directory, 'readSubjects'>
  readonly workshop: Pick<MatrixWorkshop, 'merge'>
  readonly publisher: MatrixPublisher
  /** Grants written a short while ago, which what was read may lack. */
  readonly writtenGrants?: Pick<RecentlyWrittenGrants, 'corrected'>
  readonly metrics: Pick<Metrics, 'unknownUserRead'>
  readonly logger: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Waits; for tests. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Users that a check named and the matrix does not have: created since the last rebuild, or never.
 * A check only notes the id; the platform is asked in the background, a bounded number of times a
 * minute, and what it knows is published as an updated matrix.
 */
export class UnknownUsers {
  readonly #options: UnknownUsersOptions
  readonly #abort = new AbortController()
  readonly #queued = new Set<string>()
  readonly #misses = new LRUCache<string, true>({ max: MISSES.max, ttl: MISSES.ttlMs })
  readonly #recent = new LRUCache<
    string,
    { readonly subject: SubjectFact; readonly readAt: number }
  >({ max: MAX_RECENT, ttl: RECENT_MS })
  readonly #readTimes: number[] = []
  #working: Promise<void> | undefined

  constructor(options: UnknownUsersOptions) {
    this.#options = options
  }

  get queued(): number {
    return this.#queued.size
  }

  /** Remembers that a check asked for this id. Cheap, never throws, looks nothing up. */
  note(id: string): void {
    if (this.#queued.has(id) || !UUID.test(id) || this.#misses.has(id)) return
    if (this.#abort.signal.aborted) return
    if (this.#queued.size >= MAX_QUEUED) {
      this.#options.metrics.unknownUserRead('dropped')
      return
    }
    this.#queued.add(id)
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
    })
  }

  /** Users read since then: newer than any rebuild whose reading began at that time. */
  readSince(time: number): SubjectFact[] {
    const recent = [...this.#recent.values()]
    return recent.filter(({ readAt }) => readAt > time).map(({ subject }) => subject)
  }

  /** Resolves when nobody waits to be read. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#queued.clear()
    await this.settled()
  }

  async #work(): Promise<void> {
    const { logger } = this.#options
    const { signal } = this.#abort
    const sleep =
      this.#options.sleep ?? ((ms, abort) => delay(ms, undefined, { signal: abort, ref: false }))
    try {
      await sleep(COLLECT_MS, signal)
      while (this.#queued.size > 0) {
        const allowance = this.#allowance()
        if (allowance > 0) await this.#readSome(Math.min(allowance, MAX_BATCH))
        if (this.#queued.size > 0) await sleep(PAUSE_MS, signal)
      }
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'reading unknown users stopped')
    }
  }

  /** How many users may be read now within the bound of a minute. */
  #allowance(): number {
    const minuteAgo = this.#options.now() - 60_000
    while ((this.#readTimes[0] ?? Infinity) <= minuteAgo) this.#readTimes.shift()
    return MAX_READS_PER_MINUTE - this.#readTimes.length
  }

  async #readSome(count: number): Promise<void> {
    const { directory, metrics, logger, now } = this.#options
    const ids = [...this.#queued].slice(0, count)
    const readAt = now()
    for (let i = 0; i < ids.length; i++) this.#readTimes.push(readAt)
    try {
      const { found, absent } = await directory.readSubjects(ids, this.#abort.signal)
      for (const id of absent) this.#misses.set(id, true)
      for (const subject of found) this.#recent.set(subject.id, { subject, readAt })
      if (found.length > 0) await this.#publish(found, readAt)
      metrics.unknownUserRead('found', found.length)
      metrics.unknownUserRead('absent', absent.length)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      for (const id of ids) this.#misses.set(id, true, { ttl: FAILURE_TTL_MS })
      metrics.unknownUserRead('failed', ids.length)
      logger.warn({ err: error, users: ids.length }, 'unknown users could not be read')
    } finally {
      for (const id of ids) this.#queued.delete(id)
    }
  }

  async #publish(found: readonly SubjectFact[], readAt: number): Promise<void> {
    const { publisher, workshop, writtenGrants, logger } = this.#options
    const matrix = await publisher.publish(async (held) => {
      // A rebuild that began later has read them itself; before the first there is nothing to add to.
      if (!held || held.takenAt >= readAt) return undefined
      const subjects = writtenGrants?.corrected(held, found, readAt) ?? found
      return await workshop.merge(held.buffer, subjects)
    })
    if (!matrix) return
    logger.info({ users: found.length, revision: matrix.revision }, 'unknown users were added')
  }
}
