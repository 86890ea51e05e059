import type { Facts, Grant, SubjectFact } from './facts.ts'
import { grantsWithout } from './grant-sets.ts'
import { matrixFacts } from './matrix-facts.ts'
import { Matrix } from './matrix.ts'
import { permissionName } from './permission.ts'
import { compareText } from './role-permissions.ts'

/** The kinds of difference that are counted; a closed list, used as a metric's label. */
export const DRIFT_KINDS = [
  'subject_added',
  'subject_removed',
  'subject_state_changed',
  'membership_added',
  'membership_removed',
  'grant_added',
  'grant_removed',
  'group_changed',
  'role_added',
  'role_removed',
  'role_changed',
  'permission_added',
  'permission_removed',
  'permission_changed',
  'division_added',
  'division_removed',
] as const
export type DriftKind = (typeof DRIFT_KINDS)[number]

/** A difference in what is no subject. */
type DriftEntry = {
  readonly kind: DriftKind
  readonly what: 'group' | 'role' | 'division' | 'permission'
  readonly id: string
  /** As it is called now, else as it was. */
  readonly name: string
  /** The grant that a group has or had. */
  readonly roleId?: string
  readonly divisionId?: string
  readonly detail?: string
}

export type Drift = {
  readonly counts: Readonly<Record<DriftKind, number>>
  /** The first differences of what is no subject, at most {@link MAX_DRIFT_ENTRIES}. */
  readonly entries: readonly DriftEntry[]
  /** How many of these differences there are. */
  readonly entryCount: number
  /**
   * Ids of subjects that differ, in order, at most {@link MAX_DRIFTED_SUBJECTS}: how, the two matrices
   * say.
   */
  readonly subjectIds: readonly string[]
  /** How many subjects differ. */
  readonly subjects: number
}

export const MAX_DRIFT_ENTRIES = 1_000
export const MAX_DRIFTED_SUBJECTS = 10_000

/** What changed from one matrix to another of the same organisation. Names are not compared. */
export function compareMatrices(before: SharedArrayBuffer, after: SharedArrayBuffer): Drift {
  const old = matrixFacts(new Matrix(before))
  const now = matrixFacts(new Matrix(after))
  const collector = new DriftCollector()
  mergeById(byId(old.subjects), byId(now.subjects), {
    added: ({ id }) => collector.subject(id, { subject_added: 1 }),
    removed: ({ id }) => collector.subject(id, { subject_removed: 1 }),
    both: (was, is) => collector.subject(is.id, subjectDrift(was, is)),
  })
  const what = 'group'
  mergeById(old.groups, now.groups, {
    added: ({ id, name }) => collector.add('group_changed', { what, id, name, detail: 'added' }),
    removed: ({ id, name }) => {
      collector.add('group_changed', { what, id, name, detail: 'removed' })
    },
    both: (was, is) => {
      const { id, name } = is
      if (was.rolesEnabled !== is.rolesEnabled) {
        const detail = `rolesEnabled: ${is.rolesEnabled}`
        collector.add('group_changed', { what, id, name, detail })
      }
      for (const grant of newIn(was.grants, is.grants)) {
        collector.add('grant_added', { what, id, name, ...grant })
      }
      for (const grant of newIn(is.grants, was.grants)) {
        collector.add('grant_removed', { what, id, name, ...grant })
      }
    },
  })
  mergeById(old.roles, now.roles, {
    added: ({ id, name }) => collector.add('role_added', { what: 'role', id, name }),
    removed: ({ id, name }) => collector.add('role_removed', { what: 'role', id, name }),
    both: (was, { id, name, ...is }) => {
      const gives = (role: Pick<typeof was, 'permissions' | 'policies'>): string => {
        return JSON.stringify([role.permissions, role.policies])
      }
      if (gives(was) !== gives(is)) collector.add('role_changed', { what: 'role', id, name })
    },
  })
  mergeById(old.divisions, now.divisions, {
    added: ({ id, name }) => collector.add('division_added', { what: 'division', id, name }),
    removed: ({ id, name }) => collector.add('division_removed', { what: 'division', id, name }),
    both: () => undefined,
  })
  mergeById(catalogue(old), catalogue(now), {
    added: ({ id }) => collector.add('permission_added', permissionOf(id)),
    removed: ({ id }) => collector.add('permission_removed', permissionOf(id)),
    both: (was, { id, divisionAware }) => {
      if (was.divisionAware === divisionAware) return
      const detail = `divisionAware: ${divisionAware}`
      collector.add('permission_changed', { ...permissionOf(id), detail })
    },
  })
  return collector.drift
}

