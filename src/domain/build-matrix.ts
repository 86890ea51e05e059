import { assembleMatrix } from './assemble-matrix.ts'
import { encodeAssignments } from './encode-assignments.ts'
import type { OrderedFacts } from './encode-assignments.ts'
import { encodePermissions, encodeRoles } from './encode-roles.ts'
import { encodeSubjects, orderByHash } from './encode-subjects.ts'
import type { Facts, RoleFact } from './facts.ts'
import { Failure } from './failure.ts'
import { compareText, indexPermissions } from './role-permissions.ts'
import { TextTableBuilder } from './text-table.ts'

/**
 * Facts → matrix, as `docs/permission-model.md` defines what a user may do. Deterministic: the same
 * facts, in whatever order, give the same bytes. The revision is left 0 for whoever publishes.
 *
 * Grants that name an unknown role or division are left out and counted among the gaps. Throws
 * `upstream-broken` when two subjects, groups, roles or divisions share an id.
 */
export function buildMatrix(facts: Facts): SharedArrayBuffer {
  const ordered = orderFacts(facts)
  const assignments = encodeAssignments(ordered)
  const texts = new TextTableBuilder(describe(facts, assignments.skipped))
  const permissions = indexPermissions(facts.permissions, ordered.roles)
  const roles = encodeRoles(ordered, permissions, texts)
  const divisions = ordered.divisions.flatMap((division) => {
    return [texts.intern(division.id), texts.intern(division.name), division.home ? 1 : 0]
  })
  const groups = ordered.groups.flatMap((group, index) => {
    const { starts } = assignments.groups
    const start = starts[index] ?? 0
    return [
      texts.intern(group.id),
      texts.intern(group.name),
      group.rolesEnabled ? 1 : 0,
      start,
      (starts[index + 1] ?? start) - start,
    ]
  })
  const permissionRecords = encodePermissions(permissions, texts)
  // Last: the subjects' names must follow each other without interned texts between them.
  const subjects = encodeSubjects(ordered.subjects, assignments.subjects, texts)
  const users = ordered.subjects.filter((subject) => subject.kind === 'user')
  return assembleMatrix({
    words: {
      buckets: subjects.buckets,
      subjects: subjects.records,
      subjectStarts: subjects.starts,
      groupGrants: assignments.groups.words,
      groups,
      roles: roles.roles,
      divisions,
      permissions: permissionRecords,
      policies: roles.policies,
      actions: roles.actions,
      flat: roles.flat,
      roleBits: roles.roleBits,
      givingRoles: roles.givingRoles,
      conditionalBits: roles.conditionalBits,
      textStarts: texts.starts,
    },
    text: texts.bytes,
    counts: {
      subjects: ordered.subjects.length,
      users: users.length,
      activeUsers: users.filter((user) => user.state === 'active').length,
      memberships: assignments.memberships,
      rolePermissions: countBits(roles.roleBits) + countBits(roles.conditionalBits),
      directGrants: assignments.directGrants,
      groupGrants: assignments.groupGrants,
      conditionalRoles: roles.conditionalRoles,
      permissionWords: roles.permissionWords,
      catalogued: permissions.filter((permission) => !permission.flat).length,
      firstSubjectText: subjects.firstText,
      bucketShift: subjects.bucketShift,
    },
    takenAt: facts.takenAt,
  })
}

function countBits(bits: Uint32Array): number {
  let count = 0
  for (const word of bits) for (let rest = word; rest !== 0; rest &= rest - 1) count += 1
  return count
}

function orderFacts(facts: Facts): OrderedFacts {
  const roles = orderById('roles', facts.roles).map(orderPolicies)
  const divisions = orderById('divisions', facts.divisions)
  const groups = orderById('groups', facts.groups)
  return {
    ...facts,
    subjects: orderByHash(orderById('subjects', facts.subjects)),
    roles,
    divisions,
    groups,
    roleIndex: indexById(roles),
    divisionIndex: indexById(divisions),
    groupIndex: indexById(groups),
  }
}

function orderPolicies(role: RoleFact): RoleFact {
  const policies = role.policies.map((policy) => {
    const actions = [...new Set(policy.actions)].sort(compareText)
    const { domain, entity, condition } = policy
    return {
      sorted: { ...policy, actions },
      key: JSON.stringify([domain, entity, actions, condition]),
    }
  })
  policies.sort((a, b) => compareText(a.key, b.key))
  return { ...role, policies: policies.map((policy) => policy.sorted) }
}

function orderById<Item extends { readonly id: string }>(
  what: string,
  items: readonly Item[],
): Item[] {
  const ordered = [...items].sort((a, b) => compareText(a.id, b.id))
  for (let i = 1; i < ordered.length; i++) {
    if (ordered[i - 1]?.id === ordered[i]?.id) {
      throw new Failure('upstream-broken', `two ${what} have the id ${ordered[i]?.id}`)
    }
  }
  return ordered
}

function indexById(items: readonly { readonly id: string }[]): Map<string, number> {
  return new Map(items.map((item, index) => [item.id, index]))
}

function describe(facts: Facts, skippedGrants: number): string {
  const { organizationId, organizationName, activeAccessPolicies, gaps } = facts
  return JSON.stringify({
    organizationId,
    organizationName,
    activeAccessPolicies,
    gaps: {
      ...gaps,
      grantsOfUnknownRoleOrDivision: gaps.grantsOfUnknownRoleOrDivision + skippedGrants,
    },
  })
}
