import { randomUUID } from 'node:crypto'

/** Something that was created through the architecture API. */
export interface ArchitectureRecord {
  readonly id: string
  readonly name: string
  readonly createdDate: string
  /** What it was created with besides its name. */
  readonly content: object
}

/** Allowlists or environments of an organisation. Names are taken at once, listings follow later. */
export class ArchitectureCollection {
  readonly #names = new Set<string>()
  #listed: readonly ArchitectureRecord[] = []

  /** In the order of their creation. */
  get listed(): readonly ArchitectureRecord[] {
    return this.#listed
  }

  /** A record under a name that is taken from now on; undefined when somebody has it. */
  reserve(name: string, content: object): ArchitectureRecord | undefined {
    if (this.#names.has(name)) return undefined
    this.#names.add(name)
    return { id: randomUUID(), name, createdDate: new Date().toISOString(), content }
  }

  show(record: ArchitectureRecord): void {
    this.#listed = [...this.#listed, record]
  }

  /** As another admin does it. */
  delete(id: string): void {
    for (const record of this.#listed) if (record.id === id) this.#names.delete(record.name)
    this.#listed = this.#listed.filter((record) => record.id !== id)
  }
}

/** What an organisation has of the architecture API. */
export class ArchitectureState {
  /** An organisation without it answers 404 to all of it. */
  offered = true
  readonly ipAllowlists = new ArchitectureCollection()
  readonly environments = new ArchitectureCollection()
}
