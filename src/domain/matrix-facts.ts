import { ALL_DIVISIONS } from './facts.ts'
import type { Facts, Grant, GroupFact, SubjectFact } from './facts.ts'
import { GROUP, GROUP_BIT, INFO, SUBJECT } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'
import { readPermission, readRole } from './role-records.ts'

/**
 * The facts that a matrix was built from, as far as it keeps them: building from these again gives
 * the same bytes. What was left out as a gap stays counted as one.
 */
export function matrixFacts(matrix: Matrix): Facts {
  const { organizationId, organizationName, activeAccessPolicies, gaps } = matrix.description
  const readGrant = grantReader(matrix)
  const groups = readGroups(matrix, readGrant)
  const permissions = indices(matrix.permissionCount, (index) => readPermission(matrix, index))
  return {
    organizationId,
    organizationName,
    takenAt: matrix.takenAt,
    subjects: indices(matrix.subjectCount, (index) =>
      readSubject(matrix, index, readGrant, groups),
    ),
    groups,
    divisions: indices(matrix.divisionCount, (index) => matrix.division(index)),
    roles: indices(matrix.roleCount, (index) => readRole(matrix, index)),
    permissions: permissions.filter((permission) => !permission.flat),
    activeAccessPolicies,
    gaps,
  }
}

/** Facts of the subjects as the matrix holds them, without those that are not in it. */
export function subjectFacts(matrix: Matrix, ids: readonly string[]): SubjectFact[] {
  return ids.map(subjectReader(matrix)).filter((subject) => subject !== undefined)
}

/** Reads single subjects; undefined for one that is not in the matrix. Costly to make, cheap to use. */
export function subjectReader(matrix: Matrix): (id: string) => SubjectFact | undefined {
  const readGrant = grantReader(matrix)
  const groups = readGroups(matrix, readGrant)
  return (id) => {
    const index = matrix.findSubject(id)
    return index < 0 ? undefined : readSubject(matrix, index, readGrant, groups)
  }
}

/** Reads grants; the names of roles and divisions are read once for all. */
function grantReader(matrix: Matrix): (word: number) => Grant {
  const { divisionBits, divisionMask } = matrix
  const roleIds = indices(matrix.roleCount, (index) => matrix.role(index).id)
  const divisionIds = indices(matrix.divisionCount, (index) => matrix.division(index).id)
  return (word) => ({
    roleId: roleIds[word >>> divisionBits] ?? '',
    divisionId: divisionIds[word & divisionMask] ?? ALL_DIVISIONS,
  })
}

function readGroups(matrix: Matrix, readGrant: (word: number) => Grant): GroupFact[] {
  return indices(matrix.groupCount, (index) => {
    const start = matrix.groups[index * GROUP.words + GROUP.start] ?? 0
    const count = matrix.groups[index * GROUP.words + GROUP.count] ?? 0
    const held = matrix.groupGrants.subarray(start, start + count)
    return { ...matrix.group(index), grants: Array.from(held, readGrant) }
  })
}

function readSubject(
  matrix: Matrix,
  index: number,
  readGrant: (word: number) => Grant,
  groups: readonly GroupFact[],
): SubjectFact {
  const record = matrix.subjectStarts[index] ?? 0
  const count = (matrix.subjects[record + SUBJECT.info] ?? 0) & INFO.countMask
  const start = record + SUBJECT.assignments
  const assignments = matrix.subjects.subarray(start, start + count)
  const memberships = assignments
    .filter((assignment) => assignment < 0)
    .map((assignment) => assignment & ~GROUP_BIT)
  return {
    ...matrix.subject(index),
    groupIds: pick(groups, memberships).map((group) => group.id),
    grants: Array.from(
      assignments.filter((assignment) => assignment >= 0),
      readGrant,
    ),
  }
}

function pick<Item>(items: readonly Item[], positions: Int32Array): Item[] {
  const picked: Item[] = []
  for (const position of positions) {
    const item = items[position]
    if (item !== undefined) picked.push(item)
  }
  return picked
}

function indices<Item>(count: number, read: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => read(index))
}
