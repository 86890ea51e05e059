import type { Gaps, Grant, GroupFact, SubjectFact } from '../domain/facts.ts'
import type { ListedGroup } from './map-directory.ts'
import type { RoleHolder } from './map-role-holder.ts'
import type { KnownUser } from './read-users.ts'

/** A role with all its direct holders. */
export type HeldRole = { readonly roleId: string; readonly holders: readonly RoleHolder[] }

type Assigned = {
  readonly subjects: readonly SubjectFact[]
  readonly groups: readonly GroupFact[]
  readonly gaps: Pick<
    Gaps,
    'grantsOfUnlistedUsers' | 'grantsOfForeignSubjects' | 'grantsOfUnknownRoleOrDivision'
  >
}

/** Turns "who holds this role" round into "what does each one hold". */
export function assignGrants(
  users: readonly KnownUser[],
  groups: readonly ListedGroup[],
  roles: readonly HeldRole[],
): Assigned {
  const userGrants = new Map<string, Grant[]>(users.map((user) => [user.id, []]))
  const groupGrants = new Map<string, Grant[]>(groups.map((group) => [group.id, []]))
  const byType = new Map([
    ['PC_USER', userGrants],
    ['PC_GROUP', groupGrants],
  ])
  const clients = new Map<string, { readonly name: string; readonly grants: Grant[] }>()
  let unlisted = 0
  let foreign = 0
  for (const { roleId, holders } of roles) {
    for (const { id, name, type, divisionIds } of holders) {
      const grants = divisionIds.map((divisionId) => ({ roleId, divisionId }))
      if (type === 'PC_OAUTH_CLIENT') {
        const client = clients.get(id)
        if (client) client.grants.push(...grants)
        else clients.set(id, { name, grants })
        continue
      }
      const holder = byType.get(type)
      const known = holder?.get(id)
      if (known) known.push(...grants)
      else if (holder) unlisted += grants.length
      else foreign += grants.length
    }
  }
  return {
    subjects: [
      ...users.map((user) => ({
        ...user,
        kind: 'user' as const,
        grants: userGrants.get(user.id) ?? [],
      })),
      ...[...clients].map(([id, { name, grants }]) => clientFact(id, name, grants)),
    ],
    groups: groups.map((group) => ({ ...group, grants: groupGrants.get(group.id) ?? [] })),
    gaps: {
      grantsOfUnlistedUsers: unlisted,
      grantsOfForeignSubjects: foreign,
      // Left to whoever builds the matrix: it knows every role and division.
      grantsOfUnknownRoleOrDivision: 0,
    },
  }
}

/** An OAuth client as a subject: it is never in a group and never inactive. */
function clientFact(id: string, name: string, grants: readonly Grant[]): SubjectFact {
  return { id, kind: 'client', name, email: '', state: 'active', groupIds: [], grants }
}
