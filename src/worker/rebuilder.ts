import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { isEmptyDrift } from '../domain/compare-matrices.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import type { Directory, MatrixWorkshop, Preflight, Progress } from '../domain/directory.ts'
import type { SubjectFact } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { refusal } from '../domain/guard.ts'
import { Matrix } from '../domain/matrix.ts'
import type { Rebuild, Rebuilds } from '../domain/rebuild.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { MatrixPublisher } from './matrix-publisher.ts'
import type { Publication, RebuildAudit } from './rebuild-audit.ts'
import type { RecentlyWrittenGrants } from './written-grants.ts'

/** A rebuild that takes longer than this is given up: the platform hangs in some new way. */
const REBUILD_TIMEOUT_MS = 60 * 60_000
/** How many ended rebuilds can still be looked at. */
const KEPT_REBUILDS = 100

export type RebuilderOptions = {
  readonly directory: Directory
  readonly workshop: Pick<MatrixWorkshop, 'merge' | 'compare'>
  readonly publisher: MatrixPublisher
  readonly maxShrinkPercent: number
  /** Passes once the organisation is known to be the right one; throws when it is not. */
  readonly confirmOrganization: (signal: AbortSignal) => Promise<Preflight>
  /** Users read one by one since a time: newer than what a rebuild begun then can know. */
  readonly subjectsReadSince: (time: number) => readonly SubjectFact[]
  /** Grants written a short while ago, which what was read may lack. */
  readonly writtenGrants?: Pick<RecentlyWrittenGrants, 'refresh' | 'over'>
  readonly audit?: Pick<RebuildAudit, 'ended'>
  readonly metrics: Pick<Metrics, 'rebuildStarted' | 'rebuildEnded' | 'drifted'>
  readonly logger: Logger
  readonly now: () => number
  readonly onEnded?: (rebuild: Rebuild) => void
}

type Run = { rebuild: Rebuild; readonly ended: Promise<void> }

/** Runs rebuilds, one at a time. A rebuild that fails or is refused changes nothing and says why. */
export class Rebuilder implements Rebuilds {
  readonly #options: RebuilderOptions
  readonly #abort = new AbortController()
  readonly #runs = new LRUCache<string, Run>({ max: KEPT_REBUILDS })
  #running: Run | undefined
  #last: Rebuild | undefined

  constructor(options: RebuilderOptions) {
    this.#options = options
  }

  /** The rebuild that ended last. */
  get last(): Rebuild | undefined {
    return this.#last
  }

  get running(): Rebuild | undefined {
    return this.#running?.rebuild
  }

  start(request: { readonly requestedBy: string; readonly allowShrink: boolean }): {
    readonly rebuild: Rebuild
    readonly started: boolean
  } {
    if (this.#abort.signal.aborted) throw new Failure('not-ready', 'the service is stopping')
    const running = this.#running
    if (running) {
      if (request.allowShrink && !running.rebuild.allowShrink) {
        throw new Failure(
          'conflict',
          `rebuild ${running.rebuild.id} is running without allowShrink: wait for its end`,
        )
      }
      return { rebuild: running.rebuild, started: false }
    }
    const rebuild: Rebuild = {
      id: randomUUID(),
      state: 'running',
      requestedBy: request.requestedBy,
      allowShrink: request.allowShrink,
      progress: { done: 0, total: 0 },
      startedAt: new Date(this.#options.now()).toISOString(),
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const run: Run = { rebuild, ended }
    this.#running = run
    this.#runs.set(rebuild.id, run)
    this.#run(run)
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'the end of a rebuild was not told')
      })
      .finally(() => {
        this.#running = undefined
        resolve()
      })
    return { rebuild, started: true }
  }

  find(id: string): Rebuild {
    const run = this.#runs.get(id)
    if (!run) throw new Failure('not-found', `no rebuild ${id} is known; the last 100 are kept`)
    return run.rebuild
  }

  /** Resolves with the rebuild once it has ended. */
  async ended(id: string): Promise<Rebuild> {
    await this.#runs.get(id)?.ended
    return this.find(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Failure('not-ready', 'the service is stopping'))
    await this.#running?.ended
  }

