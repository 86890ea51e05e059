import { ALLOWED, CONDITIONAL, decide } from './evaluate.ts'
import type { Path } from './evaluate.ts'
import { namePath } from './explain.ts'
import type { NamedPath } from './explain.ts'
import { ANY_DIVISION } from './matrix.ts'
import type { Matrix, SubjectSummary } from './matrix.ts'

/** A stretch of a listing. `next` is the position to go on from; undefined at the end. */
export type Page<Item> = { readonly items: readonly Item[]; readonly next: number | undefined }

export type PageRequest = {
  /** Position to begin at: 0, or a `next` of the same matrix and question. */
  readonly from: number
  readonly limit: number
  readonly divisionId?: string | undefined
}

/** A permission that a subject has, or would have if a condition held. */
export type HeldPermission = {
  readonly permission: string
  readonly label: string
  readonly divisionAware: boolean
  readonly conditional: boolean
  readonly sources: readonly NamedPath[]
}

/** Someone who has a permission, or would have it if a condition held. */
export type Holder = SubjectSummary & {
  readonly conditional: boolean
  readonly sources: readonly NamedPath[]
}

/** Sources listed with one item; a check's explanation lists more. */
const MAX_SOURCES = 20

/**
 * What a subject may do, in order of permission code: exactly the permissions that a check would
 * allow, and those that it would call conditional, flagged. `subject` is an index of this matrix.
 */
export function listPermissions(
  matrix: Matrix,
  subject: number,
  request: PageRequest,
): Page<HeldPermission> {
  const division = matrix.findDivision(request.divisionId)
  const items: HeldPermission[] = []
  for (let permission = request.from; permission < matrix.permissionCount; permission++) {
    const outcome = decide(matrix, subject, permission, division)
    if (outcome !== ALLOWED && outcome !== CONDITIONAL) continue
    if (items.length === request.limit) return { items, next: permission }
    items.push({
      permission: matrix.permissionCode(permission),
      label: matrix.permissionLabel(permission),
      divisionAware: matrix.divisionAware[permission] === 1,
      conditional: outcome === CONDITIONAL,
      sources: sourcesOf(matrix, subject, permission, division),
    })
  }
  return { items, next: undefined }
}

/** Subjects looked at in one call: a permission that hardly anyone has is not searched in one go. */
const MAX_SCANNED = 20_000

/**
 * Who may do something, in an order that is the same on every page of one matrix: users and OAuth clients; conditional holders flagged.
 * One call looks at a bounded number of subjects: a page may come short of its limit, even empty, with
 * `next` saying where to go on.
 */
export function listHolders(
  matrix: Matrix,
  permission: number,
  request: PageRequest,
): Page<Holder> {
  const division = matrix.findDivision(request.divisionId)
  const items: Holder[] = []
  const end = Math.min(matrix.subjectCount, request.from + MAX_SCANNED)
  for (let subject = request.from; subject < end; subject++) {
    const outcome = decide(matrix, subject, permission, division)
    if (outcome !== ALLOWED && outcome !== CONDITIONAL) continue
    if (items.length === request.limit) return { items, next: subject }
    items.push({
      ...matrix.subject(subject),
      conditional: outcome === CONDITIONAL,
      sources: sourcesOf(matrix, subject, permission, division),
    })
  }
  return { items, next: end < matrix.subjectCount ? end : undefined }
}

/** What {@link listHolders} tells of one subject; undefined when it does not hold the permission. */
export function findHolder(
  matrix: Matrix,
  permission: number,
  subject: number,
): Holder | undefined {
  if (subject < 0 || permission < 0) return undefined
  const outcome = decide(matrix, subject, permission, ANY_DIVISION)
  if (outcome !== ALLOWED && outcome !== CONDITIONAL) return undefined
  return {
    ...matrix.subject(subject),
    conditional: outcome === CONDITIONAL,
    sources: sourcesOf(matrix, subject, permission),
  }
}

function sourcesOf(
  matrix: Matrix,
  subject: number,
  permission: number,
  division: number = ANY_DIVISION,
): NamedPath[] {
  const paths: Path[] = []
  decide(matrix, subject, permission, division, undefined, (path) => {
    if (path.outcome === ALLOWED || path.outcome === CONDITIONAL) paths.push(path)
  })
  paths.sort((a, b) => a.outcome - b.outcome)
  return paths.slice(0, MAX_SOURCES).map((path) => namePath(matrix, path, permission))
}
