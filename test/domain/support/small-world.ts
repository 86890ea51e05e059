import { buildMatrix } from '../../../src/domain/build-matrix.ts'
import type { Condition } from '../../../src/domain/condition.ts'
import { NO_GAPS } from '../../../src/domain/facts.ts'
import type {
  DivisionFact,
  Facts,
  Grant,
  GroupFact,
  PermissionFact,
  PolicyFact,
  RoleFact,
  SubjectFact,
} from '../../../src/domain/facts.ts'
import { Matrix } from '../../../src/domain/matrix.ts'

/** An organisation of which only what matters to a test is given. */
export function worldOf(part: Partial<Facts>): Facts {
  return {
    organizationId: 'organisation',
    organizationName: 'Organisation',
    takenAt: 1_764_000_000_000,
    subjects: [],
    groups: [],
    divisions: [],
    roles: [],
    permissions: [],
    activeAccessPolicies: 0,
    gaps: NO_GAPS,
    ...part,
  }
}

export function matrixOf(part: Partial<Facts>): Matrix {
  return new Matrix(buildMatrix(worldOf(part)))
}

/** `routing:queue:view`, narrowed by divisions unless it is said not to be. */
export function permissionOf(name: string, divisionAware = true): PermissionFact {
  const [domain = '', entity = '', action = ''] = name.split(':')
  return { domain, entity, action, label: `may ${name}`, divisionAware, allowsConditions: true }
}

/** `routing:queue:view+edit`. */
export function policyOf(text: string, condition: Condition | null = null): PolicyFact {
  const [domain = '', entity = '', actions = ''] = text.split(':')
  return { domain, entity, actions: actions.split('+'), condition }
}

/** Policies as text or whole; a name without colons is a flat permission. */
export function roleOf(id: string, ...gives: readonly (string | PolicyFact)[]): RoleFact {
  return {
    id,
    name: `Role ${id}`,
    defaultRoleId: '',
    licences: [],
    permissions: gives.filter(isFlat),
    policies: gives
      .filter((given) => !isFlat(given))
      .map((given) => (typeof given === 'string' ? policyOf(given) : given)),
  }
}

function isFlat(given: string | PolicyFact): given is string {
  return typeof given === 'string' && !given.includes(':')
}

/** `viewer in north`. */
export function grantOf(text: string): Grant {
  const [roleId = '', divisionId = ''] = text.split(' in ')
  return { roleId, divisionId }
}

export function userOf(
  id: string,
  grants: readonly string[] = [],
  part: Partial<SubjectFact> = {},
): SubjectFact {
  return {
    id,
    kind: 'user',
    name: `User ${id}`,
    email: '',
    state: 'active',
    groupIds: [],
    grants: grants.map(grantOf),
    ...part,
  }
}

export function groupOf(
  id: string,
  grants: readonly string[],
  rolesEnabled: boolean = true,
): GroupFact {
  return { id, name: `Group ${id}`, rolesEnabled, grants: grants.map(grantOf) }
}

export function divisionOf(id: string, home = false): DivisionFact {
  return { id, name: `Division ${id}`, home }
}

/** A comparison of one attribute with one literal, as most conditions are. */
export function whereEqual(variableName: string, value: string): Condition {
  return { variableName, operator: 'EQ', operands: [{ type: 'SCALAR', value }] }
}
