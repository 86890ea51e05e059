import type { AuditTrail, ChainHead } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { MatrixWorkshop } from '../domain/directory.ts'
import type { Matrix } from '../domain/matrix.ts'
import { namesOf, servedNames } from '../domain/organization-names.ts'
import type { ReportHead, ReportOrigin, ReportRequest } from '../domain/report.ts'
import type { RoleChangeStore } from '../domain/role-change-store.ts'
import type { RoleRule, RuleConflict } from '../domain/role-rules.ts'
import type { ConflictPlace } from '../domain/list-conflicts.ts'
import type { ServedMatrices } from '../domain/served.ts'
import { replayTrail } from './archive-replay.ts'
import { readTrailSince } from './archive-trail.ts'
import type { TrailSince } from './archive-trail.ts'
import { coveredTrail } from './covered-trail.ts'
import { writeHistory } from './history-report.ts'
import { requirePermission, writeHolders } from './holder-report.ts'
import type { PastMatrix } from './matrix-archive.ts'
import { ReportContent } from './report-content.ts'
import { Tally } from './tally.ts'

const MAX_CONFLICTS = 20_000
/** They cross from another thread in pieces of so many: each may name a hundred permissions. */
const CONFLICT_PAGE = 500
const MAX_SUNSETS = 100

/** Matrices of the past. */
type PastMatrices = {
  /** The one that was held at a time (epoch milliseconds), with why others are passed over. */
  at(
    time: number,
  ): Promise<{ readonly found: PastMatrix | undefined; readonly skipped: readonly string[] }>
}

