import { auditEntry } from '../domain/audit.ts'
import type { AuditTrail, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { isEmptyDrift } from '../domain/compare-matrices.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import type { Matrix } from '../domain/matrix.ts'
import type { Rebuild } from '../domain/rebuild.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { driftEntry, userDriftEntries } from './drift-audit.ts'

/** Rebuilds that may wait for the trail; more are dropped and counted. */
const MAX_WAITING = 20
/** Of these, those whose drifted users are told one by one: each holds two matrices. */
const MAX_TELLING = 2
/** Entries of drifted users that go into the trail at once. */
const PIECE = 100

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
 * fails in the same way, every few minutes for ever would bury everything else. Drift is one entry
 * that counts it, and one for each user who differs, up to `MAX_DRIFTED_SUBJECTS`. Nothing waits for
 * the trail: a store that is down fails no rebuild, what was lost is logged and counted.
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
    if (rebuild.unattended && !drifted && !changed) return
    const first = [rebuildEntry(rebuild, published?.after)]
    if (!published || !drift || !drifted) {
      this.#append(first, [], 0)
      return
    }
    const { before, after } = published
    const userIds = before && this.#waiting < MAX_TELLING ? drift.subjectIds : []
    first.push(driftEntry(rebuild, published, drift, userIds.length))
    const users = before ? userDriftEntries(rebuild, { before, after }, userIds) : []
    this.#append(first, users, userIds.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue
  }

  /** `users` are made while they are appended: thousands of them would be felt if made at once. */
  #append(
    entries: readonly NewAuditEntry[],
    users: Iterable<NewAuditEntry>,
    userCount: number,
  ): void {
    const { trail, metrics, logger } = this.#options
    let left = entries.length + userCount
    const lost = (error: unknown): void => {
      metrics.auditAppendFailed(left)
      logger.error({ err: error, entries: left }, 'the audit trail did not take a rebuild')
    }
    if (this.#waiting >= MAX_WAITING) {
      lost(new Error('too many entries wait'))
      return
    }
    const append = async (): Promise<void> => {
      for (const piece of pieces(entries, users)) {
        await trail.append(piece)
        left -= piece.length
      }
    }
    this.#waiting += 1
    this.#queue = this.#queue.then(append).catch(lost)
    this.#queue = this.#queue.finally(() => {
      this.#waiting -= 1
    })
  }
}

function* pieces(
  first: readonly NewAuditEntry[],
  rest: Iterable<NewAuditEntry>,
): Generator<readonly NewAuditEntry[]> {
  yield first
  let piece: NewAuditEntry[] = []
  for (const entry of rest) {
    piece.push(entry)
    if (piece.length < PIECE) continue
    yield piece
    piece = []
  }
  if (piece.length > 0) yield piece
}

function rebuildEntry(rebuild: Rebuild, matrix: Matrix | undefined): NewAuditEntry {
  const { id, state, requestedBy, unattended, allowShrink, revision, error } = rebuild
  const counts: JsonObject = matrix
    ? {
        users: matrix.userCount,
        grants: matrix.directGrantCount,
        groupGrants: matrix.groupGrantCount,
        roles: matrix.roleCount,
      }
    : {}
  return auditEntry({
    action: 'rebuild',
    outcome: state === 'running' ? 'started' : state,
    actor: unattended && requestedBy === 'start' ? 'service' : requestedBy,
    subjectId: id,
    details: {
      allowShrink,
      ...(revision === undefined ? {} : { revision }),
      ...(error === undefined ? {} : { reason: error }),
      ...counts,
    },
  })
}
