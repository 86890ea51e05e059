import type { Matrix } from './matrix.ts'

/** What roles give, as rows of permission bits: `permissionWords` words a row. */
export type RoleRows = {
  /** Without condition. Not to be written to. */
  given(role: number): Uint32Array
  /** Under a condition; undefined for a role without conditional policies. Not to be written to. */
  conditional(role: number): Uint32Array | undefined
}

/** The rows as the matrix has them. */
export function matrixRows(matrix: Matrix): RoleRows {
  const { permissionWords: width, roleCount, roleBits, conditionalBits, conditionalRows } = matrix
  const given = Array.from({ length: roleCount }, (_, role) =>
    roleBits.subarray(role * width, (role + 1) * width),
  )
  const conditional = Array.from(conditionalRows, (row) =>
    row === 0 ? undefined : conditionalBits.subarray((row - 1) * width, row * width),
  )
  return {
    given: (role) => given[role] as Uint32Array,
    conditional: (role) => conditional[role],
  }
}

/** The same rows but for one role. */
export function withRole(
  rows: RoleRows,
  edited: number,
  given: Uint32Array,
  conditional: Uint32Array | undefined,
): RoleRows {
  return {
    given: (role) => (role === edited ? given : rows.given(role)),
    conditional: (role) => (role === edited ? conditional : rows.conditional(role)),
  }
}

/** Indices of the bits that are set, ascending. */
export function bitIndices(bits: Uint32Array): number[] {
  const indices: number[] = []
  for (let word = 0; word < bits.length; word++) {
    for (let rest = bits[word] as number; rest !== 0; rest &= rest - 1) {
      indices.push(word * 32 + 31 - Math.clz32(rest & -rest))
    }
  }
  return indices
}

export function setBit(bits: Uint32Array, index: number): void {
  bits[index >>> 5] = (bits[index >>> 5] as number) | (1 << (index & 31))
}

export function hasBit(bits: Uint32Array, index: number): boolean {
  return ((bits[index >>> 5] as number) & (1 << (index & 31))) !== 0
}
