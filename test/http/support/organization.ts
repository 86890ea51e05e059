import { buildMatrix } from '../../../src/domain/build-matrix.ts'
import { NO_GAPS } from '../../../src/domain/facts.ts'
import type { Facts, SubjectFact } from '../../../src/domain/facts.ts'
import { Failure } from '../../../src/domain/failure.ts'
import { Matrix, stampRevision } from '../../../src/domain/matrix.ts'
import type { ServedMatrices } from '../../../src/domain/served.ts'

const id = (last: string): string => `00000000-0000-4000-8000-${last.padStart(12, '0')}`

/*
 * ada    agent in sales, direct     → routing:queue:view in sales
 * bob    in group supervisors       → routing:queue:* in all divisions, group_creation
 * cay    inactive, agent
 * dan    may view recordings under a condition on queue
 * robot  an OAuth client, agent in support
 * quote  an id that needs escaping
 */
export const USERS = {
  ada: id('a1'),
  bob: id('b1'),
  cay: id('c1'),
  dan: id('d1'),
  robot: id('e1'),
  quote: 'we"ird\\ünïque',
  nobody: id('99'),
}
export const DIVISIONS = { home: id('d0'), sales: id('d5'), support: id('d6') }
export const ROLES = { agent: id('f1'), supervisor: id('f2'), reviewer: id('f3') }
const SUPERVISORS = id('9a')

const user = (name: keyof typeof USERS, more: Partial<SubjectFact> = {}): SubjectFact => ({
  id: USERS[name],
  kind: 'user',
  name: name.charAt(0).toUpperCase() + name.slice(1),
  email: `${name}@example.com`,
  state: 'active',
  groupIds: [],
  grants: [],
  ...more,
})

const permission = (code: string, divisionAware: boolean, allowsConditions = false) => {
  const [domain = '', entity = '', action = ''] = code.split(':')
  return { domain, entity, action, label: `Label of ${code}`, divisionAware, allowsConditions }
}

export const FACTS: Facts = {
  organizationId: id('77'),
  organizationName: 'Example',
  takenAt: Date.parse('2026-11-21T12:00:00Z'),
  subjects: [
    user('ada', { grants: [{ roleId: ROLES.agent, divisionId: DIVISIONS.sales }] }),
    user('bob', { groupIds: [SUPERVISORS] }),
    user('cay', {
      state: 'inactive',
      grants: [{ roleId: ROLES.agent, divisionId: DIVISIONS.sales }],
    }),
    user('dan', { grants: [{ roleId: ROLES.reviewer, divisionId: '*' }] }),
    user('robot', {
      kind: 'client',
      email: '',
      grants: [{ roleId: ROLES.agent, divisionId: DIVISIONS.support }],
    }),
    user('quote', { grants: [{ roleId: ROLES.agent, divisionId: '*' }] }),
  ],
  groups: [
    {
      id: SUPERVISORS,
      name: 'Supervisors',
      rolesEnabled: true,
      grants: [{ roleId: ROLES.supervisor, divisionId: '*' }],
    },
  ],
  divisions: [
    { id: DIVISIONS.home, name: 'Home', home: true },
    { id: DIVISIONS.sales, name: 'Sales', home: false },
    { id: DIVISIONS.support, name: 'Support', home: false },
  ],
  roles: [
    {
      id: ROLES.agent,
      name: 'Agent',
      defaultRoleId: '',
      licences: [],
      permissions: [],
      policies: [{ domain: 'routing', entity: 'queue', actions: ['view'], condition: null }],
    },
    {
      id: ROLES.supervisor,
      name: 'Supervisor',
      defaultRoleId: '',
      licences: [],
      permissions: ['group_creation'],
      policies: [{ domain: 'routing', entity: 'queue', actions: ['*'], condition: null }],
    },
    {
      id: ROLES.reviewer,
      name: 'Reviewer',
      defaultRoleId: '',
      licences: [],
      permissions: [],
      policies: [
        {
          domain: 'recording',
          entity: 'recording',
          actions: ['view'],
          condition: {
            variableName: 'queue.id',
            operator: 'EQ',
            operands: [{ type: 'SCALAR', value: 'q1' }],
          },
        },
      ],
    },
  ],
  permissions: [
    permission('routing:queue:view', true),
    permission('routing:queue:edit', true),
    permission('routing:queue:delete', true),
    permission('recording:recording:view', true, true),
    permission('directory:user:view', false),
  ],
  activeAccessPolicies: 0,
  gaps: NO_GAPS,
}

export function matrixOf(facts: Facts, revision: number): Matrix {
  const buffer = buildMatrix(facts)
  stampRevision(buffer, revision)
  return new Matrix(buffer)
}

/** Served matrices whose state a test sets as it likes. */
export type FakeServed = ServedMatrices & {
  held: Matrix[]
  /** Revisions that tokens were given for. */
  named: number[]
  refusal: Failure | undefined
  age: number
}

export function serve(...held: Matrix[]): FakeServed {
  const served: FakeServed = {
    held,
    named: [],
    refusal: undefined,
    age: 12.9,
    current() {
      const newest = served.held.at(-1)
      if (served.refusal) throw served.refusal
      if (!newest) throw new Failure('not-ready', 'no matrix yet')
      return newest
    },
    at(revision) {
      const found = served.held.find((matrix) => matrix.revision === revision)
      if (!found) throw new Failure('gone', `revision ${revision} is no longer held`)
      return found
    },
    hold: (matrix) => void served.named.push(matrix.revision),
    ageSeconds: () => served.age,
  }
  return served
}