  async #run(run: Run): Promise<void> {
    const { metrics, logger, now, onEnded } = this.#options
    const begun = performance.now()
    const log = logger.child({ rebuild: run.rebuild.id, requestedBy: run.rebuild.requestedBy })
    log.info('rebuild started')
    metrics.rebuildStarted()
    // It never throws: whatever happens, the rebuild ends and the next one can begin.
    const end = await this.#attempt(run, log)
    const seconds = (performance.now() - begun) / 1_000
    const { publication, ...told } = end
    run.rebuild = { ...run.rebuild, ...told, finishedAt: new Date(now()).toISOString() }
    this.#last = run.rebuild
    this.#running = undefined
    metrics.rebuildEnded(end.state, seconds)
    const outcome = { state: end.state, seconds, revision: end.revision, reason: end.error }
    if (end.state === 'succeeded') log.info(outcome, 'rebuild succeeded')
    else log.error(outcome, `rebuild ${end.state}`)
    this.#options.audit?.ended(run.rebuild, publication)
    onEnded?.(run.rebuild)
  }

  async #attempt(run: Run, log: Logger): Promise<RebuildEnd> {
    const { directory, confirmOrganization } = this.#options
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(REBUILD_TIMEOUT_MS)])
    try {
      const { organizationId } = await confirmOrganization(signal)
      signal.throwIfAborted()
      const onProgress = (progress: Progress): void => {
        run.rebuild = { ...run.rebuild, progress }
      }
      const buffer = await directory.readMatrix({ signal, onProgress })
      const candidate = new Matrix(buffer)
      if (candidate.description.organizationId !== organizationId) {
        return { state: 'refused', error: 'what was read is of another organisation' }
      }
      return await this.#publish(run.rebuild, candidate, log)
    } catch (error) {
      if (!(error instanceof Failure))
        log.error({ err: error }, 'a rebuild met an unexpected error')
      const message = error instanceof Failure ? error.message : 'an internal error; see the log'
      return { state: 'failed', error: message }
    }
  }

  async #publish(rebuild: Rebuild, candidate: Matrix, log: Logger): Promise<RebuildEnd> {
    const { publisher, workshop, maxShrinkPercent, subjectsReadSince } = this.#options
    const { writtenGrants } = this.#options
    let refused: string | undefined
    let before: Matrix | undefined
    await writtenGrants?.refresh()
    const matrix = await publisher.publish(async (held) => {
      before = held
      const rule = { maxShrinkPercent, allowShrink: rebuild.allowShrink }
      refused = refusal(held, candidate, rule)
      if (refused !== undefined) return undefined
      const read = subjectsReadSince(candidate.takenAt)
      const newer = writtenGrants?.over(candidate, read) ?? read
      if (newer.length === 0) return candidate.buffer
      return await workshop.merge(candidate.buffer, newer)
    })
    if (!matrix) return { state: 'refused', error: refused ?? 'nothing was published' }
    const drift = before && (await this.#findDrift(before, matrix, log))
    const publication = { before, after: matrix, drift }
    return { state: 'succeeded', revision: matrix.revision, publication }
  }

  async #findDrift(before: Matrix, after: Matrix, log: Logger): Promise<Drift | undefined> {
    const { workshop, metrics } = this.#options
    try {
      const drift = await workshop.compare(before.buffer, after.buffer)
      metrics.drifted(drift.counts)
      if (isEmptyDrift(drift)) return drift
      const revisions = { from: before.revision, to: after.revision }
      log.info({ ...revisions, drift: drift.counts }, 'the organisation changed')
      return drift
    } catch (error) {
      // The matrix is published and right: that nobody can say what changed must not undo it.
      log.error({ err: error }, 'what changed could not be determined')
      return undefined
    }
  }
}

type RebuildEnd = {
  readonly state: 'succeeded' | 'failed' | 'refused'
  readonly revision?: number
  readonly error?: string
  readonly publication?: Publication
}
