import type { MatrixWorkshop } from '../domain/directory.ts'
import { ALL_DIVISIONS } from '../domain/facts.ts'
import type { Grant, SubjectFact } from '../domain/facts.ts'
import { applyDelta, sameGrants } from '../domain/grant-sets.ts'
import { subjectFacts } from '../domain/matrix-facts.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { RoleChangeStore, WrittenGrants } from '../domain/role-change-store.ts'
import type { Logger } from '../observability/logger.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { MatrixPublisher } from './matrix-publisher.ts'

/** For so long what was read of the platform may lack what was written before. */
const CATCHING_UP_MS = 5 * 60_000
/** A rebuild takes an hour at most: what was written during it, and shortly before, is kept. */
const KEPT_MS = 60 * 60_000 + CATCHING_UP_MS
/** Writes kept of each kind; a budget of 240 requests a minute allows 15,600 in that time. */
const MAX_KEPT = 20_000
/** A rebuild waits so long for what other instances wrote, and does without it then. */
const REFRESH_MS = 2_000
/** Least time between two publications: each builds the whole matrix anew. */
const PAUSE_MS = 1_000
/** Publications in a row that may fail; the next rebuild has the writes all the same. */
const MAX_FAILURES = 5

export type WrittenGrantsOptions = {
  readonly store: Pick<RoleChangeStore, 'writtenSince'>
  readonly publisher: Pick<MatrixPublisher, 'publish'>
  readonly workshop: Pick<MatrixWorkshop, 'merge'>
  readonly logger: Logger
  readonly clock?: Clock
  /** Least time between two publications. */
  readonly pauseMs?: number
}

/**
 * Grants that the service wrote a short while ago. The served matrix has them at once, and what is
 * read of the platform is corrected by them while it may still be catching up: for five minutes from
 * each write to when the reading began. After that the platform is right, and differs by drift.
 */
export class RecentlyWrittenGrants {
  readonly #options: WrittenGrantsOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  /** Written by this process, oldest first. */
  #own: WrittenGrants[] = []
  /** As the store told last: those of other instances, and of this one before it was started. */
  #stored: readonly WrittenGrants[] = []
  /** Users whose writes the served matrix does not have yet. */
  #unpublished = new Set<string>()
  #publishing: Promise<void> | undefined
  #inFlight = false
  /** Resolves at the end of the publication that is under way or comes next. */
  #round = Promise.withResolvers<void>()

