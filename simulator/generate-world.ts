import { catalogueOf } from './catalogue.ts'
import { generateGroups, generateUsers, type PeoplePlan } from './generate-people.ts'
import { generateQueues } from './generate-queues.ts'
import { generateRoles } from './generate-roles.ts'
import { createRandom, type Random, weightedIndex } from './random.ts'
import type { AccessPolicyRecord, DivisionRecord, RoleRecord, UserRecord } from './records.ts'
import { EVERY_DIVISION, World } from './world.ts'

export interface WorldPlan {
  readonly seed: number
  readonly users: number
  /** What is left out follows from the number of users. */
  readonly roles?: number
  readonly divisions?: number
  readonly groups?: number
  readonly permissions?: number
  readonly queues?: number
  /** Direct grants on average, `employee` among them. */
  readonly grantsPerUser?: number
  readonly groupsPerUser?: number
  readonly inactiveShare?: number
  readonly deletedShare?: number
  /** Attribute-based access policies; none unless asked for. */
  readonly accessPolicies?: number
}

const DIVISION_NAMES: readonly string[] = (
  'Home Sales Support Billing Collections Retail Wholesale Travel Insurance Banking Energy ' +
  'Telecom Health Public Logistics Hospitality'
).split(' ')

const DOMAIN = 'contact-centre.example'

function between(low: number, value: number, high: number): number {
  return Math.max(low, Math.min(high, Math.round(value)))
}

/** A big organisation has 300 roles, 2,000 permissions, 50 divisions; a small one fewer. */
function completed(plan: WorldPlan): Required<WorldPlan> {
  const { users } = plan
  return {
    roles: between(12, users / 20, 300),
    divisions: between(3, users / 100, 50),
    groups: between(4, users / 25, 2000),
    permissions: between(250, users / 4, 2000),
    queues: between(3, users / 40, 200),
    grantsPerUser: 3,
    groupsPerUser: 1.5,
    inactiveShare: 0.05,
    deletedShare: 0.02,
    accessPolicies: 0,
    ...plan,
  }
}

function generateDivisions(random: Random, count: number): DivisionRecord[] {
  return Array.from({ length: count }, (_, position): DivisionRecord => {
    const base = DIVISION_NAMES[position % DIVISION_NAMES.length] ?? 'Division'
    const round = Math.floor(position / DIVISION_NAMES.length)
    const name = round === 0 ? base : `${base} ${round + 1}`
    return { id: random.uuid(), name, home: position === 0 }
  })
}

/** Queues and teams that only conditions speak of; those of the simulator are others. */
function namedThings(random: Random, kind: string): { id: string; name: string }[] {
  return Array.from({ length: 20 }, (_, at) => ({ id: random.uuid(), name: `${kind} ${at + 1}` }))
}

interface Granting {
  readonly world: World
  readonly random: Random
  /** Without `employee`. */
  readonly roles: readonly RoleRecord[]
  readonly divisions: readonly DivisionRecord[]
  /** A few roles have most of the holders, most roles have few. */
  readonly nextRole: (random: Random) => number
}

/** Mostly the subject's own division, sometimes another, now and then all of them. */
function someDivision({ random, divisions }: Granting, own: string): string {
  const at = random.next()
  if (at < 0.04) return EVERY_DIVISION
  return at < 0.8 ? own : random.pick(divisions).id
}

function grantSome(granting: Granting, subjectId: string, count: number, own: string): void {
  const { world, random, roles, nextRole } = granting
  for (let left = count; left > 0; left -= 1) {
    const role = roles[nextRole(random)]
    if (role !== undefined) {
      world.grants.add(subjectId, role.id, someDivision(granting, own))
    }
  }
}

/** Half of the inactive users kept what they had: it must not count, but it is there. */
function grantToUser(granting: Granting, user: UserRecord, employee: string, average: number) {
  const { world, random } = granting
  if (user.state === 'deleted') return
  world.grants.add(user.id, employee, world.homeDivision().id)
  if (user.state === 'inactive' && random.chance(0.5)) return
  const more = Math.round(random.next() * 2 * (average - 1))
  grantSome(granting, user.id, more, user.divisionId)
}

/** A group with roles enabled carries some; of the others, some carry roles without effect. */
function grantToGroups(granting: Granting): void {
  const { world, random, divisions } = granting
  for (const group of world.groups.values()) {
    if (!group.rolesEnabled && random.chance(0.7)) continue
    grantSome(granting, group.id, 1 + random.below(3), random.pick(divisions).id)
  }
}

/** Subjects that are neither users nor groups, and hold roles all the same. */
function addOtherSubjects(granting: Granting): void {
  const { world, random } = granting
  for (const name of ['Data Warehouse', 'CRM Connector', 'WFM Export', 'Bot Platform']) {
    const id = random.uuid()
    world.clients.set(id, { id, name })
    grantSome(granting, id, 2, EVERY_DIVISION)
  }
  const id = random.uuid()
  world.trustees.set(id, { id, name: 'Partner Engineer' })
  grantSome(granting, id, 1, EVERY_DIVISION)
}

function generateAccessPolicies(random: Random, count: number): AccessPolicyRecord[] {
  return Array.from({ length: count }, (_, position) => ({
    id: random.uuid(),
    name: `Access policy ${position + 1}`,
    targetResource: 'recording:recording:view',
    subject: { type: 'ALL' as const },
    effect: 'DENY' as const,
    active: position % 2 === 0,
    applyToClients: false,
  }))
}

/** The parts that stand on their own; grants tie them together afterwards. */
function generateParts(plan: Required<WorldPlan>): World {
  const stream = (label: string): Random => createRandom(plan.seed, label)
  const world = new World({
    id: stream('organization').uuid(),
    name: 'Contact Centre',
    domain: DOMAIN,
  })
  world.catalogue = catalogueOf(plan.permissions)
  const divisions = generateDivisions(stream('divisions'), plan.divisions)
  for (const division of divisions) world.divisions.set(division.id, division)
  const groups = generateGroups(stream('groups'), plan.groups)
  for (const group of groups) world.groups.set(group.id, group)
  const people: PeoplePlan = { ...plan, domain: DOMAIN }
  const users = generateUsers(stream('users'), people, divisions, groups)
  for (const user of users) world.putUser(user)
  const things = stream('things')
  const roles = generateRoles(stream('roles'), plan.roles, world.catalogue, {
    queues: namedThings(things, 'Queue'),
    teams: namedThings(things, 'Team'),
    users,
  })
  for (const role of roles) world.roles.set(role.id, role)
  world.accessPolicies = generateAccessPolicies(stream('policies'), plan.accessPolicies)
  generateQueues(world, stream('queues'), plan.queues)
  return world
}

/** A contact centre of any size; the same plan gives the same world, ids included. */
export function generateWorld(given: WorldPlan): World {
  const plan = completed(given)
  const world = generateParts(plan)
  const [employee, ...roles] = world.roles.values()
  if (employee === undefined) throw new Error('a world needs at least one role')
  const granting: Granting = {
    world,
    random: createRandom(plan.seed, 'grants'),
    roles,
    divisions: [...world.divisions.values()],
    nextRole: weightedIndex(roles.map((_, rank) => 1 / (rank + 1))),
  }
  for (const user of world.users('any')) {
    grantToUser(granting, user, employee.id, plan.grantsPerUser)
  }
  grantToGroups(granting)
  addOtherSubjects(granting)
  return world
}
