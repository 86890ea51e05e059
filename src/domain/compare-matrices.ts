import type { Facts, Grant, SubjectFact } from './facts.ts'
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

type DriftEntry = {
  readonly kind: DriftKind
  /** The subject, group, role, division or permission that differs. */
  readonly id: string
  /** The grant, group or state in question. */
  readonly detail?: string
}

export type Drift = {
  readonly counts: Readonly<Record<DriftKind, number>>
  /** The first differences found, at most {@link MAX_DRIFT_ENTRIES}. */
  readonly entries: readonly DriftEntry[]
}

export const MAX_DRIFT_ENTRIES = 1_000

/** What changed from one matrix to another of the same organisation. Names are not compared. */
export function compareMatrices(before: SharedArrayBuffer, after: SharedArrayBuffer): Drift {
  const old = matrixFacts(new Matrix(before))
  const now = matrixFacts(new Matrix(after))
  const collector = new DriftCollector()
  mergeById(byId(old.subjects), byId(now.subjects), {
    added: ({ id }) => collector.add('subject_added', id),
    removed: ({ id }) => collector.add('subject_removed', id),
    both: (was, is) => {
      if (was.state !== is.state) {
        collector.add('subject_state_changed', is.id, `${was.state} → ${is.state}`)
      }
      collector.difference('membership', is.id, was.groupIds, is.groupIds)
      collector.difference('grant', is.id, was.grants.map(grantKey), is.grants.map(grantKey))
    },
  })
  mergeById(old.groups, now.groups, {
    added: ({ id }) => collector.add('group_changed', id, 'added'),
    removed: ({ id }) => collector.add('group_changed', id, 'removed'),
    both: (was, is) => {
      if (was.rolesEnabled !== is.rolesEnabled)
        collector.add('group_changed', is.id, 'rolesEnabled')
      collector.difference('grant', is.id, was.grants.map(grantKey), is.grants.map(grantKey))
    },
  })
  mergeById(old.roles, now.roles, {
    added: ({ id }) => collector.add('role_added', id),
    removed: ({ id }) => collector.add('role_removed', id),
    both: (was, is) => {
      const gives = (role: typeof was): string => JSON.stringify([role.permissions, role.policies])
      if (gives(was) !== gives(is)) collector.add('role_changed', is.id)
    },
  })
  mergeById(old.divisions, now.divisions, {
    added: ({ id }) => collector.add('division_added', id),
    removed: ({ id }) => collector.add('division_removed', id),
    both: () => undefined,
  })
  mergeById(catalogue(old), catalogue(now), {
    added: ({ id }) => collector.add('permission_added', id),
    removed: ({ id }) => collector.add('permission_removed', id),
    both: (was, is) => {
      if (was.divisionAware === is.divisionAware) return
      collector.add('permission_changed', is.id, `divisionAware: ${is.divisionAware}`)
    },
  })
  return collector.drift
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

  add(kind: DriftKind, id: string, detail?: string): void {
    this.#counts[kind] += 1
    if (this.#entries.length >= MAX_DRIFT_ENTRIES) return
    this.#entries.push(detail === undefined ? { kind, id } : { kind, id, detail })
  }

  difference(
    what: 'grant' | 'membership',
    id: string,
    before: readonly string[],
    after: readonly string[],
  ): void {
    // Both lists come in the matrix's order: most subjects differ in nothing and end here.
    if (before.length === after.length && before.every((key, i) => key === after[i])) return
    for (const key of after) if (!before.includes(key)) this.add(`${what}_added`, id, key)
    for (const key of before) if (!after.includes(key)) this.add(`${what}_removed`, id, key)
  }

  get drift(): Drift {
    return { counts: this.#counts, entries: this.#entries }
  }
}

function grantKey(grant: Grant): string {
  return `${grant.roleId} in ${grant.divisionId}`
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
