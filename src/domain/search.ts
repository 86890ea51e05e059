import type { AttributeScopes } from './condition.ts'
import { allows } from './evaluate.ts'
import type { SubjectKind } from './facts.ts'
import type { Page } from './listing.ts'
import { INFO, SUBJECT } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'

/** From where a search goes on, and how many hits it may give. */
export type SearchStretch = {
  /** Position to begin at: 0, or a `next` of the same matrix and question. */
  readonly from: number
  readonly limit: number
}

/** Subjects looked at in one call, each one's memory waited for: a millisecond or two. */
const MAX_SCANNED = 5_000
/** After so much work a call ends early, wherever it is: it takes about as long. */
const MAX_STEPS = 100_000
/** Reading a permission's name to see whether it is asked about. */
const NAME_STEPS = 30

/** Of which kind a subject is, by where its record begins. */
export function recordKind(matrix: Matrix, record: number): SubjectKind {
  const info = matrix.subjects[record + SUBJECT.info] ?? 0
  return info & INFO.client ? 'client' : 'user'
}

/**
 * Ids of the subjects of a kind who may do something: exactly those whom an evaluation allows it.
 * One call of this, as of the searches below, does a bounded amount of work: a page may come short
 * of its limit, even empty, with `next` saying where to go on.
 *
 * @param permission index, or -1: nobody may do what is not known
 */
export function searchSubjects(
  matrix: Matrix,
  question: {
    readonly kind: SubjectKind
    readonly permission: number
    readonly division: number
    readonly scopes: AttributeScopes | undefined
  },
  { from, limit }: SearchStretch,
): Page<string> {
  const { kind, permission, division, scopes } = question
  const items: string[] = []
  if (permission < 0) return { items, next: undefined }
  const end = Math.min(matrix.subjectCount, from + MAX_SCANNED)
  const mark = matrix.steps.mark()
  for (let subject = from; subject < end; subject++) {
    if (matrix.steps.since(mark) > MAX_STEPS) return { items, next: subject }
    if (!allows(matrix, subject, permission, division, scopes)) continue
    if (recordKind(matrix, matrix.subjectStarts[subject] ?? 0) !== kind) continue
    const id = matrix.subjectId(subject)
    // What is empty cannot be asked for.
    if (id === '') continue
    if (items.length === limit) return { items, next: subject }
    items.push(id)
  }
  return { items, next: end < matrix.subjectCount ? end : undefined }
}

/**
 * Ids of the organisation's divisions in which a subject may do something, in the matrix's order.
 *
 * @param subject index, or -1; `permission` likewise
 * @param division instead of each one's own, where the question names the division itself
 */
export function searchDivisions(
  matrix: Matrix,
  question: {
    readonly subject: number
    readonly permission: number
    readonly division: number | undefined
    readonly scopes: AttributeScopes | undefined
  },
  { from, limit }: SearchStretch,
): Page<string> {
  const { subject, permission, scopes } = question
  const items: string[] = []
  const mark = matrix.steps.mark()
  for (let index = from; index < matrix.divisionCount; index++) {
    if (matrix.steps.since(mark) > MAX_STEPS) return { items, next: index }
    const division = question.division ?? index
    if (!allows(matrix, subject, permission, division, scopes)) continue
    const { id } = matrix.division(index)
    if (id === '') continue
    if (items.length === limit) return { items, next: index }
    items.push(id)
  }
  return { items, next: undefined }
}

/**
 * Names of the actions that a subject may do in a division, in order of permission code.
 *
 * @param subject index, or -1
 * @param nameOf the action that a permission is asked for by; undefined for those not asked about
 */
export function searchActions(
  matrix: Matrix,
  question: {
    readonly subject: number
    readonly nameOf: (permission: number) => string | undefined
    readonly division: number
    readonly scopes: AttributeScopes | undefined
  },
  { from, limit }: SearchStretch,
): Page<string> {
  const { subject, nameOf, division, scopes } = question
  const items: string[] = []
  if (subject < 0) return { items, next: undefined }
  const mark = matrix.steps.mark()
  for (let permission = from; permission < matrix.permissionCount; permission++) {
    if (matrix.steps.since(mark) > MAX_STEPS) return { items, next: permission }
    matrix.steps.count(NAME_STEPS)
    const name = nameOf(permission)
    if (name === undefined) continue
    if (!allows(matrix, subject, permission, division, scopes)) continue
    if (items.length === limit) return { items, next: permission }
    items.push(name)
  }
  return { items, next: undefined }
}
