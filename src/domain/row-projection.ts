import type { RoleRows } from './role-rows.ts'

/**
 * Rows of permission bits cut down to some of their words: where a change can only differ in a few
 * of them, the others need not be looked at for every user. `words` are their positions, ascending.
 */
export class RowProjection {
  readonly #words: readonly number[]
  /** Words of a whole row. */
  readonly #width: number

  constructor(words: readonly number[], width: number) {
    this.#words = words
    this.#width = width
  }

  /** Words of a row cut down. */
  get width(): number {
    return this.#words.length
  }

  cut(bits: Uint32Array): Uint32Array {
    return Uint32Array.from(this.#words, (word) => bits[word] as number)
  }

  /** A whole row again; what was cut off is empty. */
  expand(bits: Uint32Array): Uint32Array {
    const whole = new Uint32Array(this.#width)
    for (const [i, word] of this.#words.entries()) whole[word] = bits[i] as number
    return whole
  }

  /** All rows cut down. */
  cutRows(rows: RoleRows, roleCount: number): RoleRows {
    const roles = Array.from({ length: roleCount }, (_, role) => role)
    const given = roles.map((role) => this.cut(rows.given(role)))
    const conditional = roles.map((role) => {
      const row = rows.conditional(role)
      return row === undefined ? undefined : this.cut(row)
    })
    return {
      given: (role) => given[role] as Uint32Array,
      conditional: (role) => conditional[role],
    }
  }

  /** The bit of a permission in a row cut down; -1 when it was cut off. */
  bitOf(permission: number): number {
    const at = this.#words.indexOf(permission >>> 5)
    return at < 0 ? -1 : at * 32 + (permission & 31)
  }

  /** The permission whose bit in a row cut down it is. */
  permissionOf(bit: number): number {
    return (this.#words[bit >>> 5] as number) * 32 + (bit & 31)
  }
}