  constructor(options: WrittenGrantsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Remembers what the platform has just taken and sees to it that the served matrix has it. */
  note(written: WrittenGrants): void {
    const oldest = this.#clock.now() - KEPT_MS
    this.#own.push(written)
    if (this.#own.length > MAX_KEPT || (this.#own[0]?.writtenAt ?? oldest) < oldest) {
      this.#own = this.#own.filter(({ writtenAt }) => writtenAt >= oldest).slice(-MAX_KEPT)
    }
    this.#publishSoon([written.userId])
  }

  /** Resolves once the served matrix has everything noted, or publishing it was given up. */
  async shown(): Promise<void> {
    while (this.#publishing && (this.#inFlight || this.#unpublished.size > 0)) {
      await this.#round.promise
    }
  }

  /**
   * Asks the store for what other instances wrote (and this one before it was started) and puts it
   * into the served matrix: what they changed is no drift. Bounded; a store that does not answer
   * leaves what was known. Never throws.
   */
  async refresh(): Promise<void> {
    const { store, logger } = this.#options
    const answered = new AbortController()
    const stored = store.writtenSince(this.#clock.now() - KEPT_MS)
    const late = this.#clock.pause(REFRESH_MS, answered.signal).then(() => undefined)
    try {
      const written = await Promise.race([stored, late])
      if (written) this.#learn(written.slice(-MAX_KEPT))
      else logger.warn('what other instances wrote was not told in time')
    } catch (error) {
      logger.warn({ err: error }, 'what other instances wrote could not be told')
    } finally {
      answered.abort()
      late.catch(() => undefined)
      stored.catch(() => undefined)
    }
    await this.shown()
  }

  /**
   * What is to be merged over a matrix that was just read: `newer`, which are subjects read since,
   * and the matrix's own subjects, each with what was written to it a short while before.
   */
  over(candidate: Matrix, newer: readonly SubjectFact[]): SubjectFact[] {
    const corrected = this.corrected(candidate, newer, candidate.takenAt)
    const isNewer = new Set(newer.map(({ id }) => id))
    const others = this.#usersSince(candidate.takenAt).filter((id) => !isNewer.has(id))
    return [...corrected, ...this.#differing(candidate, others, candidate.takenAt)]
  }

  /** Subjects that were read at `readAt`, with what was written to them a short while before. */
  corrected(matrix: Matrix, subjects: readonly SubjectFact[], readAt: number): SubjectFact[] {
    const written = this.#byUser(readAt)
    if (written.size === 0) return [...subjects]
    const isKnown = knownIn(matrix)
    return subjects.map((subject) => withWritten(subject, written.get(subject.id) ?? [], isKnown))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#publishing
  }

  #learn(stored: readonly WrittenGrants[]): void {
    const known = new Set(this.#stored.map(keyOf))
    this.#stored = stored
    const news = stored.filter((written) => !known.has(keyOf(written)))
    this.#publishSoon(news.map(({ userId }) => userId))
  }

  #differing(matrix: Matrix, ids: readonly string[], readAt: number): SubjectFact[] {
    if (ids.length === 0) return []
    const subjects = subjectFacts(matrix, ids)
    const corrected = this.corrected(matrix, subjects, readAt)
    return corrected.filter((subject, i) => !sameGrants(subject.grants, subjects[i]?.grants ?? []))
  }

  /** Own writes stand in both lists; doing one twice, in order of time, does no harm. */
  #since(readAt: number): WrittenGrants[] {
    return [...this.#stored, ...this.#own]
      .filter(({ writtenAt }) => writtenAt > readAt - CATCHING_UP_MS)
      .sort((a, b) => a.writtenAt - b.writtenAt)
  }

  #usersSince(readAt: number): string[] {
    return [...new Set(this.#since(readAt).map(({ userId }) => userId))]
  }

  #byUser(readAt: number): Map<string, WrittenGrants[]> {
    return Map.groupBy(this.#since(readAt), ({ userId }) => userId)
  }

  #publishSoon(userIds: readonly string[]): void {
    for (const id of userIds) this.#unpublished.add(id)
    if (this.#unpublished.size === 0 || this.#stopping.signal.aborted) return
    this.#publishing ??= this.#publish()
  }

  /** Single flight; what was noted during one publication goes into the next, all together. */
  async #publish(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    while (this.#unpublished.size > 0 && !signal.aborted) {
      const begun = this.#clock.elapsed()
      failures = (await this.#publishAll()) ? 0 : failures + 1
      if (failures === MAX_FAILURES) this.#unpublished.clear()
      this.#endRound()
      // At most half of the time goes into building matrices.
      const ms = Math.max(this.#options.pauseMs ?? PAUSE_MS, this.#clock.elapsed() - begun)
      await this.#clock.pause(ms, signal).catch(() => undefined)
    }
    // At once, so that what is noted from here on begins anew.
    this.#publishing = undefined
    this.#endRound()
  }

  #endRound(): void {
    this.#round.resolve()
    this.#round = Promise.withResolvers()
  }

  /** False when it failed; what it was about is unpublished still. */
  async #publishAll(): Promise<boolean> {
    const { publisher, workshop, logger } = this.#options
    const users = new Set<string>()
    this.#inFlight = true
    try {
      await publisher.publish(async (held) => {
        for (const id of this.#unpublished) users.add(id)
        this.#unpublished.clear()
        // Before the first rebuild there is nothing to correct; it asks for what was written.
        if (!held) return undefined
        const differing = this.#differing(held, [...users], held.takenAt)
        return differing.length === 0 ? undefined : await workshop.merge(held.buffer, differing)
      })
      return true
    } catch (error) {
      for (const id of users) this.#unpublished.add(id)
      logger.error({ err: error }, 'the served matrix does not have what was written yet')
      return false
    } finally {
      this.#inFlight = false
    }
  }
}

function keyOf({ userId, writtenAt }: WrittenGrants): string {
  return `${writtenAt} ${userId}`
}

function withWritten(
  subject: SubjectFact,
  written: readonly WrittenGrants[],
  isKnown: (grant: Grant) => boolean,
): SubjectFact {
  // The platform drops the roles of a user who is deactivated.
  if (written.length === 0 || subject.state !== 'active') return subject
  let grants = subject.grants
  for (const { add, remove } of written) {
    grants = applyDelta(grants, { add: add.filter(isKnown), remove })
  }
  return { ...subject, grants }
}

/** A role or division that is gone since the write takes its grants along. */
function knownIn(matrix: Matrix): (grant: Grant) => boolean {
  const roles = new Set(Array.from({ length: matrix.roleCount }, (_, i) => matrix.role(i).id))
  return ({ roleId, divisionId }) => {
    if (!roles.has(roleId)) return false
    return divisionId === ALL_DIVISIONS || matrix.findDivision(divisionId) >= 0
  }
}
