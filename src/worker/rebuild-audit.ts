import type { AuditTrail, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { isEmptyDrift } from '../domain/compare-matrices.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { Rebuild } from '../domain/rebuild.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'

/** Differences that an entry names; all are counted. */
const MAX_NAMED = 100
/** Appends that may wait for the trail; more are dropped and counted. */
const MAX_WAITING = 20
/** Who asks for rebuilds when no admin does. */
const BY_ITSELF: ReadonlySet<string> = new Set(['schedule', 'start'])

export type RebuildAuditOptions = {
  readonly trail: Pick<AuditTrail, 'append'>
  readonly metrics: Pick<Metrics, 'auditAppendFailed'>
  readonly logger: Logger
}

/** What a rebuild published, and in place of what. */
export type Publication = {
  readonly before: Matrix | undefined
  readonly after: Matrix
  /** What differs; undefined when it could not be determined or there is nothing to compare with. */
  readonly drift: Drift | undefined
}

/**
 * Tells the trail of rebuilds and of drift. Written are rebuilds that an admin asked for, those that
 * found drift, and any that did not end as the one before it did: a schedule that succeeds, or
 * fails in the same way, every few minutes for ever would bury everything else. Nothing waits for the
 * trail: a store that is down fails no rebuild, what was lost is logged and counted.
 */
export class RebuildAudit {
  readonly #options: RebuildAuditOptions
  #lastState: Rebuild['state'] = 'succeeded'
  #waiting = 0
  #queue: Promise<void> = Promise.resolve()

  constructor(options: RebuildAuditOptions) {
    this.#options = options
  }

  /** To be told of every rebuild's end. */
  ended(rebuild: Rebuild, published?: Publication): void {
    const drift = published?.drift
    const drifted = drift !== undefined && !isEmptyDrift(drift)
    const changed = rebuild.state !== this.#lastState
    this.#lastState = rebuild.state
    if (BY_ITSELF.has(rebuild.requestedBy) && !drifted && !changed) return
    const entries = [rebuildEntry(rebuild, published?.after)]
    if (drifted) entries.push(driftEntry(rebuild, published, drift))
    this.#append(entries)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue
  }

  #append(entries: readonly NewAuditEntry[]): void {
    const { trail, metrics, logger } = this.#options
    const lost = (error: unknown): void => {
      metrics.auditAppendFailed(entries.length)
      logger.error(
        { err: error, entries: entries.length },
        'the audit trail did not take a rebuild',
      )
    }
    if (this.#waiting >= MAX_WAITING) {
      lost(new Error('too many entries wait'))
      return
    }
    this.#waiting += 1
    this.#queue = this.#queue
      .then(() => trail.append(entries))
      .then(() => undefined, lost)
      .finally(() => {
        this.#waiting -= 1
      })
  }
}

function rebuildEntry(rebuild: Rebuild, matrix: Matrix | undefined): NewAuditEntry {
  const { id, state, requestedBy, allowShrink, revision, error } = rebuild
  const counts: JsonObject = matrix
    ? {
        users: matrix.userCount,
        grants: matrix.directGrantCount,
        groupGrants: matrix.groupGrantCount,
        roles: matrix.roleCount,
      }
    : {}
  return {
    action: 'rebuild',
    outcome: state === 'running' ? 'started' : state,
    actor: requestedBy === 'start' ? 'service' : requestedBy,
    requestId: '',
    userId: null,
    subjectId: id,
    before: null,
    after: null,
    details: {
      allowShrink,
      ...(revision === undefined ? {} : { revision }),
      ...(error === undefined ? {} : { reason: error }),
      ...counts,
    },
  }
}

function driftEntry(
  rebuild: Rebuild,
  published: Publication | undefined,
  drift: Drift,
): NewAuditEntry {
  const found = Object.entries(drift.counts).filter(([, count]) => count > 0)
  return {
    action: 'drift',
    outcome: 'succeeded',
    actor: 'platform',
    requestId: '',
    userId: null,
    subjectId: rebuild.id,
    before: published?.before ? { revision: published.before.revision } : null,
    after: published ? { revision: published.after.revision } : null,
    details: {
      counts: Object.fromEntries(found),
      entries: drift.entries.slice(0, MAX_NAMED),
      total: found.reduce((sum, [, count]) => sum + count, 0),
    },
  }
}
