import type { AttributeScopes } from '../../../src/domain/condition.ts'
import type { OutcomeName } from '../../../src/domain/evaluate.ts'
import type {
  Facts,
  Grant,
  PermissionFact,
  PolicyFact,
  RoleFact,
  SubjectFact,
} from '../../../src/domain/facts.ts'
import { naiveTruth } from './naive-condition.ts'
import type { Truth } from './naive-condition.ts'

export type NaiveQuestion = {
  readonly subjectId: string
  readonly permission: string
  readonly divisionId?: string | undefined
}

/** One way in which a role that somebody holds speaks of a permission. */
export type Way = {
  readonly roleId: string
  readonly divisionId: string
  /** The group that gives the grant; null for a direct one. */
  readonly groupId: string | null
  /** `domain:entity:action+action`, or the flat permission's own name. */
  readonly policy: string
  readonly truth: Truth
}

export type WayOutcome = 'allowed' | 'conditional' | 'other_division' | 'condition_failed'

/** What the design says about one question, by loops over plain facts. Slow, and meant to be. */
export function naiveOutcome(
  facts: Facts,
  question: NaiveQuestion,
  scopes: AttributeScopes = [],
): OutcomeName {
  const plain = plainRefusal(facts, question)
  if (plain !== undefined) return plain
  const ways = naiveWays(facts, question.subjectId, question.permission, scopes)
  return bestOutcome(facts, question, ways)
}

/** What can be said without a look at any grant: the first three reasons of the list. */
export function plainRefusal(facts: Facts, question: NaiveQuestion): OutcomeName | undefined {
  if (!naivePermissions(facts).includes(question.permission)) return 'unknown_permission'
  const subject = facts.subjects.find((candidate) => candidate.id === question.subjectId)
  if (subject === undefined) return 'unknown_user'
  return subject.state === 'active' ? undefined : 'inactive_user'
}

export function bestOutcome(
  facts: Facts,
  question: NaiveQuestion,
  ways: readonly Way[],
): OutcomeName {
  const outcomes = new Set(ways.map((way) => wayOutcome(facts, question, way)))
  if (outcomes.has('allowed')) return 'allowed'
  if (outcomes.has('conditional')) return 'conditional'
  if (outcomes.has('other_division')) return 'other_division'
  return 'not_granted'
}

/** What one way alone answers. */
export function wayOutcome(facts: Facts, question: NaiveQuestion, way: Way): WayOutcome {
  if (way.truth === 0) return 'condition_failed'
  if (!reaches(facts, question, way.divisionId)) return 'other_division'
  return way.truth === 1 ? 'allowed' : 'conditional'
}

/** Every name that can be asked for: the catalogue's, and the flat ones of any role. */
export function naivePermissions(facts: Facts): string[] {
  return unique([
    ...facts.permissions.map(nameOf),
    ...facts.roles.flatMap((role) => role.permissions),
  ])
}

/** Every way in which an active subject comes by a permission, whatever the division. */
export function naiveWays(
  facts: Facts,
  subjectId: string,
  permission: string,
  scopes: AttributeScopes,
): Way[] {
  const subject = facts.subjects.find((candidate) => candidate.id === subjectId)
  if (subject === undefined || subject.state !== 'active') return []
  const ways: Way[] = []
  for (const { grant, groupId } of heldGrants(facts, subject)) {
    const role = facts.roles.find((candidate) => candidate.id === grant.roleId)
    if (role === undefined) continue
    for (const { policy, truth } of roleSpeaks(facts, role, permission, scopes)) {
      ways.push({ roleId: role.id, divisionId: grant.divisionId, groupId, policy, truth })
    }
  }
  return ways
}

type Held = { readonly grant: Grant; readonly groupId: string | null }

/** Direct grants, and those of each group that carries roles; each once. */
function heldGrants(facts: Facts, subject: SubjectFact): Held[] {
  const held: Held[] = knownGrants(facts, subject.grants).map((grant) => ({ grant, groupId: null }))
  for (const groupId of unique(subject.groupIds)) {
    const group = facts.groups.find((candidate) => candidate.id === groupId)
    if (group === undefined || !group.rolesEnabled) continue
    for (const grant of knownGrants(facts, group.grants)) held.push({ grant, groupId })
  }
  return held
}

/** Without repetition, and without grants that name a role or division that was not listed. */
export function knownGrants(facts: Facts, grants: readonly Grant[]): Grant[] {
  const known: Grant[] = []
  for (const grant of grants) {
    if (!facts.roles.some((role) => role.id === grant.roleId)) continue
    const listed = facts.divisions.some((division) => division.id === grant.divisionId)
    if (!listed && grant.divisionId !== '*') continue
    if (!known.some((other) => sameGrant(other, grant))) known.push(grant)
  }
  return known
}

function sameGrant(a: Grant, b: Grant): boolean {
  return a.roleId === b.roleId && a.divisionId === b.divisionId
}

/** What a role says of a permission, policy by policy; empty when it says nothing. */
export function roleSpeaks(
  facts: Facts,
  role: RoleFact,
  permission: string,
  scopes: AttributeScopes,
): { policy: string; truth: Truth }[] {
  const spoken: { policy: string; truth: Truth }[] = []
  if (role.permissions.includes(permission)) spoken.push({ policy: permission, truth: 1 })
  const catalogued = facts.permissions.filter((candidate) => nameOf(candidate) === permission)
  for (const policy of role.policies) {
    if (!catalogued.some((candidate) => policyGives(policy, candidate))) continue
    const truth = policy.condition === null ? 1 : naiveTruth(policy.condition, scopes)
    const actions = unique(policy.actions).sort()
    spoken.push({ policy: `${policy.domain}:${policy.entity}:${actions.join('+')}`, truth })
  }
  return spoken
}

function policyGives(policy: PolicyFact, permission: PermissionFact): boolean {
  const entity = policy.entity === '*' || policy.entity === permission.entity
  const action = policy.actions.some((name) => name === '*' || name === permission.action)
  return policy.domain === permission.domain && entity && action
}

/** A grant reaches a question in its own division and from `*`; elsewhere only what no division narrows. */
function reaches(facts: Facts, question: NaiveQuestion, grantedIn: string): boolean {
  if (question.divisionId === undefined) return true
  if (grantedIn === '*' || grantedIn === question.divisionId) return true
  const entries = facts.permissions.filter((entry) => nameOf(entry) === question.permission)
  return !entries.some((entry) => entry.divisionAware)
}

function nameOf(permission: PermissionFact): string {
  return [permission.domain, permission.entity, permission.action].join(':')
}

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)]
}
