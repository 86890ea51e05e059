import { BASE_CATALOGUE } from './catalogue.ts'
import { readSettings } from './queue-settings.ts'
import type { PolicyRecord, UserRecord } from './records.ts'
import { EVERY_DIVISION, World } from './world.ts'

const id = (kind: string, position: number): string =>
  `${kind.repeat(8)}-0000-4000-8000-${String(position).padStart(12, '0')}`

/**
 * The ids of the small world. The first letter tells the kind: a users, b roles, c clients,
 * d divisions, e groups, f others; the rest counts.
 */
export const SMALL_WORLD = {
  users: {
    alice: id('a', 1),
    bob: id('a', 2),
    carol: id('a', 3),
    dave: id('a', 4),
    erin: id('a', 5),
    frank: id('a', 6),
    grace: id('a', 7),
    heidi: id('a', 8),
    ivan: id('a', 9),
    judy: id('a', 10),
    olivia: id('a', 11),
  },
  roles: {
    employee: id('b', 1),
    agent: id('b', 2),
    supervisor: id('b', 3),
    evaluator: id('b', 4),
    telephonyAdmin: id('b', 5),
    groupCreator: id('b', 6),
    unused: id('b', 7),
  },
  clients: { reporting: id('c', 1) },
  divisions: { home: id('d', 1), sales: id('d', 2), support: id('d', 3) },
  groups: { nightShift: id('e', 1), bookClub: id('e', 2), salesLeads: id('e', 3) },
  trustees: { partner: id('f', 1) },
  queues: { sales: id('f', 2), support: id('f', 3), escalation: id('f', 4) },
} as const

const { users, roles, clients, divisions, groups, trustees, queues } = SMALL_WORLD

function policy(domain: string, entityName: string, ...actionSet: string[]): PolicyRecord {
  return { domain, entityName, actionSet }
}

/** May read evaluations of the support queue, or released ones of which she is the evaluator. */
const CONDITIONAL: PolicyRecord = {
  ...policy('quality', 'evaluation', 'view', 'edit'),
  condition: {
    conjunction: 'OR',
    terms: [
      {
        variableName: 'Conversation.queues',
        operator: 'IN',
        operands: [{ type: 'QUEUE', queue: { id: queues.support, name: 'Support' } }],
      },
      {
        conjunction: 'AND',
        terms: [
          {
            variableName: 'Evaluation.evaluator',
            operator: 'EQ',
            operands: [{ type: 'USER', user: { id: users.erin, name: 'Erin Eder', version: 1 } }],
          },
          {
            variableName: 'Evaluation.released',
            operator: 'EQ',
            operands: [{ type: 'SCALAR', value: 'true' }],
          },
        ],
      },
    ],
  },
}

function addRoles(world: World): void {
  const add = (
    roleId: string,
    name: string,
    policies: readonly PolicyRecord[],
    extra: { permissions?: readonly string[]; defaultRoleId?: string } = {},
  ): void => {
    world.roles.set(roleId, { id: roleId, name, permissions: [], policies, ...extra })
  }
  add(roles.employee, 'employee', [policy('directory', 'userProfile', 'view')], {
    defaultRoleId: 'employee',
  })
  add(roles.agent, 'Agent', [
    policy('routing', 'queue', 'view', 'join'),
    policy('conversation', 'participant', 'wrapup'),
    policy('routing', 'skill', 'view'),
  ])
  add(roles.supervisor, 'Supervisor', [
    policy('routing', 'queue', '*'),
    policy('analytics', 'conversationDetail', 'view'),
    policy('recording', 'recording', 'view'),
  ])
  add(roles.evaluator, 'Quality Evaluator', [CONDITIONAL])
  add(roles.telephonyAdmin, 'Telephony Admin', [policy('telephony', '*', '*')])
  add(roles.groupCreator, 'Group Creator', [], { permissions: ['group_creation'] })
  add(roles.unused, 'Held by nobody', [policy('gdpr', 'request', 'view', 'add')])
}

function addPlaces(world: World): void {
  const { home, sales, support } = divisions
  world.divisions.set(home, { id: home, name: 'Home', home: true })
  world.divisions.set(sales, { id: sales, name: 'Sales', home: false })
  world.divisions.set(support, { id: support, name: 'Support', home: false })
  const addGroup = (groupId: string, name: string, rolesEnabled: boolean): void => {
    world.groups.set(groupId, { id: groupId, name, rolesEnabled, version: 1 })
  }
  addGroup(groups.nightShift, 'Night Shift', true)
  addGroup(groups.bookClub, 'Book Club', false)
  addGroup(groups.salesLeads, 'Sales Leads', true)
}

function addUser(
  world: World,
  userId: string,
  name: string,
  rest: Partial<Pick<UserRecord, 'state' | 'divisionId' | 'groups'>> = {},
): void {
  const email = `${name.toLowerCase().replace(' ', '.')}@small.example`
  const base = { state: 'active', divisionId: divisions.home, groups: [] } as const
  world.putUser({ ...base, ...rest, id: userId, name, email, version: 1 })
  if (userId !== users.olivia) world.grants.add(userId, roles.employee, divisions.home)
}

