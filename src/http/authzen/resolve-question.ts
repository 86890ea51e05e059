import type { SubjectKind } from '../../domain/facts.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { findPermissionOf } from '../../domain/resource-types.ts'
import type { ResourceTypes } from '../../domain/resource-types.ts'
import { subjectKind } from '../../domain/search.ts'
import type { CheckRouteDeps } from '../check/check-route.ts'
import type { ResolvedQuestion } from './decision-text.ts'
import type { Question } from './entities.ts'

export type AuthzenRouteDeps = CheckRouteDeps & {
  /** A caller's own names of resource types. */
  readonly resourceTypes: ResourceTypes
}

/** The kind that a subject type stands for; undefined for types that nobody is of. */
export function kindOf(subjectType: string): SubjectKind | undefined {
  return subjectType === 'user' || subjectType === 'client' ? subjectType : undefined
}

/** The index of a subject of a type, or -1. `found` is that of its id, where it is known already. */
export function findSubjectOf(
  matrix: Matrix,
  subjectType: string,
  id: string,
  found = matrix.findSubject(id),
): number {
  return found >= 0 && kindOf(subjectType) === subjectKind(matrix, found) ? found : -1
}

/** A question of the standard as one of the matrix. */
export function resolveQuestion(
  matrix: Matrix,
  types: ResourceTypes,
  question: Question,
  found?: number,
): ResolvedQuestion {
  const { subjectType, subjectId, resourceType, action, divisionId } = question
  return {
    subject: findSubjectOf(matrix, subjectType, subjectId, found),
    permission: findPermissionOf(matrix, types, resourceType, action),
    division: matrix.findDivision(divisionId),
  }
}

/** Has a subject read that the matrix does not know, be it under another type. */
export function noteUnknown(
  { unknownUsers }: Pick<CheckRouteDeps, 'unknownUsers'>,
  matrix: Matrix,
  { subjectType, subjectId }: Pick<Question, 'subjectType' | 'subjectId'>,
): void {
  if (kindOf(subjectType) === undefined) return
  if (matrix.findSubject(subjectId) < 0) unknownUsers.note(subjectId)
}
