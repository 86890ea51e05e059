import type { MatrixWorkshop } from '../domain/directory.ts'
import { ALL_DIVISIONS } from '../domain/facts.ts'
import type { Grant, SubjectFact } from '../domain/facts.ts'
import { applyDelta, sameGrants } from '../domain/grant-sets.ts'
import { subjectFacts } from '../domain/matrix-facts.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { RoleChangeStore, Written, WrittenGrants } from '../domain/role-change-store.ts'
import type { Logger } from '../observability/logger.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { MatrixPublisher } from './matrix-publisher.ts'

/** For so long what was read of the platform may lack what was written before. */
export const CATCHING_UP_MS = 5 * 60_000
/** A rebuild takes an hour at most: what was written during it, and shortly before, is kept. */
const KEPT_MS = 60 * 60_000 + CATCHING_UP_MS
/** Writes kept of each kind; a budget of 240 requests a minute allows 15,600 in that time. */
const MAX_KEPT = 20_000
/** A rebuild waits so long for what other instances wrote, and does without it then. */
const REFRESH_MS = 10_000
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

/** A subject that was read by itself, at a time of its own (epoch milliseconds). */
export type ReadSubject = SubjectFact & { readonly readAt: number }

/** A write, and when it was done on the clock that only rises: nobody sets that one. */
type Kept = { readonly written: Written; readonly at: number }

/**
 * Grants that the service wrote a short while ago. The served matrix has them at once, and what is
 * read of the platform is corrected by them while it may still be catching up: for five minutes from
 * each write to when the reading began. After that the platform is right, and differs by drift.
 *
 * Writes of one user are laid one over the other in the order in which the store has them, which is
 * that of the writing; those that the store did not tell yet are newer than all that it did. Times
 * have no say in it: they are of several processes' clocks.
 */
export class RecentlyWrittenGrants {
  readonly #options: WrittenGrantsOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  /** Written by this process, by id, oldest first. */
  readonly #own = new Map<string, Kept>()
  /** By id, as the store told last: those of other instances, and this one's. */
  #stored: ReadonlyMap<string, Kept> = new Map()
  /** How often the store was asked, and which of its answers was learnt last. */
  #asked = 0
  #learnt = 0
  /** Users whose writes the served matrix does not have yet. */
  #unpublished = new Set<string>()
  #publishing: Promise<void> | undefined
  /** Rises with whatever is to be published; all up to `#published` is, or was given up. */
  #noted = 0
  #published = 0
  /** Resolves at the end of the publication that is under way or comes next. */
  #round = Promise.withResolvers<void>()