/** What reports are made of. */
export type ReportSources = {
  readonly audit: Pick<AuditTrail, 'stream'>
  readonly roleChanges: Pick<RoleChangeStore, 'pendingSunsets'>
  readonly matrices: ServedMatrices
  readonly workshop: Pick<MatrixWorkshop, 'conflicts' | 'merge'>
  readonly archive: PastMatrices
  readonly rules: readonly RoleRule[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

export type ReportTask<Request extends ReportRequest = ReportRequest> = {
  readonly request: Request
  readonly origin: ReportOrigin
  readonly chain: ChainHead
  readonly signal: AbortSignal
}

type Of<Kind extends ReportRequest['kind']> = ReportTask<Extract<ReportRequest, { kind: Kind }>>

/** The members of a head that differ from kind to kind. */
type Told = Pick<ReportHead, 'title' | 'period' | 'totals' | 'charts'> & {
  readonly notes?: readonly string[]
  readonly matrix?: Matrix | undefined
  readonly past?: ReportHead['past']
}

/** A report as text in pieces; see `writeReportText`. Throws a `Failure` that says why it cannot be made. */
export async function makeReport(
  { audit, ...others }: ReportSources,
  task: ReportTask,
): Promise<Iterable<string>> {
  const { request, origin, chain, signal } = task
  const sources = { ...others, audit: coveredTrail(audit, chain) }
  const content = new ReportContent(request.kind, signal)
  const generatedAt = new Date(sources.now()).toISOString()
  const told = await tell(sources, content, task)
  const matrix = told.matrix ?? servedMatrix(sources.matrices)
  const { organizationId: id = '', organizationName: name = '' } = matrix?.description ?? {}
  return content.write({
    kind: request.kind,
    request,
    title: told.title,
    organization: { id, name },
    period: told.period,
    generatedAt,
    requestedBy: origin.requestedBy,
    revision: matrix?.revision ?? null,
    asOf: matrix ? timeOf(matrix) : null,
    past: told.past ?? null,
    chain,
    totals: told.totals,
    charts: told.charts,
    notes: told.notes ?? [],
    truncated: content.truncated,
  })
}

function tell(sources: ReportSources, content: ReportContent, task: ReportTask): Promise<Told> {
  const { request } = task
  switch (request.kind) {
    case 'changes':
      return tellChanges(sources, content, { ...task, request })
    case 'user-history':
      return tellUser(sources, content, { ...task, request })
    case 'permission-holders':
      return tellHolders(sources, content, { ...task, request })
    case 'conflicts':
      return tellConflicts(sources, content)
  }
}

async function tellChanges(
  { audit, matrices }: ReportSources,
  content: ReportContent,
  { request }: Of<'changes'>,
): Promise<Told> {
  const { from, to, userId, actor } = request
  const names = servedNames(matrices)
  const filter = { from, to, userId, actor }
  const history = await writeHistory(content, { audit, filter, names, everything: false })
  const whose = userId === undefined ? '' : ` of ${names.user(userId) ?? userId}`
  const by = actor === undefined ? '' : ` by ${actor}`
  return { title: `Changes of roles${whose}${by}`, period: { from, to }, ...history }
}

async function tellUser(
  { audit, matrices, roleChanges }: ReportSources,
  content: ReportContent,
  { request }: Of<'user-history'>,
): Promise<Told> {
  const { userId, from, to } = request
  const names = servedNames(matrices)
  const filter = { from, to, userId }
  const history = await writeHistory(content, {
    audit,
    filter,
    names,
    everything: true,
  })
  const sunsets = await roleChanges.pendingSunsets({ userId, limit: MAX_SUNSETS })
  const notes = sunsets.map(({ roleId, divisionId, until }) => {
    const role = names.role(roleId) ?? roleId
    return `${role} in ${names.division(divisionId) ?? divisionId} ends at ${until}.`
  })
  const title = `History of ${names.user(userId) ?? userId}`
  return { title, period: { from: from ?? null, to: to ?? null }, ...history, notes }
}

async function tellHolders(
  sources: ReportSources,
  content: ReportContent,
  { request, signal }: Of<'permission-holders'>,
): Promise<Told> {
  const { audit, matrices, archive, workshop } = sources
  const { permission, at } = request
  const now = matrices.current()
  const title = `Who holds ${permission}`
  if (at === undefined) {
    requirePermission(permission, [now])
    const told = await writeHolders(content, { permission, now })
    return { title, period: { from: null, to: null }, ...told, matrix: now }
  }
  const { found, skipped } = await archive.at(Date.parse(at))
  if (!found) {
    const why = skipped.length === 0 ? '' : ` that can be read: ${skipped.join('; ')}`
    throw new Failure('invalid', `no matrix is archived from ${at} or before${why}`)
  }
  const { matrix: archived, archivedAt } = found
  const { takenAt, revision } = archived
  requirePermission(permission, [archived, now])
  const trail = await readTrailSince({ audit, takenAt, revision, at, signal })
  const past = await replayTrail({ archived, trail, workshop, now })
  const told = await writeHolders(content, { permission, now, past: { ...past, trail } })
  return {
    title: `${title}, then and now`,
    period: { from: at, to: null },
    ...told,
    notes: pastNotes(at, archivedAt, trail, skipped),
    matrix: now,
    past: { revision, asOf: timeOf(archived), archivedAt },
  }
}

function pastNotes(
  at: string,
  archivedAt: string,
  trail: TrailSince,
  skipped: readonly string[],
): string[] {
  const notes = [
    `Then is ${at}, told from the matrix archived at ${archivedAt} and what the trail has since: it tells of ${trail.users.size} users between them.`,
  ]
  if (!trail.complete) {
    notes.push('There was more drift, or there were more changes, than is told: nobody is certain.')
  }
  if (trail.shared.length > 0) {
    const shared = trail.shared.join(', ')
    notes.push(
      `Groups, roles or permissions themselves changed meanwhile, which cannot be taken into account: ${shared}. Who held the permission through them is not certain.`,
    )
  }
  return [...notes, ...skipped.map((reason) => `Passed over: ${reason}`)]
}

async function tellConflicts(
  { matrices, workshop, rules }: ReportSources,
  content: ReportContent,
): Promise<Told> {
  const matrix = matrices.current()
  const names = namesOf(matrix)
  const byRule = new Tally()
  const users = new Set<string>()
  let truncated = false
  for await (const conflict of conflictsIn(workshop, matrix, rules)) {
    truncated = content.rowCount >= MAX_CONFLICTS
    if (truncated) break
    const { rule, userId, roleNames, permissions, divisionId, message } = conflict
    const place = await content.add({
      rule,
      userName: names.user(userId) ?? userId,
      userId,
      roles: roleNames,
      permissions,
      division: divisionId === null ? 'all' : (names.division(divisionId) ?? divisionId),
      message,
    })
    if (place === undefined) break
    byRule.add(rule)
    users.add(userId)
  }
  return {
    title: 'Conflicts with the role rules',
    period: { from: null, to: null },
    totals: { rows: content.rowCount, users: users.size, rules: rules.length },
    charts: [byRule.chart('Conflicts by rule')],
    notes: truncated ? [`There are more than ${MAX_CONFLICTS} conflicts.`] : [],
    matrix,
  }
}

async function* conflictsIn(
  workshop: ReportSources['workshop'],
  matrix: Matrix,
  rules: readonly RoleRule[],
): AsyncGenerator<RuleConflict> {
  let from: ConflictPlace | undefined
  do {
    const page = await workshop.conflicts(matrix.buffer, rules, { limit: CONFLICT_PAGE, from })
    yield* page.conflicts
    from = page.next
  } while (from)
}

function timeOf({ takenAt }: Matrix): string {
  return new Date(takenAt).toISOString()
}

function servedMatrix(matrices: ServedMatrices): Matrix | undefined {
  try {
    return matrices.current()
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
