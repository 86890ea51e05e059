import type { AuditTrail, ChainHead } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { MatrixWorkshop } from '../domain/directory.ts'
import type { Matrix } from '../domain/matrix.ts'
import { namesOf, servedNames } from '../domain/organization-names.ts'
import type { ReportHead, ReportOrigin, ReportRequest } from '../domain/report.ts'
import type { RoleChangeStore } from '../domain/role-change-store.ts'
import type { RoleRule } from '../domain/role-rules.ts'
import type { ServedMatrices } from '../domain/served.ts'
import { changesBetween, requirePermission, writeHolders } from './holder-report.ts'
import type { PastMatrix } from './holder-report.ts'
import { writeHistory } from './history-report.ts'
import { ReportContent } from './report-content.ts'
import { Tally } from './tally.ts'

/** They cross from another thread in one piece. */
const MAX_CONFLICTS = 20_000
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
  readonly workshop: Pick<MatrixWorkshop, 'conflicts'>
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
  readonly asOf?: string
}

/** A report as text; see `writeReportText`. Throws a `Failure` that says why it cannot be made. */
export async function makeReport(sources: ReportSources, task: ReportTask): Promise<string> {
  const { request, origin, chain, signal } = task
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
    asOf: told.asOf ?? (matrix ? new Date(matrix.takenAt).toISOString() : null),
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
    driftOf: userId,
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
  { audit, matrices, archive }: ReportSources,
  content: ReportContent,
  { request }: Of<'permission-holders'>,
): Promise<Told> {
  const { permission, at } = request
  const now = matrices.current()
  const title = `Who holds ${permission}`
  if (at === undefined) {
    requirePermission(permission, [now])
    const totals = await writeHolders(content, { permission, now, changed: new Map() })
    return { title, period: { from: null, to: null }, totals, charts: [], matrix: now }
  }
  const { found, skipped } = await archive.at(Date.parse(at))
  if (!found) {
    const why = skipped.length === 0 ? '' : ` that can be read: ${skipped.join('; ')}`
    throw new Failure('invalid', `no matrix is archived from ${at} or before${why}`)
  }
  requirePermission(permission, [found.matrix, now])
  const changed = await changesBetween(audit, found.archivedAt, at)
  const totals = await writeHolders(content, { permission, now, past: found, changed })
  const meanwhile =
    changed.size === 0
      ? 'The trail has no assignment between them.'
      : `The trail has assignments of ${changed.size} users between them; those among the holders are marked.`
  const notes = [
    `Then is ${at}, told from the matrix archived at ${found.archivedAt}. ${meanwhile}`,
    ...skipped.map((reason) => `Passed over: ${reason}`),
  ]
  const period = { from: at, to: null }
  const asOf = found.archivedAt
  return { title: `${title}, then and now`, period, totals, charts: [], notes, matrix: now, asOf }
}

async function tellConflicts(
  { matrices, workshop, rules }: ReportSources,
  content: ReportContent,
): Promise<Told> {
  const matrix = matrices.current()
  const names = namesOf(matrix)
  const byRule = new Tally()
  const users = new Set<string>()
  const { conflicts, truncated } = await workshop.conflicts(matrix.buffer, rules, MAX_CONFLICTS)
  for (const conflict of conflicts) {
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

function servedMatrix(matrices: ServedMatrices): Matrix | undefined {
  try {
    return matrices.current()
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
