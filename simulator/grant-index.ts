import type { Grant, SubjectGrant } from './records.ts'

/** The direct grants of all subjects, found by subject, by role and by division. */
export class GrantIndex {
  readonly #bySubject = new Map<string, Grant[]>()
  readonly #subjectsByRole = new Map<string, Set<string>>()
  /** Thousands of subjects hold the same role in the same division: one object serves them all. */
  readonly #interned = new Map<string, Grant>()
  /** Arrays to cut pages from, made on first use and dropped when the role's subjects change. */
  readonly #roleLists = new Map<string, readonly string[]>()
  #byDivision: Map<string, SubjectGrant[]> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** False when the subject already had it. */
  add(subjectId: string, roleId: string, divisionId: string): boolean {
    const held = this.#bySubject.get(subjectId)
    const grant = this.#intern(roleId, divisionId)
    if (held === undefined) this.#bySubject.set(subjectId, [grant])
    else if (held.includes(grant)) return false
    else held.push(grant)
    this.#size += 1
    this.#byDivision = undefined
    this.#noteSubject(roleId, subjectId)
    return true
  }

  /** False when the subject did not have it. */
  remove(subjectId: string, roleId: string, divisionId: string): boolean {
    const held = this.#bySubject.get(subjectId)
    const at = held?.indexOf(this.#intern(roleId, divisionId)) ?? -1
    if (held === undefined || at < 0) return false
    held.splice(at, 1)
    this.#size -= 1
    this.#byDivision = undefined
    if (!held.some((grant) => grant.roleId === roleId)) {
      this.#subjectsByRole.get(roleId)?.delete(subjectId)
      this.#roleLists.delete(roleId)
    }
    if (held.length === 0) this.#bySubject.delete(subjectId)
    return true
  }

  ofSubject(subjectId: string): readonly Grant[] {
    return this.#bySubject.get(subjectId) ?? []
  }

  /** In the order in which the subjects first got the role. */
  subjectsOfRole(roleId: string): readonly string[] {
    let list = this.#roleLists.get(roleId)
    if (list === undefined) {
      list = [...(this.#subjectsByRole.get(roleId) ?? [])]
      this.#roleLists.set(roleId, list)
    }
    return list
  }

  /** Grants in exactly this division: those in `*` are found under `*` alone. */
  ofDivision(divisionId: string): readonly SubjectGrant[] {
    this.#byDivision ??= this.#groupByDivision()
    return this.#byDivision.get(divisionId) ?? []
  }

  removeSubject(subjectId: string): void {
    for (const grant of [...this.ofSubject(subjectId)]) {
      this.remove(subjectId, grant.roleId, grant.divisionId)
    }
  }

  removeRole(roleId: string): void {
    for (const subjectId of [...this.subjectsOfRole(roleId)]) {
      for (const grant of [...this.ofSubject(subjectId)]) {
        if (grant.roleId === roleId) this.remove(subjectId, roleId, grant.divisionId)
      }
    }
  }

  #intern(roleId: string, divisionId: string): Grant {
    const key = `${roleId} ${divisionId}`
    let grant = this.#interned.get(key)
    if (grant === undefined) {
      grant = { roleId, divisionId }
      this.#interned.set(key, grant)
    }
    return grant
  }

  #noteSubject(roleId: string, subjectId: string): void {
    let subjects = this.#subjectsByRole.get(roleId)
    if (subjects === undefined) {
      subjects = new Set()
      this.#subjectsByRole.set(roleId, subjects)
    }
    if (subjects.has(subjectId)) return
    subjects.add(subjectId)
    this.#roleLists.delete(roleId)
  }

  #groupByDivision(): Map<string, SubjectGrant[]> {
    const groups = new Map<string, SubjectGrant[]>()
    for (const [subjectId, grants] of this.#bySubject) {
      for (const { roleId, divisionId } of grants) {
        const group = groups.get(divisionId)
        const grant = { subjectId, roleId, divisionId }
        if (group === undefined) groups.set(divisionId, [grant])
        else group.push(grant)
      }
    }
    return groups
  }
}