type SubjectDrift = Partial<Record<DriftKind, number>>

/** What differs in one subject, by kind; kinds of which there is none are 0 or missing. */
export function subjectDrift(was: SubjectFact, is: SubjectFact): SubjectDrift {
  return {
    subject_state_changed: was.state === is.state ? 0 : 1,
    membership_added: is.groupIds.filter((id) => !was.groupIds.includes(id)).length,
    membership_removed: was.groupIds.filter((id) => !is.groupIds.includes(id)).length,
    grant_added: newIn(was.grants, is.grants).length,
    grant_removed: newIn(is.grants, was.grants).length,
  }
}

/** Grants of the second list that the first lacks. */
function newIn(before: readonly Grant[], after: readonly Grant[]): readonly Grant[] {
  // Both lists come in the matrix's order: most subjects differ in nothing and end here.
  const same =
    before.length === after.length &&
    before.every((grant, i) => {
      return grant.roleId === after[i]?.roleId && grant.divisionId === after[i]?.divisionId
    })
  return same ? [] : grantsWithout(after, before)
}

function permissionOf(id: string) {
  return { what: 'permission', id, name: id } as const
}

/** The catalogue in order of code, which is how a matrix keeps it. */
function catalogue(facts: Facts): { readonly id: string; readonly divisionAware: boolean }[] {
  return facts.permissions.map((permission) => {
    return { id: permissionName(permission), divisionAware: permission.divisionAware }
  })
}

/** True when nothing of what is compared differs. */
export function isEmptyDrift(drift: Drift): boolean {
  return DRIFT_KINDS.every((kind) => drift.counts[kind] === 0)
}

class DriftCollector {
  readonly #counts = Object.fromEntries(DRIFT_KINDS.map((kind) => [kind, 0])) as Record<
    DriftKind,
    number
  >
  readonly #entries: DriftEntry[] = []
  readonly #subjectIds: string[] = []
  #entryCount = 0
  #subjects = 0

  add(kind: DriftKind, entry: Omit<DriftEntry, 'kind'>): void {
    this.#counts[kind] += 1
    this.#entryCount += 1
    if (this.#entries.length < MAX_DRIFT_ENTRIES) this.#entries.push({ kind, ...entry })
  }

  subject(id: string, drift: SubjectDrift): void {
    let total = 0
    for (const [kind, count] of Object.entries(drift)) {
      this.#counts[kind as DriftKind] += count
      total += count
    }
    if (total === 0) return
    this.#subjects += 1
    if (this.#subjectIds.length < MAX_DRIFTED_SUBJECTS) this.#subjectIds.push(id)
  }

  get drift(): Drift {
    return {
      counts: this.#counts,
      entries: this.#entries,
      entryCount: this.#entryCount,
      subjectIds: this.#subjectIds,
      subjects: this.#subjects,
    }
  }
}

type Differences<Item> = {
  readonly added: (item: Item) => void
  readonly removed: (item: Item) => void
  readonly both: (before: Item, after: Item) => void
}

/** Subjects stand in a matrix by hash. */
function byId(subjects: readonly SubjectFact[]): SubjectFact[] {
  return subjects.toSorted((a, b) => compareText(a.id, b.id))
}

/** Walks two lists in ascending order of id side by side. */
function mergeById<Item extends { readonly id: string }>(
  before: readonly Item[],
  after: readonly Item[],
  differences: Differences<Item>,
): void {
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    const was = before[i]
    const is = after[j]
    if (was && is && was.id === is.id) {
      differences.both(was, is)
      i += 1
      j += 1
    } else if (is && (!was || is.id < was.id)) {
      differences.added(is)
      j += 1
    } else if (was) {
      differences.removed(was)
      i += 1
    }
  }
}
