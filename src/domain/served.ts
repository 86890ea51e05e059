import type { Matrix } from './matrix.ts'

/** The matrices that may be read just now, as the planes see them. */
export interface ServedMatrices {
  /**
   * The served matrix. Throws `not-ready` when there is none, or when it is older than allowed:
   * unknown is not denied.
   */
  current(): Matrix
  /** A matrix by revision, to go on with. Throws `gone` when it is no longer held, or too old. */
  at(revision: number): Matrix
  /**
   * Says that a page token, cursor or simulation names the matrix: whoever has that will come back.
   * To be said again with each further one. Must be cheap.
   */
  hold(matrix: Matrix): void
  /** Age of a matrix in seconds, from when reading of its facts began. */
  ageSeconds(matrix: Matrix): number
}