function addPeople(world: World): void {
  addUser(world, users.alice, 'Alice Adler', { divisionId: divisions.sales })
  addUser(world, users.bob, 'Bob Brandt')
  addUser(world, users.carol, 'Carol Costa', {
    divisionId: divisions.support,
    groups: [groups.nightShift],
  })
  addUser(world, users.dave, 'Dave Diaz', { groups: [groups.bookClub] })
  addUser(world, users.erin, 'Erin Eder', { divisionId: divisions.support })
  addUser(world, users.frank, 'Frank Faure', { state: 'inactive', divisionId: divisions.sales })
  addUser(world, users.grace, 'Grace Gallo', { state: 'deleted' })
  addUser(world, users.heidi, 'Heidi Hahn')
  addUser(world, users.ivan, 'Ivan Ilic', { groups: [groups.bookClub, groups.nightShift] })
  addUser(world, users.judy, 'Judy Jung', { groups: [groups.salesLeads] })
  addUser(world, users.olivia, 'Olivia Ott')
  world.clients.set(clients.reporting, { id: clients.reporting, name: 'Reporting' })
  world.trustees.set(trustees.partner, { id: trustees.partner, name: 'Pat Partner' })
}

function addQueue(
  world: World,
  queueId: string,
  name: string,
  rest: { divisionId: string; members: readonly string[]; settings?: object },
): void {
  const founded = '2024-01-08T09:00:00.000Z'
  world.queues.put({
    id: queueId,
    name,
    divisionId: rest.divisionId,
    dateCreated: founded,
    dateModified: founded,
    createdBy: clients.reporting,
    modifiedBy: clients.reporting,
    settings: readSettings({ ...rest.settings }),
  })
  for (const userId of rest.members) {
    world.queues.putMember(queueId, userId, { ringNumber: 1, joined: true })
  }
}

function addQueues(world: World): void {
  addQueue(world, queues.sales, 'Sales', {
    divisionId: divisions.sales,
    members: [users.alice, users.ivan, users.judy],
    settings: { description: 'Calls from the shop', callingPartyName: 'Small World' },
  })
  addQueue(world, queues.support, 'Support', {
    divisionId: divisions.support,
    members: [users.carol, users.erin, users.ivan],
    settings: { skillEvaluationMethod: 'ALL', enableTranscription: true },
  })
  addQueue(world, queues.escalation, 'Support Escalation', {
    divisionId: divisions.home,
    members: [],
  })
}

function addGrants(world: World): void {
  const { sales, support, home } = divisions
  const grants: readonly (readonly [string, string, string])[] = [
    [users.alice, roles.agent, sales],
    [users.bob, roles.supervisor, EVERY_DIVISION],
    [users.erin, roles.evaluator, support],
    [users.frank, roles.agent, sales],
    [users.grace, roles.agent, home],
    [users.heidi, roles.telephonyAdmin, home],
    [users.ivan, roles.groupCreator, home],
    [users.ivan, roles.agent, sales],
    [users.ivan, roles.agent, support],
    [users.judy, roles.agent, sales],
    [groups.nightShift, roles.supervisor, support],
    [groups.bookClub, roles.supervisor, EVERY_DIVISION],
    [groups.salesLeads, roles.agent, sales],
    [clients.reporting, roles.supervisor, EVERY_DIVISION],
    [trustees.partner, roles.agent, support],
  ]
  for (const grant of grants) world.grants.add(...grant)
}

/**
 * Eleven people, each for one rule. Everybody but Olivia is `employee` in Home.
 *
 *   alice   Agent @ Sales                        the plain case
 *   bob     Supervisor @ *                       all divisions; routing:queue:* by wildcard action
 *   carol   (Night Shift) Supervisor @ Support   by a group only
 *   dave    (Book Club)                          that group's roles are not enabled: gets nothing
 *   erin    Quality Evaluator @ Support          under a condition, nested OR and AND
 *   frank   Agent @ Sales, inactive              left-over grant that must not count
 *   grace   Agent @ Home, deleted                likewise
 *   heidi   Telephony Admin @ Home               telephony:*:*, a domain without divisions
 *   ivan    Group Creator @ Home                 the flat permission group_creation,
 *           Agent @ Sales and @ Support          one role in two divisions,
 *           (Book Club, Night Shift)             and both kinds of groups
 *   judy    Agent @ Sales, (Sales Leads) the same a grant with two sources
 *   olivia                                       no role at all
 *
 *   groups  Night Shift: Supervisor @ Support    roles enabled
 *           Book Club: Supervisor @ *            roles NOT enabled
 *           Sales Leads: Agent @ Sales           roles enabled
 *   queues  Sales @ Sales                        alice, ivan, judy
 *           Support @ Support                    carol, erin, ivan
 *           Support Escalation @ Home            nobody; its name begins like another's
 *   client  Reporting: Supervisor @ *
 *   partner of another organisation: Agent @ Support
 */
export function smallWorld(): World {
  const world = new World({
    id: id('f', 100),
    name: 'Small World',
    domain: 'small.example',
  })
  world.catalogue = BASE_CATALOGUE
  addRoles(world)
  addPlaces(world)
  addPeople(world)
  addQueues(world)
  addGrants(world)
  return world
}
