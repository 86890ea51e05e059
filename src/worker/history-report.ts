import type { AuditAction, AuditEntry, AuditFilter, AuditTrail, Json } from '../domain/audit.ts'
import type { OrganizationNames } from '../domain/organization-names.ts'
import type { ReportChart } from '../domain/report.ts'
import { describeEntry } from './describe-entry.ts'
import type { ReportContent } from './report-content.ts'
import { Tally } from './tally.ts'

/** What a report of changes leaves out: what changed nobody's roles. */
const NO_CHANGE: ReadonlySet<AuditAction> = new Set([
  'service_started',
  'rebuild_requested',
  'rebuild',
  'login_refused',
  'report_created',
  'audit_pruned',
  'audit_verification',
])

/** Assignments in hand at one moment of the trail: far more than batches that run side by side. */
const MAX_OPEN = 10_000

type HistoryOptions = {
  readonly audit: Pick<AuditTrail, 'stream'>
  readonly filter: AuditFilter
  readonly names: OrganizationNames
  /** Also entries that changed nobody's roles. */
  readonly everything: boolean
  /** Of drift, only what names this user. */
  readonly driftOf?: string | undefined
}

export type History = {
  readonly totals: Readonly<Record<string, number>>
  readonly charts: readonly ReportChart[]
}

/**
 * Tells of the trail's entries in order. An assignment that was begun and has ended is told once, by
 * its end; one that was begun and never ended stays: that is what a reader must look into.
 */
export async function writeHistory(
  content: ReportContent,
  options: HistoryOptions,
): Promise<History> {
  const open = new Map<string, { readonly place: number; readonly entry: AuditEntry }>()
  const tallies = { day: new Tally(), actor: new Tally(), outcome: new Tally(), users: new Set() }
  const count = (entry: AuditEntry, by: 1 | -1): void => {
    tallies.day.add(entry.time.slice(0, 10), by)
    tallies.actor.add(entry.actor, by)
    tallies.outcome.add(entry.outcome, by)
    if (entry.userId !== null && by === 1) tallies.users.add(entry.userId)
  }
  for await (const entry of entriesOf(options)) {
    if (!options.everything && NO_CHANGE.has(entry.action)) continue
    const place = await content.add(describeEntry(entry, options.names))
    if (place === undefined) break
    count(entry, 1)
    if (entry.action !== 'role_assignment_change') continue
    const key = assignmentKey(entry)
    const begun = open.get(key)
    if (begun && entry.outcome !== 'started') {
      content.remove(begun.place)
      count(begun.entry, -1)
      open.delete(key)
    } else if (entry.outcome === 'started' && open.size < MAX_OPEN) {
      open.set(key, { place, entry })
    }
  }
  return {
    totals: { rows: content.rowCount, users: tallies.users.size, unfinished: open.size },
    charts: [
      tallies.day.dayChart('Entries per day'),
      tallies.actor.chart('By whom'),
      tallies.outcome.chart('Outcome'),
    ],
  }
}

function assignmentKey({ subjectId, userId, details }: AuditEntry): string {
  const { operation } = details as { readonly operation?: Json }
  return JSON.stringify([subjectId, userId, operation ?? null])
}

/** The entries of the filter and, for a user, the drift that names them, in order of sequence. */
async function* entriesOf(options: HistoryOptions): AsyncGenerator<AuditEntry> {
  const { audit, filter, driftOf } = options
  if (driftOf === undefined) {
    yield* audit.stream(filter)
    return
  }
  const { from, to } = filter
  const drift = audit.stream({ from, to, action: 'drift' })[Symbol.asyncIterator]()
  try {
    let next = await nextOf(drift, driftOf)
    for await (const entry of audit.stream(filter)) {
      while (next && next.sequence < entry.sequence) {
        yield next
        next = await nextOf(drift, driftOf)
      }
      if (next?.sequence === entry.sequence) next = await nextOf(drift, driftOf)
      yield entry
    }
    while (next) {
      yield next
      next = await nextOf(drift, driftOf)
    }
  } finally {
    await drift.return?.()
  }
}

async function nextOf(
  drift: AsyncIterator<AuditEntry>,
  userId: string,
): Promise<AuditEntry | undefined> {
  for (;;) {
    const next = await drift.next()
    if (next.done === true) return undefined
    if (namesUser(next.value, userId)) return next.value
  }
}

function namesUser({ details }: AuditEntry, userId: string): boolean {
  const { entries } = details as { readonly entries?: unknown }
  return (
    Array.isArray(entries) && entries.some((found) => (found as { id?: unknown }).id === userId)
  )
}
