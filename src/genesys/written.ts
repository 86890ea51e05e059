import type { FieldChange } from '../domain/json-difference.ts'

/** What was written to one thing so far: kept beside the work, so that a failure can tell it. */
export class Written {
  readonly #changes = new Map<string, FieldChange>()
  #id: string | undefined
  #created = false

  /** Undefined while nothing is there that could have one. */
  get id(): string | undefined {
    return this.#id
  }

  get created(): boolean {
    return this.#created
  }

  /** By field, the latest of each: what was written, or may have been where an answer was lost. */
  get changes(): readonly FieldChange[] {
    return [...this.#changes.values()]
  }

  /** It was there, or somebody else has created it. */
  found(id: string): void {
    this.#id = id
  }

  create(id: string, changes: readonly FieldChange[]): void {
    this.#id = id
    this.#created = true
    this.note(changes)
  }

  note(changes: readonly FieldChange[]): void {
    for (const change of changes) this.#changes.set(change.field, change)
  }
}
