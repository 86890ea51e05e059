import type { MatrixWorkshop } from '../domain/directory.ts'
import { ALL_DIVISIONS } from '../domain/facts.ts'
import type { Grant, SubjectFact } from '../domain/facts.ts'
import { subjectFacts } from '../domain/matrix-facts.ts'
import { Matrix } from '../domain/matrix.ts'
import type { TrailSince, UserParts } from './archive-trail.ts'

/** What was held at a time, as far as it can be told. */
export type PastState = {
  readonly matrix: Matrix
  /** The same, with users of {@link doubts} as they may have been instead. */
  readonly otherwise: Matrix
  /** Users who may have been otherwise; false when `otherwise` does not have all of it. */
  readonly doubts: ReadonlyMap<string, boolean>
}

export type ReplayOptions = {
  readonly archived: Matrix
  readonly trail: TrailSince
  readonly workshop: Pick<MatrixWorkshop, 'merge'>
  /** Has the names of users who were not there when the matrix was archived. */
  readonly now: Matrix
}

/** Puts what the trail says of users over an archived matrix. */
export async function replayTrail({
  archived,
  trail,
  workshop,
  now,
}: ReplayOptions): Promise<PastState> {
  const merged = async (base: Matrix, subjects: readonly SubjectFact[]): Promise<Matrix> => {
    return subjects.length === 0 ? base : new Matrix(await workshop.merge(base.buffer, subjects))
  }
  const doubts = new Map<string, boolean>()
  const known: [string, UserParts][] = []
  const possible: [string, UserParts][] = []
  for (const [id, { parts, doubt }] of trail.users) {
    if (Object.keys(parts).length > 0) known.push([id, parts])
    if (doubt?.possible) possible.push([id, { ...parts, ...doubt.possible }])
    if (doubt) doubts.set(id, doubt.possible !== undefined)
  }
  const then = subjectsOf(known, archived, now)
  const matrix = await merged(archived, then.subjects)
  const other = subjectsOf(possible, matrix, now)
  const otherwise = await merged(matrix, other.subjects)
  for (const id of [...then.incomplete, ...other.incomplete]) doubts.set(id, false)
  return { matrix, otherwise, doubts }
}

type Subjects = {
  readonly subjects: readonly SubjectFact[]
  /** Users of whom a matrix cannot have everything that is told. */
  readonly incomplete: readonly string[]
}

/** Users as `base` has them, with what is told of them in its place. */
function subjectsOf(
  users: readonly (readonly [string, UserParts])[],
  base: Matrix,
  now: Matrix,
): Subjects {
  const ids = users.map(([id]) => id)
  const facts = [now, base].flatMap((matrix) => subjectFacts(matrix, ids))
  const factOf = new Map(facts.map((fact) => [fact.id, fact]))
  const isKnown = grantsKnownIn(base)
  const subjects: SubjectFact[] = []
  const incomplete: string[] = []
  for (const [id, parts] of users) {
    const fact = factOf.get(id)
    const grants = parts.grants ?? fact?.grants ?? []
    const left = grants.filter(isKnown)
    if (fact) subjects.push({ ...fact, ...parts, grants: left })
    const isWhole = base.findSubject(id) >= 0 || parts.groupIds !== undefined
    if (!fact || !isWhole || left.length < grants.length) incomplete.push(id)
  }
  return { subjects, incomplete }
}

/** A role or division that came later takes its grants along. */
function grantsKnownIn(matrix: Matrix): (grant: Grant) => boolean {
  const roles = new Set(Array.from({ length: matrix.roleCount }, (_, i) => matrix.role(i).id))
  return ({ roleId, divisionId }) => {
    const place = divisionId === ALL_DIVISIONS || matrix.findDivision(divisionId) >= 0
    return place && roles.has(roleId)
  }
}
