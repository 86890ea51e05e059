import type { Matrix, Named } from './matrix.ts'
import { nearestName } from './permission.ts'

/** The id that a text stands for, or why it stands for none. */
export type LookedUp = { readonly id: string } | { readonly fault: () => string }

/** Finds roles or divisions by id, else by their exact name where only one has it. */
export class NameLookup {
  readonly #what: string
  readonly #ids = new Set<string>()
  readonly #idsByName = new Map<string, string[]>()

  /** `what` is the word for one of them: `role`. */
  constructor(what: string, items: Iterable<Named>) {
    this.#what = what
    for (const { id, name } of items) {
      this.#ids.add(id)
      const others = this.#idsByName.get(name)
      if (others === undefined) this.#idsByName.set(name, [id])
      else others.push(id)
    }
  }

  find(text: string): LookedUp {
    if (this.#ids.has(text)) return { id: text }
    const ids = this.#idsByName.get(text) ?? []
    const [id] = ids
    if (ids.length === 1 && id !== undefined) return { id }
    return { fault: () => this.#fault(text, ids.length) }
  }

  #fault(text: string, found: number): string {
    if (found > 1) return `${found} ${this.#what}s are called ${text}: name the one by its id`
    const nearest = nearestName(text, this.#idsByName.keys())
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
    return `no ${this.#what} has the id or name ${text}${hint}`
  }
}

export function lookUpRoles(matrix: Matrix): NameLookup {
  const roles = Array.from({ length: matrix.roleCount }, (_, index) => matrix.role(index))
  return new NameLookup('role', roles)
}

export function lookUpDivisions(matrix: Matrix): NameLookup {
  const divisions = Array.from({ length: matrix.divisionCount }, (_, i) => matrix.division(i))
  return new NameLookup('division', divisions)
}
