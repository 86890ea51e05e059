import type { SubjectKind } from '../../domain/facts.ts'
import { findRecord } from '../../domain/find-records.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { findPermissionOf } from '../../domain/resource-types.ts'
import type { ResourceTypes } from '../../domain/resource-types.ts'
import { recordKind } from '../../domain/search.ts'
import type { HeldBodies } from '../held-bodies.ts'
import type { LongWork } from '../long-work.ts'
import type { CheckRouteDeps } from '../check/check-route.ts'
import type { ResolvedQuestion } from './decision-text.ts'
import type { Question } from './entities.ts'

export type AuthzenRouteDeps = CheckRouteDeps & {
  /** A caller's own names of resource types. */
  readonly resourceTypes: ResourceTypes
  readonly longWork: LongWork
  readonly bodies: HeldBodies
}

/** The kind that a subject type stands for; undefined for types that nobody is of. */
export function kindOf(subjectType: string): SubjectKind | undefined {
  return subjectType === 'user' || subjectType === 'client' ? subjectType : undefined
}

/** The index of a subject of a type, or -1. */
export function findSubjectOf(matrix: Matrix, subjectType: string, id: string): number {
  const record = findRecordOf(matrix, subjectType, findRecord(matrix, id))
  return record < 0 ? -1 : matrix.findSubject(id)
}

/** The record, or -1 where it is of another type. */
function findRecordOf(matrix: Matrix, subjectType: string, record: number): number {
  return record >= 0 && kindOf(subjectType) === recordKind(matrix, record) ? record : -1
}

/** A question of the standard as one of the matrix. `record` is that of its subject's id. */
export function resolveQuestion(
  matrix: Matrix,
  types: ResourceTypes,
  question: Question,
  record = findRecord(matrix, question.subjectId),
): ResolvedQuestion {
  const { subjectType, resourceType, action, divisionId } = question
  return {
    record: findRecordOf(matrix, subjectType, record),
    permission: findPermissionOf(matrix, types, resourceType, action),
    division: matrix.findDivision(divisionId),
  }
}

/** Has a user read that the matrix does not know: clients are never read by themselves. */
export function noteUnknown(
  { unknownUsers }: Pick<CheckRouteDeps, 'unknownUsers'>,
  matrix: Matrix,
  { subjectType, subjectId }: Pick<Question, 'subjectType' | 'subjectId'>,
): void {
  if (kindOf(subjectType) !== 'user') return
  if (findRecord(matrix, subjectId) >= 0) return
  // A copy, for the id may be a part of the body's text, and what is noted would hold all of that.
  unknownUsers.note(Buffer.from(subjectId).toString())
}
