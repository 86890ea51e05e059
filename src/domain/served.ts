import type { Matrix } from './matrix.ts'

/** The matrices that may be read just now, as the planes see them. */
export interface ServedMatrices {
  /**
   * The served matrix. Throws `not-ready` when there is none, or when it is older than allowed:
   * unknown is not denied.
   */
  current(): Matrix
  /** A matrix by revision, for going on with a listing. Throws `gone` when it is no longer held. */
  at(revision: number): Matrix
  /** Age of a matrix in seconds, from when reading of its facts began. */
  ageSeconds(matrix: Matrix): number
}