  constructor(options: WrittenGrantsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Remembers what the platform has just taken and sees to it that the served matrix has it. */
  note(written: Written): void {
    const at = this.#clock.elapsed()
    // Anew, so that it stands last.
    this.#own.delete(written.id)
    this.#own.set(written.id, { written, at })
    for (const [id, oldest] of this.#own) {
      if (this.#own.size <= MAX_KEPT && oldest.at >= at - KEPT_MS) break
      this.#own.delete(id)
    }
    this.#publishSoon([written.userId])
  }

  /**
   * Resolves once the served matrix has everything that was noted up to this call, or publishing it
   * was given up. What is noted later is waited for by nobody here.
   */
  async shown(): Promise<void> {
    const noted = this.#noted
    while (this.#publishing && this.#published < noted) await this.#round.promise
  }

  /**
   * Asks the store for what other instances wrote (and this one before it was started) and puts it
   * into the served matrix: what they changed is no drift. Bounded; a store that does not answer
   * leaves what was known. Never throws.
   */
  async refresh(): Promise<void> {
    const { store, logger } = this.#options
    const answered = new AbortController()
    this.#asked += 1
    const turn = this.#asked
    const stored = store.writtenSince(this.#clock.now() - KEPT_MS)
    const late = this.#clock.pause(REFRESH_MS, answered.signal).then(() => undefined)
    try {
      const written = await Promise.race([stored, late])
      if (written) this.#learn(turn, written.slice(-MAX_KEPT))
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
  over(candidate: Matrix, newer: readonly ReadSubject[]): SubjectFact[] {
    const written = this.#byUser()
    const isKnown = knownIn(candidate)
    const corrected = newer.map(({ readAt, ...subject }) => {
      return withWritten(subject, this.#since(written.get(subject.id), readAt), isKnown)
    })
    const isNewer = new Set(newer.map(({ id }) => id))
    const others = [...written].flatMap(([id, kept]) => {
      const isOver = !isNewer.has(id) && this.#since(kept, candidate.takenAt).length > 0
      return isOver ? [id] : []
    })
    return [...corrected, ...this.#differing(candidate, others, candidate.takenAt)]
  }

  /** Subjects that were read at `readAt`, with what was written to them a short while before. */
  corrected(matrix: Matrix, subjects: readonly SubjectFact[], readAt: number): SubjectFact[] {
    const written = this.#byUser()
    if (written.size === 0) return [...subjects]
    const isKnown = knownIn(matrix)
    return subjects.map((subject) => {
      return withWritten(subject, this.#since(written.get(subject.id), readAt), isKnown)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#publishing
  }

  /** An answer that comes after a later one is behind it. */
  #learn(turn: number, told: readonly WrittenGrants[]): void {
    if (turn < this.#learnt) return
    this.#learnt = turn
    const [now, elapsed] = [this.#clock.now(), this.#clock.elapsed()]
    const known = (id: string): Kept | undefined => this.#own.get(id) ?? this.#stored.get(id)
    const news = told.filter(({ id }) => !known(id))
    this.#stored = new Map(
      told.map(({ writtenAt, ...written }) => {
        // Nothing was written after now: a time to come is another clock's.
        const at = known(written.id)?.at ?? elapsed - Math.max(0, now - writtenAt)
        return [written.id, { written, at }]
      }),
    )
    this.#publishSoon(news.map(({ userId }) => userId))
  }

  #differing(matrix: Matrix, ids: readonly string[], readAt: number): SubjectFact[] {
    if (ids.length === 0) return []
    const subjects = subjectFacts(matrix, ids)
    const corrected = this.corrected(matrix, subjects, readAt)
    return corrected.filter((subject, i) => !sameGrants(subject.grants, subjects[i]?.grants ?? []))
  }

  /** Those that were written a short while before `readAt` (epoch milliseconds), or since. */
  #since(kept: readonly Kept[] | undefined, readAt: number): Written[] {
    if (!kept) return []
    const begun = this.#clock.elapsed() - (this.#clock.now() - readAt)
    return kept.filter(({ at }) => at > begun - CATCHING_UP_MS).map(({ written }) => written)
  }

  #byUser(): Map<string, Kept[]> {
    const untold = [...this.#own.values()].filter(({ written }) => !this.#stored.has(written.id))
    return Map.groupBy([...this.#stored.values(), ...untold], ({ written }) => written.userId)
  }

  #publishSoon(userIds: readonly string[]): void {
    for (const id of userIds) this.#unpublished.add(id)
    if (userIds.length > 0) this.#noted += 1
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
      if (failures === MAX_FAILURES) {
        this.#unpublished.clear()
        this.#published = this.#noted
      }
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
    let noted = this.#published
    try {
      await publisher.publish(async (held) => {
        for (const id of this.#unpublished) users.add(id)
        this.#unpublished.clear()
        noted = this.#noted
        // Before the first rebuild there is nothing to correct; it asks for what was written.
        if (!held) return undefined
        const differing = this.#differing(held, [...users], held.takenAt)
        return differing.length === 0 ? undefined : await workshop.merge(held.buffer, differing)
      })
      this.#published = noted
      return true
    } catch (error) {
      for (const id of users) this.#unpublished.add(id)
      logger.error({ err: error }, 'the served matrix does not have what was written yet')
      return false
    }
  }
}

function withWritten(
  subject: SubjectFact,
  written: readonly Written[],
  isKnown: (grant: Grant) => boolean,
): SubjectFact {
  // The platform drops the roles of a user who is deactivated.
  if (written.length === 0 || subject.state !== 'active') return subject
  return { ...subject, grants: withWrites(subject.grants, written, isKnown) }
}

/** The grants with what was written laid over them, in that order. */
export function withWrites(
  grants: readonly Grant[],
  written: readonly Written[],
  isKnown: (grant: Grant) => boolean,
): readonly Grant[] {
  return written.reduce((held: readonly Grant[], { add, remove }) => {
    return applyDelta(held, { add: add.filter(isKnown), remove })
  }, grants)
}

/** A role or division that is gone since the write takes its grants along. */
export function knownIn(matrix: Matrix): (grant: Grant) => boolean {
  const roles = new Set(Array.from({ length: matrix.roleCount }, (_, i) => matrix.role(i).id))
  return ({ roleId, divisionId }) => {
    if (!roles.has(roleId)) return false
    return divisionId === ALL_DIVISIONS || matrix.findDivision(divisionId) >= 0
  }
}
