import { auditEntry } from '../domain/audit.ts'
import type { Json, NewAuditEntry } from '../domain/audit.ts'
import { subjectDrift } from '../domain/compare-matrices.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import type { SubjectFact } from '../domain/facts.ts'
import { grantsWithout } from '../domain/grant-sets.ts'
import type { Matrix } from '../domain/matrix.ts'
import { subjectReader } from '../domain/matrix-facts.ts'
import { namesOf } from '../domain/organization-names.ts'
import type { OrganizationNames } from '../domain/organization-names.ts'
import type { Rebuild } from '../domain/rebuild.ts'
import { fitEntry } from './fit-entry.ts'

/** Differences in groups, roles, divisions and permissions that the counting entry names. */
const MAX_NAMED = 200

type Matrices = { readonly before: Matrix; readonly after: Matrix }

/**
 * The entry that counts what drifted: `details` are `{counts, total, since, users, usersUntold,
 * entries}`.
 * `users` is how many differ, `usersUntold` how many of them have no entry of their own; `entries`
 * name the first differences of groups, roles, divisions and permissions, and `entriesUntold` says
 * how many more there are.
 */
export function driftEntry(
  rebuild: Rebuild,
  { before, after }: { readonly before: Matrix | undefined; readonly after: Matrix },
  drift: Drift,
  usersTold: number,
): NewAuditEntry {
  const found = Object.entries(drift.counts).filter(([, count]) => count > 0)
  const named = drift.entries.slice(0, MAX_NAMED)
  const untold = drift.entryCount - named.length
  const entry: NewAuditEntry = {
    ...emptyEntry(rebuild),
    before: before ? { revision: before.revision } : null,
    after: { revision: after.revision },
    details: {
      counts: Object.fromEntries(found),
      total: found.reduce((sum, [, count]) => sum + count, 0),
      ...(before ? { since: sinceOf(before) } : {}),
      users: drift.subjects,
      usersUntold: drift.subjects - usersTold,
      entries: named,
      ...(untold === 0 ? {} : { entriesUntold: untold }),
    },
  }
  return fitEntry(entry, before ? namesIn({ before, after }) : namesOf(after))
}

/**
 * An entry for each user who differs: `before` and `after` are `{state, grants, groupIds}` as the two
 * matrices have them, null where the user was or is not there; `details` are `{kinds, added, removed,
 * revision, since, names}`, the grants of `added` and `removed` being direct ones.
 */
export function* userDriftEntries(
  rebuild: Rebuild,
  matrices: Matrices,
  userIds: readonly string[],
): Generator<NewAuditEntry> {
  if (userIds.length === 0) return
  const names = namesIn(matrices)
  const readBefore = subjectReader(matrices.before)
  const readAfter = subjectReader(matrices.after)
  const { revision } = matrices.after
  const since = sinceOf(matrices.before)
  for (const userId of userIds) {
    const [was, is] = [readBefore(userId), readAfter(userId)]
    const entry: NewAuditEntry = {
      ...emptyEntry(rebuild),
      userId,
      before: stateOf(was),
      after: stateOf(is),
      details: {
        kinds: kindsOf(was, is),
        added: grantsWithout(is?.grants ?? [], was?.grants ?? []),
        removed: grantsWithout(was?.grants ?? [], is?.grants ?? []),
        revision,
        since,
      },
    }
    yield fitEntry(entry, names)
  }
}

/** What differs came about after the matrix before was read: ISO 8601. */
function sinceOf(before: Matrix): string {
  return new Date(before.takenAt).toISOString()
}

function emptyEntry(rebuild: Rebuild): NewAuditEntry {
  return auditEntry({
    action: 'drift',
    outcome: 'succeeded',
    actor: 'platform',
    subjectId: rebuild.id,
  })
}

function stateOf(subject: SubjectFact | undefined): Json {
  if (subject === undefined) return null
  const { state, grants, groupIds } = subject
  return { state, grants, groupIds }
}

function kindsOf(was: SubjectFact | undefined, is: SubjectFact | undefined): string[] {
  if (was === undefined) return ['subject_added']
  if (is === undefined) return ['subject_removed']
  const counts = Object.entries(subjectDrift(was, is))
  return counts.filter(([, count]) => count > 0).map(([kind]) => kind)
}

/** Names of now, and of before for what is gone. */
function namesIn({ before, after }: Matrices): OrganizationNames {
  const [was, is] = [namesOf(before), namesOf(after)]
  return {
    user: (id) => is.user(id) ?? was.user(id),
    role: (id) => is.role(id) ?? was.role(id),
    division: (id) => is.division(id) ?? was.division(id),
    group: (id) => is.group(id) ?? was.group(id),
  }
}
