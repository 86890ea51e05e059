import type { Matrix } from './matrix.ts'

const known = new WeakMap<Matrix, ReadonlySet<string>>()

/** Names of the organisation's roles; of one matrix they are read once. */
export function roleNamesOf(matrix: Matrix): ReadonlySet<string> {
  const names =
    known.get(matrix) ??
    new Set(Array.from({ length: matrix.roleCount }, (_, index) => matrix.role(index).name))
  known.set(matrix, names)
  return names
}
