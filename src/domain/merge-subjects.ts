import { buildMatrix } from './build-matrix.ts'
import type { SubjectFact } from './facts.ts'
import { matrixFacts } from './matrix-facts.ts'
import { Matrix } from './matrix.ts'
import { replaceGrants } from './replace-grants.ts'

/**
 * The matrix with the given subjects as they are said to be, all else unchanged: equal to building
 * from the facts with these subjects put in place of their former selves.
 */
export function mergeSubjects(
  base: SharedArrayBuffer,
  subjects: readonly SubjectFact[],
): SharedArrayBuffer {
  const matrix = new Matrix(base)
  const regranted = replaceGrants(matrix, subjects)
  if (regranted) return regranted
  const facts = matrixFacts(matrix)
  const replaced = new Set(subjects.map((subject) => subject.id))
  const kept = facts.subjects.filter((subject) => !replaced.has(subject.id))
  return buildMatrix({ ...facts, subjects: [...kept, ...subjects] })
}
