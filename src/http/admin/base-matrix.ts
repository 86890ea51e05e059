import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { ServedMatrices } from '../../domain/served.ts'

/**
 * The matrix that changes are thought out on: the served one, or that of the revision asked for.
 * Throws `gone` when it is no longer held, `invalid` when there never was one, `not-ready` while
 * nothing may be served.
 */
export function baseMatrix(matrices: ServedMatrices, revision: number | undefined): Matrix {
  const served = matrices.current()
  if (revision === undefined || revision === served.revision) return served
  if (revision > served.revision) {
    const message = `baseRevision is later than ${served.revision}, which is served`
    throw new Failure('invalid', message, { field: 'baseRevision' })
  }
  return matrices.at(revision)
}
