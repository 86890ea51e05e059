import { NO_GAPS } from '../../src/domain/facts.ts'
import type { Facts, SubjectFact } from '../../src/domain/facts.ts'

export const ORGANIZATION = 'a0000000-0000-4000-8000-000000000000'
export const SALES = 'd0000000-0000-4000-8000-000000000001'
export const AGENT = 'e0000000-0000-4000-8000-000000000001'
export const ANNA = 'b0000000-0000-4000-8000-000000000001'
export const BORIS = 'b0000000-0000-4000-8000-000000000002'

export function user(id: string, more: Partial<SubjectFact> = {}): SubjectFact {
  return {
    id,
    kind: 'user',
    name: `User ${id.slice(-2)}`,
    email: '',
    state: 'active',
    groupIds: [],
    grants: [{ roleId: AGENT, divisionId: SALES }],
    ...more,
  }
}

/**
 * One division, one role (`Agent`: routing:queue:view), Anna who holds it, and whoever else is
 * given.
 */
export function smallFacts(more: Partial<Facts> = {}): Facts {
  return {
    organizationId: ORGANIZATION,
    organizationName: 'Acme',
    takenAt: 1_000_000,
    subjects: [user(ANNA, { name: 'Anna' })],
    groups: [],
    divisions: [{ id: SALES, name: 'Sales', home: true }],
    roles: [
      {
        id: AGENT,
        name: 'Agent',
        defaultRoleId: '',
        licences: [],
        permissions: [],
        policies: [{ domain: 'routing', entity: 'queue', actions: ['view'], condition: null }],
      },
    ],
    permissions: [
      {
        domain: 'routing',
        entity: 'queue',
        action: 'view',
        label: 'View queues',
        divisionAware: true,
        allowsConditions: false,
      },
    ],
    activeAccessPolicies: 0,
    gaps: NO_GAPS,
    ...more,
  }
}
