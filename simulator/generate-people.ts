import { namesOf } from './people-names.ts'
import type { Random } from './random.ts'
import type { DivisionRecord, GroupRecord, UserRecord, UserState } from './records.ts'

const DEPARTMENTS = ['Service', 'Sales', 'Back Office', 'Quality', 'Planning', 'IT'] as const
const JOBS = ['Agent', 'Senior Agent', 'Team Lead', 'Supervisor', 'Analyst', 'Engineer'] as const

const TOPICS: readonly string[] = (
  'Inbound Outbound Chat E-Mail Messaging Weekend Night Early Training Escalation Quality ' +
  'Spanish French German Italian Polish Portuguese English Pilot Seasonal'
).split(' ')

export interface PeoplePlan {
  readonly users: number
  readonly groupsPerUser: number
  readonly inactiveShare: number
  readonly deletedShare: number
  readonly domain: string
}

function stateOf(random: Random, plan: PeoplePlan): UserState {
  const at = random.next()
  if (at < plan.deletedShare) return 'deleted'
  return at < plan.deletedShare + plan.inactiveShare ? 'inactive' : 'active'
}

/** So many on average, at most twice that, each number as likely as the other. */
function about(random: Random, average: number): number {
  return Math.round(random.next() * average * 2)
}

function someGroups(random: Random, plan: PeoplePlan, groups: readonly GroupRecord[]): string[] {
  const chosen = new Set<string>()
  if (groups.length === 0) return []
  for (let count = about(random, plan.groupsPerUser); count > 0; count -= 1) {
    // Groups differ in size: the earlier in the list, the larger.
    const at = Math.floor(groups.length * random.next() ** 1.6)
    const group = groups[at]
    if (group !== undefined) chosen.add(group.id)
  }
  return [...chosen]
}

export function generateUsers(
  random: Random,
  plan: PeoplePlan,
  divisions: readonly DivisionRecord[],
  groups: readonly GroupRecord[],
): UserRecord[] {
  const nextName = namesOf(random, plan.domain)
  const home = divisions.find((division) => division.home) ?? random.pick(divisions)
  return Array.from({ length: plan.users }, (): UserRecord => {
    const state = stateOf(random, plan)
    const deleted = state === 'deleted'
    return {
      id: random.uuid(),
      ...nextName(),
      state,
      divisionId: deleted ? home.id : random.pick(divisions).id,
      department: random.pick(DEPARTMENTS),
      title: random.pick(JOBS),
      groups: deleted ? [] : someGroups(random, plan, groups),
      version: 1 + random.below(20),
    }
  })
}

export function generateGroups(random: Random, count: number): GroupRecord[] {
  return Array.from({ length: count }, (_, position): GroupRecord => {
    const topic = TOPICS[position % TOPICS.length] ?? 'Team'
    const round = Math.floor(position / TOPICS.length)
    return {
      id: random.uuid(),
      name: round === 0 ? topic : `${topic} ${round + 1}`,
      rolesEnabled: random.chance(0.6),
      version: 1 + random.below(5),
    }
  })
}
