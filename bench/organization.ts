import { ALL_DIVISIONS, NO_GAPS } from '../src/domain/facts.ts'
import type { Facts, PermissionFact, RoleFact, SubjectFact } from '../src/domain/facts.ts'
import { pick, randomUuid, seededRandom } from './random.ts'

export type Size = {
  readonly users: number
  readonly roles: number
  readonly permissions: number
  readonly divisions: number
  readonly groups: number
}

/** The organisation of the figures: about three direct grants and one group a user. */
export const FULL_SIZE: Size = {
  users: 100_000,
  roles: 300,
  permissions: 2_000,
  divisions: 50,
  groups: 200,
}

/** Facts of a seeded organisation, names and emails included, as a rebuild would read them. */
export function generateFacts(size: Size, seed = 1): Facts {
  const random = seededRandom(seed)
  const divisions = times(size.divisions, (i) => ({
    id: randomUuid(random),
    name: `Division ${i}`,
    home: i === 0,
  }))
  const permissions = times(size.permissions, generatePermission)
  const roles = times(size.roles, (i) => generateRole(i, permissions, random))
  const grant = () => ({
    roleId: pick(roles, random).id,
    divisionId: random() < 0.1 ? ALL_DIVISIONS : pick(divisions, random).id,
  })
  const groups = times(size.groups, (i) => ({
    id: randomUuid(random),
    name: `Group ${i}`,
    rolesEnabled: random() < 0.5,
    grants: times(1 + Math.floor(random() * 3), grant),
  }))
  const subjects = times(size.users, (i): SubjectFact => ({
    id: randomUuid(random),
    kind: 'user',
    name: `First${i} Last${i}`,
    email: `first${i}.last${i}@example.com`,
    state: random() < 0.05 ? 'inactive' : 'active',
    groupIds: random() < 0.7 ? [pick(groups, random).id] : [],
    grants: times(2 + Math.floor(random() * 3), grant),
  }))
  return {
    organizationId: randomUuid(random),
    organizationName: 'Bench',
    takenAt: Date.now(),
    subjects,
    groups,
    divisions,
    roles,
    permissions,
    activeAccessPolicies: 0,
    gaps: NO_GAPS,
  }
}

const ACTIONS = ['add', 'delete', 'edit', 'view', 'search']

function generatePermission(index: number): PermissionFact {
  return {
    domain: `domain${Math.floor(index / 50)}`,
    entity: `entity${Math.floor(index / 5) % 10}`,
    action: ACTIONS[index % 5] ?? 'view',
    label: `Permission ${index}`,
    divisionAware: index % 3 !== 0,
    allowsConditions: false,
  }
}

/** Role sizes with a long tail: most give a few dozen permissions, some give hundreds. */
function generateRole(
  index: number,
  permissions: readonly PermissionFact[],
  random: () => number,
): RoleFact {
  const count = Math.ceil(10 + 300 * random() ** 6)
  const policies = times(count, () => {
    const { domain, entity, action } = pick(permissions, random)
    const wildcard = random() < 0.1
    return { domain, entity, actions: [wildcard ? '*' : action], condition: null }
  })
  return {
    id: randomUuid(random),
    name: `Role ${index}`,
    defaultRoleId: '',
    licences: [],
    permissions: [],
    policies,
  }
}

function times<Item>(count: number, make: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
