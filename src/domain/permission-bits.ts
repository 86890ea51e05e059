import type { EffectiveGrants } from './effective-grants.ts'
import type { Matrix } from './matrix.ts'
import { setBit } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import { reaches } from './rule-breaches.ts'

// Loops over words are written out: for tens of thousands of users callbacks would cost more than
// what they do.

/** What somebody holds at a place, a bit for each permission; none is in both rows. */
export type PermissionBits = {
  readonly given: Uint32Array
  /** Under a condition only. */
  readonly conditional: Uint32Array
}

/** Permissions that no division narrows: held everywhere, wherever they were granted. */
export function undividedPermissions(matrix: Matrix): Uint32Array {
  const bits = new Uint32Array(matrix.permissionWords)
  for (const [index, aware] of matrix.divisionAware.entries()) if (aware === 0) setBit(bits, index)
  return bits
}

/** Reads what grants give, under one set of role rows. */
export class PermissionReader {
  readonly #matrix: Matrix
  readonly #rows: RoleRows
  readonly #undivided: Uint32Array

  /** Rows and what is undivided have the same words. */
  constructor(matrix: Matrix, rows: RoleRows, undivided: Uint32Array) {
    this.#matrix = matrix
    this.#rows = rows
    this.#undivided = undivided
  }

  /** Empty rows to read into. */
  room(): PermissionBits {
    const width = this.#undivided.length
    return { given: new Uint32Array(width), conditional: new Uint32Array(width) }
  }

  /**
   * What the grants give in a division, with `divisionMask` in all, with `OVERALL` in any. Overwrites
   * and answers `into`. With `counts` those grants alone whose group it takes (-1 for direct ones).
   */
  read(
    grants: EffectiveGrants,
    place: number,
    into: PermissionBits = this.room(),
    counts?: (group: number) => boolean,
  ): PermissionBits {
    const { given, conditional } = into
    given.fill(0)
    conditional.fill(0)
    let conditions = false
    for (let i = 0; i < grants.roles.length; i++) {
      if (counts !== undefined && !counts(grants.groups[i] as number)) continue
      const role = grants.roles[i] as number
      const within = reaches(this.#matrix, grants.divisions[i] as number, place)
        ? undefined
        : this.#undivided
      addRow(given, this.#rows.given(role), within)
      const row = this.#rows.conditional(role)
      if (row === undefined) continue
      addRow(conditional, row, within)
      conditions = true
    }
    if (!conditions) return into
    for (let i = 0; i < given.length; i++) {
      conditional[i] = (conditional[i] as number) & ~(given[i] as number)
    }
    return into
  }
}

function addRow(bits: Uint32Array, row: Uint32Array, within: Uint32Array | undefined): void {
  if (within === undefined) {
    for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] as number) | (row[i] as number)
    return
  }
  for (let i = 0; i < bits.length; i++) {
    bits[i] = (bits[i] as number) | ((row[i] as number) & (within[i] as number))
  }
}

/** Bits of everything that is held, under a condition or without. */
export function heldBits({ given, conditional }: PermissionBits): Uint32Array {
  const held = new Uint32Array(given.length)
  for (let i = 0; i < held.length; i++) held[i] = (given[i] as number) | (conditional[i] as number)
  return held
}

/** The bits of the first row that are not in the second. */
export function bitsWithout(bits: Uint32Array, others: Uint32Array): Uint32Array {
  const left = new Uint32Array(bits.length)
  for (let i = 0; i < left.length; i++) left[i] = (bits[i] as number) & ~(others[i] as number)
  return left
}

/** The bits that are in both rows. */
export function commonBits(bits: Uint32Array, others: Uint32Array): Uint32Array {
  const common = new Uint32Array(bits.length)
  for (let i = 0; i < common.length; i++) common[i] = (bits[i] as number) & (others[i] as number)
  return common
}

export function isEmptyRow(bits: Uint32Array): boolean {
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) return false
  return true
}

/** Adds bits to a row. */
export function addBits(row: Uint32Array, bits: Uint32Array): void {
  for (let i = 0; i < row.length; i++) row[i] = (row[i] as number) | (bits[i] as number)
}

/** Adds to `touched` what differs between two holdings; false when nothing does. */
export function addDifference(
  before: PermissionBits,
  after: PermissionBits,
  touched: Uint32Array,
): boolean {
  let differs = 0
  for (let i = 0; i < touched.length; i++) {
    const given = (before.given[i] as number) ^ (after.given[i] as number)
    const conditional = (before.conditional[i] as number) ^ (after.conditional[i] as number)
    const word = given | conditional
    touched[i] = (touched[i] as number) | word
    differs |= word
  }
  return differs !== 0
}
