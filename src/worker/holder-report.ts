import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AuditTrail } from '../domain/audit.ts'
import { ALLOWED, CONDITIONAL, decide } from '../domain/evaluate.ts'
import { Failure } from '../domain/failure.ts'
import { listHolders } from '../domain/listing.ts'
import type { Holder } from '../domain/listing.ts'
import { ANY_DIVISION } from '../domain/matrix.ts'
import type { Matrix } from '../domain/matrix.ts'
import { nearestName } from '../domain/permission.ts'
import type { ReportContent } from './report-content.ts'

/** Users whose changes are told of between an archived matrix and the time asked for. */
const MAX_CHANGED_USERS = 10_000
/** Entries named of one user. */
const MAX_NAMED_ENTRIES = 10

/** Holders looked at before checks on the same thread get their turn. */
const PAGE = 200

/** A matrix of the past: what was held from `archivedAt` (ISO 8601) on. */
export type PastMatrix = { readonly matrix: Matrix; readonly archivedAt: string }

type HolderOptions = {
  readonly permission: string
  readonly now: Matrix
  /** What was held at the time asked for; undefined when only the present was. */
  readonly past?: PastMatrix | undefined
  /** Changes recorded between the archived matrix and the time asked for, by user. */
  readonly changed: ReadonlyMap<string, readonly string[]>
}

/** A row for everyone who holds the permission now, or held it then. */
export async function writeHolders(
  content: ReportContent,
  { permission, now, past, changed }: HolderOptions,
): Promise<Readonly<Record<string, number>>> {
  const totals = { rows: 0, heldThen: 0, heldNow: 0 }
  const add = async (holder: Holder, heldThen: boolean | null, heldNow: boolean) => {
    const sources = holder.sources.map(({ role, division, via }) => {
      return `${role.name} in ${division.name}${via.type === 'group' ? ` through ${via.name}` : ''}`
    })
    const place = await content.add({
      userName: holder.name,
      userId: holder.id,
      email: holder.email,
      kind: holder.kind,
      heldThen,
      heldNow,
      conditional: holder.conditional,
      sources,
      changes: changed.get(holder.id) ?? [],
    })
    if (place === undefined) return
    if (heldThen === true) totals.heldThen += 1
    if (heldNow) totals.heldNow += 1
  }
  if (past) {
    for await (const holder of holders(past.matrix, permission)) {
      await add(holder, true, holds(now, holder.id, permission))
    }
  }
  for await (const holder of holders(now, permission)) {
    const heldThen = past ? holds(past.matrix, holder.id, permission) : null
    if (heldThen !== true) await add(holder, heldThen, true)
  }
  return { ...totals, rows: content.rowCount }
}

async function* holders(matrix: Matrix, permission: string): AsyncGenerator<Holder> {
  const index = matrix.findPermission(permission)
  if (index < 0) return
  for (let from: number | undefined = 0; from !== undefined; await nextTurn()) {
    const page: ReturnType<typeof listHolders> = listHolders(matrix, index, { from, limit: PAGE })
    yield* page.items
    from = page.next
  }
}

function holds(matrix: Matrix, userId: string, permission: string): boolean {
  const subject = matrix.findSubject(userId)
  const index = matrix.findPermission(permission)
  if (subject < 0 || index < 0) return false
  const outcome = decide(matrix, subject, index, ANY_DIVISION)
  return outcome === ALLOWED || outcome === CONDITIONAL
}

/** Throws `invalid` when none of the matrices knows the permission. */
export function requirePermission(permission: string, matrices: readonly Matrix[]): void {
  if (matrices.some((matrix) => matrix.findPermission(permission) >= 0)) return
  const nearest = nearestName(
    permission,
    matrices.flatMap((each) => [...each.permissionCodes()]),
  )
  const hint = nearest === undefined ? '' : `; the nearest known one is ${nearest}`
  throw new Failure('invalid', `there is no permission ${permission}${hint}`, {
    field: 'permission',
  })
}

/** Assignments that the trail recorded in a period, by user: what an archived matrix cannot show. */
export async function changesBetween(
  audit: Pick<AuditTrail, 'stream'>,
  from: string,
  to: string,
): Promise<Map<string, string[]>> {
  const changed = new Map<string, string[]>()
  if (from >= to) return changed
  const filter = { from, to, action: 'role_assignment_change', outcome: 'succeeded' } as const
  for await (const { userId, sequence, time } of audit.stream(filter)) {
    if (userId === null) continue
    const entries = changed.get(userId)
    if (entries && entries.length < MAX_NAMED_ENTRIES) entries.push(`No. ${sequence}, ${time}`)
    if (entries) continue
    if (changed.size >= MAX_CHANGED_USERS) break
    changed.set(userId, [`No. ${sequence}, ${time}`])
  }
  return changed
}
