import { type ConditionSubjects, generateCondition } from './generate-conditions.ts'
import type { Random } from './random.ts'
import type { PermissionRecord, PolicyRecord, RoleRecord } from './records.ts'

/** The default roles, each with the domains that it mostly speaks of. Most held come first. */
const TITLES: readonly (readonly [string, string])[] = [
  ['Agent', 'conversation routing voicemail presence'],
  ['Supervisor', 'analytics routing conversation recording wfm'],
  ['Quality Evaluator', 'quality recording'],
  ['Outbound Agent', 'outbound conversation'],
  ['Team Lead', 'coaching gamification analytics'],
  ['Knowledge Author', 'knowledge responses'],
  ['Workforce Planner', 'wfm alerting'],
  ['Quality Administrator', 'quality recording speechAndTextAnalytics'],
  ['Reporting Analyst', 'analytics audits'],
  ['Flow Author', 'architect integrations scripter'],
  ['Campaign Manager', 'outbound externalContacts'],
  ['Learning Manager', 'learning coaching'],
  ['Directory Administrator', 'directory authorization'],
  ['Telephony Administrator', 'telephony routing'],
  ['Integration Administrator', 'integrations oauth webDeployments'],
  ['Digital Administrator', 'webDeployments journey'],
  ['Compliance Officer', 'recording audits gdpr'],
]

const TEAMS: readonly string[] = (
  'Billing Claims Collections Complaints Dispatch Enrolment Fraud Helpdesk Loyalty Onboarding ' +
  'Orders Payments Renewals Retention Returns Sales Technical Travel VIP Warranty'
).split(' ')

const PLACES: readonly string[] =
  'Berlin Dublin Kraków Lisbon London Lyon Madrid Manila Milan Oslo Paris Porto Prague Toronto Wien'.split(
    ' ',
  )

const FLAT_PERMISSIONS = ['group_creation', 'group_administration', 'admin', 'developer'] as const

/** The name of the nth role: the titles as they are, then for teams, then for teams in places. */
function roleName(position: number): { name: string; domains: string } {
  const rank = position % TITLES.length
  const [title, domains] = TITLES[rank] ?? ['Agent', 'conversation']
  const round = Math.floor(position / TITLES.length)
  if (round === 0) return { name: title, domains }
  const team = TEAMS[(round - 1 + rank) % TEAMS.length] ?? ''
  const again = Math.floor((round - 1) / TEAMS.length)
  const place = again === 0 ? '' : ` ${PLACES[(again - 1) % PLACES.length] ?? ''}`
  const number = again > PLACES.length ? ` ${again}` : ''
  return { name: `${title} ${team}${place}${number}`, domains }
}

/** Few roles are huge: between 2 and 150 policies, most of them under ten. */
function roleSize(random: Random): number {
  return Math.min(150, Math.floor(2 + 3 / (random.next() ** 0.8 + 0.004)))
}

interface Entity {
  readonly domain: string
  readonly name: string
  readonly actions: readonly string[]
  readonly allowsConditions: boolean
}

function entitiesOf(catalogue: readonly PermissionRecord[]): Entity[] {
  const entities = Map.groupBy(catalogue, ({ domain, entity }) => `${domain} ${entity}`)
  return [...entities.values()].flatMap((permissions) => {
    const [first] = permissions
    if (first === undefined) return []
    const { domain, entity: name, allowsConditions } = first
    return { domain, name, actions: permissions.map(({ action }) => action), allowsConditions }
  })
}

function someActions(random: Random, actions: readonly string[]): string[] {
  if (random.chance(0.15)) return ['*']
  const chosen = actions.filter(() => random.chance(0.5))
  return chosen.length > 0 ? chosen : actions.slice(0, 1)
}

function generatePolicy(random: Random, entity: Entity, subjects: ConditionSubjects): PolicyRecord {
  if (random.chance(0.03)) return { domain: entity.domain, entityName: '*', actionSet: ['*'] }
  const actionSet = someActions(random, entity.actions)
  const policy = { domain: entity.domain, entityName: entity.name, actionSet }
  if (!entity.allowsConditions || random.chance(0.8)) return policy
  return { ...policy, condition: generateCondition(random, subjects) }
}

/** One policy for an entity at most; two thirds of them within the role's own domains. */
function generatePolicies(
  random: Random,
  entities: readonly Entity[],
  domains: string,
  subjects: ConditionSubjects,
): PolicyRecord[] {
  const own = entities.filter(({ domain }) => domains.split(' ').includes(domain))
  const policies = new Map<string, PolicyRecord>()
  for (let count = roleSize(random); count > 0; count -= 1) {
    const entity = random.pick(own.length > 0 && random.chance(0.66) ? own : entities)
    const policy = generatePolicy(random, entity, subjects)
    const key = `${policy.domain} ${policy.entityName}`
    if (!policies.has(key)) policies.set(key, policy)
  }
  // The platform takes policies that no catalogue knows; a few organisations have such.
  if (random.chance(0.02)) {
    policies.set('legacy', { domain: 'legacy', entityName: 'feature', actionSet: ['use'] })
  }
  return [...policies.values()]
}

function employeeRole(random: Random): RoleRecord {
  return {
    id: random.uuid(),
    name: 'employee',
    description: 'Held by everyone.',
    defaultRoleId: 'employee',
    permissions: [],
    policies: [
      { domain: 'directory', entityName: 'userProfile', actionSet: ['view'] },
      { domain: 'user', entityName: 'recentlyViewed', actionSet: ['view'] },
    ],
  }
}

/** `employee` first, then roles from the most to the least held. */
export function generateRoles(
  random: Random,
  count: number,
  catalogue: readonly PermissionRecord[],
  subjects: ConditionSubjects,
): RoleRecord[] {
  const entities = entitiesOf(catalogue)
  const roles = [employeeRole(random)]
  for (let position = 0; roles.length < count; position += 1) {
    const { name, domains } = roleName(position)
    roles.push({
      id: random.uuid(),
      name,
      permissions: random.chance(0.12) ? [random.pick(FLAT_PERMISSIONS)] : [],
      policies: generatePolicies(random, entities, domains, subjects),
    })
  }
  return roles
}
