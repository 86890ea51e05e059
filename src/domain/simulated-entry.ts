import type { Matrix } from './matrix.ts'
import { addBits, addDifference, bitsWithout, commonBits, heldBits } from './permission-bits.ts'
import type { PermissionBits, PermissionReader } from './permission-bits.ts'
import { bitIndices } from './role-rows.ts'
import { OVERALL } from './rule-breaches.ts'
import type { DivisionChange, SimulatedEntry } from './simulation.ts'
import type { SubjectChange } from './subject-change.ts'

/** Readers of what is held before a change and after it. */
export type Readers = { readonly before: PermissionReader; readonly after: PermissionReader }

type Holding = { readonly before: PermissionBits; readonly after: PermissionBits }

/** Writes the audit entries of one simulation. */
export class EntryWriter {
  readonly #matrix: Matrix
  readonly #codes: readonly string[]
  readonly #readers: Readers
  readonly #timestamp: string

  constructor(matrix: Matrix, readers: Readers, timestamp: string) {
    this.#matrix = matrix
    this.#codes = [...matrix.permissionCodes()]
    this.#readers = readers
    this.#timestamp = timestamp
  }

  /** Codes of the bits that are set, in order. */
  codes(bits: Uint32Array): string[] {
    return bitIndices(bits).map((index) => this.#codes[index] as string)
  }

  write(change: SubjectChange): SimulatedEntry {
    const { before, after } = this.#holding(change, OVERALL)
    const [old, now] = [heldBits(before), heldBits(after)]
    const conditional = before.conditional.slice()
    addBits(conditional, after.conditional)
    return {
      timestamp: this.#timestamp,
      userId: this.#matrix.subjectId(change.subject),
      userName: this.#matrix.subjectName(change.subject),
      action: 'role_assignment_change',
      oldPermissions: this.codes(old),
      newPermissions: this.codes(now),
      addedPermissions: this.codes(bitsWithout(now, old)),
      removedPermissions: this.codes(bitsWithout(old, now)),
      divisions: this.#divisions(change),
      conditionalPermissions: this.codes(conditional),
    }
  }

  #holding(change: SubjectChange, place: number): Holding {
    return {
      before: this.#readers.before.read(change.before, place),
      after: this.#readers.after.read(change.after, place),
    }
  }

  /** The line of all divisions, then those of the divisions in which it is otherwise. */
  #divisions(change: SubjectChange): DivisionChange[] {
    const everywhere = this.#matrix.divisionMask
    const general = this.#holding(change, everywhere)
    const lines: DivisionChange[] = []
    if (differs(general)) lines.push(this.#line(everywhere, general))
    const named = new Set([...change.before.divisions, ...change.after.divisions])
    named.delete(everywhere)
    for (const division of [...named].sort((a, b) => a - b)) {
      const holding = this.#holding(change, division)
      if (!sameDifference(holding, general)) lines.push(this.#line(division, holding))
    }
    return lines
  }

  #line(place: number, holding: Holding): DivisionChange {
    const { id, name } = this.#matrix.grantDivision(place)
    const { added, removed, loosened, tightened } = differenceOf(holding)
    return {
      divisionId: id,
      divisionName: name,
      addedPermissions: this.codes(added),
      removedPermissions: this.codes(removed),
      loosenedPermissions: this.codes(loosened),
      tightenedPermissions: this.codes(tightened),
    }
  }
}

type Difference = Readonly<Record<'added' | 'removed' | 'loosened' | 'tightened', Uint32Array>>

function differenceOf({ before, after }: Holding): Difference {
  const [old, now] = [heldBits(before), heldBits(after)]
  return {
    added: bitsWithout(now, old),
    removed: bitsWithout(old, now),
    loosened: commonBits(before.conditional, after.given),
    tightened: commonBits(before.given, after.conditional),
  }
}

function differs({ before, after }: Holding): boolean {
  return addDifference(before, after, new Uint32Array(before.given.length))
}

function sameDifference(a: Holding, b: Holding): boolean {
  const [left, right] = [differenceOf(a), differenceOf(b)]
  const same = (kind: keyof Difference): boolean => {
    return left[kind].every((word, i) => word === right[kind][i])
  }
  return same('added') && same('removed') && same('loosened') && same('tightened')
}
