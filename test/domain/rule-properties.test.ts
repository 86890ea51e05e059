import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { userConflicts } from '../../src/domain/check-role-rules.ts'
import type { Facts, Grant } from '../../src/domain/facts.ts'
import { currentConflicts } from '../../src/domain/list-conflicts.ts'
import { matrixFacts } from '../../src/domain/matrix-facts.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import type { RoleRule, RuleConflict } from '../../src/domain/role-rules.ts'
import { arbitraryFacts } from './support/arbitrary-facts.ts'
import { checkUntilMet } from './support/check-until-met.ts'
import { naivePermissions, roleSpeaks } from './support/naive-evaluator.ts'

const scope = fc.constantFrom('division' as const, 'overall' as const)
const number = fc.nat(30)

/** A rule in numbers that pick from what a world has. */
const pickedRule = fc.record({
  kind: fc.constantFrom('excludes' as const, 'requires' as const, 'segregates' as const),
  scope,
  role: number,
  others: fc.array(number, { minLength: 1, maxLength: 3 }),
  sets: fc.array(fc.array(number, { maxLength: 3 }), { minLength: 2, maxLength: 3 }),
})
type PickedRule = typeof pickedRule extends fc.Arbitrary<infer Rule> ? Rule : never

function pickFrom(items: readonly string[], position: number): string {
  return items[position % Math.max(1, items.length)] ?? 'nothing of that name'
}

function rulesOf(facts: Facts, picked: readonly PickedRule[]): RoleRule[] {
  const ids = facts.roles.map(({ id }) => id)
  const codes = naivePermissions(facts).filter((code) => !code.startsWith('filler'))
  return picked.map((one, i): RoleRule => {
    const rule = { name: `rule ${i}`, scope: one.scope }
    const role = pickFrom(ids, one.role)
    const others = one.others.map((other) => pickFrom(ids, other))
    if (one.kind === 'excludes') return { ...rule, kind: one.kind, role, excludes: others }
    if (one.kind === 'requires') return { ...rule, kind: one.kind, role, requires: others }
    const permissions = one.sets.map((set) => set.map((code) => pickFrom(codes, code)))
    return { ...rule, kind: one.kind, permissions }
  })
}

/** Grants in force: direct ones of known roles and divisions, and those of groups that carry roles. */
function inForce(facts: Facts, userId: string, direct: readonly Grant[]): Grant[] {
  const groupIds = facts.subjects.find(({ id }) => id === userId)?.groupIds ?? []
  const groups = facts.groups.filter(({ id, rolesEnabled }) => {
    return rolesEnabled && groupIds.includes(id)
  })
  return [...direct, ...groups.flatMap(({ grants }) => grants)]
}

type NaiveBreach = { readonly roles: string[]; readonly permissions: string[] }

/** What breaks a rule in a division, in all (`*`) or, for null, anywhere. */
function naiveBreach(
  facts: Facts,
  rule: RoleRule,
  held: readonly Grant[],
  place: string | null,
): NaiveBreach | undefined {
  const here = held.filter(({ divisionId }) => {
    return place === null || divisionId === '*' || divisionId === place
  })
  const roles = new Set(here.map(({ roleId }) => roleId))
  if (rule.kind === 'segregates') return naiveMeeting(facts, rule.permissions, held, here)
  if (!roles.has(rule.role)) return undefined
  const others = rule.kind === 'requires' ? rule.requires : rule.excludes
  const met = others.filter((id) => roles.has(id))
  if (rule.kind === 'requires') {
    return met.length > 0 ? undefined : { roles: [rule.role], permissions: [] }
  }
  const meeting = [...new Set([rule.role, ...met])]
  return meeting.length < 2 ? undefined : { roles: meeting.sort(), permissions: [] }
}

/** Two permissions that meet must be two, and be of two sets. */
function naiveMeeting(
  facts: Facts,
  sets: readonly (readonly string[])[],
  held: readonly Grant[],
  here: readonly Grant[],
): NaiveBreach | undefined {
  const { roles, permissions } = naiveHeld(facts, sets, held, here)
  const meet = sets.some((one, i) => {
    return sets.some((other, j) => {
      const pairs = one.flatMap((a) => other.map((b) => [a, b] as const))
      return i !== j && pairs.some(([a, b]) => a !== b && [a, b].every((c) => permissions.has(c)))
    })
  })
  if (!meet) return undefined
  return { roles: [...roles].sort(), permissions: [...permissions].sort() }
}

/** What is held of the sets, and the roles that give it. */
function naiveHeld(
  facts: Facts,
  sets: readonly (readonly string[])[],
  held: readonly Grant[],
  here: readonly Grant[],
): { readonly roles: Set<string>; readonly permissions: Set<string> } {
  const roles = new Set<string>()
  const permissions = new Set<string>()
  for (const code of sets.flat()) {
    const narrowed = facts.permissions.some((one) => {
      return `${one.domain}:${one.entity}:${one.action}` === code && one.divisionAware
    })
    for (const { roleId } of narrowed ? here : held) {
      const role = facts.roles.find(({ id }) => id === roleId)
      if (role === undefined || roleSpeaks(facts, role, code, []).length === 0) continue
      roles.add(roleId)
      permissions.add(code)
    }
  }
  return { roles, permissions }
}

/** Whether some of what meets is held where it was not: in a division, or in all of them. */
function naiveWidens(
  facts: Facts,
  rule: RoleRule,
  now: NaiveBreach,
  [before, after]: readonly [readonly Grant[], readonly Grant[]],
): boolean {
  return ['*', ...facts.divisions.map(({ id }) => id)].some((place) => {
    const [was, is] = [before, after].map((held) => {
      const here = held.filter(({ divisionId }) => divisionId === '*' || divisionId === place)
      if (rule.kind !== 'segregates') return new Set(here.map(({ roleId }) => roleId))
      return naiveHeld(facts, rule.permissions, held, here).permissions
    })
    const meeting = rule.kind === 'segregates' ? now.permissions : now.roles
    return meeting.some((item) => is?.has(item) && !was?.has(item))
  })
}

function naiveStatus(now: NaiveBreach, earlier: NaiveBreach | undefined): RuleConflict['status'] {
  if (earlier === undefined) return 'new'
  const [more, had] =
    now.permissions.length > 0 ? [now.permissions, earlier.permissions] : [now.roles, earlier.roles]
  return more.every((one) => had.includes(one)) ? 'existing' : 'worse'
}

const seen = { new: 0, worse: 0, existing: 0, wider: 0 }

/** Each conflict told is one, with its status; each that there is is told, there or for all. */
function checkConflicts(
  facts: Facts,
  rules: readonly RoleRule[],
  told: readonly RuleConflict[],
  [before, after]: readonly [readonly Grant[], readonly Grant[]],
): void {
  const places = ['*', ...facts.divisions.map(({ id }) => id), 'a division of nobody']
  for (const rule of rules) {
    const conflicts = told.filter((one) => one.rule === rule.name)
    for (const { divisionId, roleIds, permissions, status } of conflicts) {
      assert.equal(divisionId === null, rule.scope === 'overall')
      const breach = naiveBreach(facts, rule, after, divisionId)
      assert.deepEqual(breach, { roles: roleIds.toSorted(), permissions })
      const expected = naiveStatus(breach, naiveBreach(facts, rule, before, divisionId))
      const wider =
        expected === 'existing' &&
        rule.scope === 'overall' &&
        naiveWidens(facts, rule, breach, [before, after])
      assert.equal(status, wider ? 'worse' : expected)
      seen[status] += 1
      if (wider) seen.wider += 1
    }
    for (const place of rule.scope === 'overall' ? [null] : places) {
      const breach = naiveBreach(facts, rule, after, place)
      if (breach === undefined) continue
      const status = naiveStatus(breach, naiveBreach(facts, rule, before, place))
      const covering = conflicts.filter(({ divisionId, roleIds, permissions }) => {
        const same = roleIds.length === breach.roles.length
        const all = divisionId === '*' && same && permissions.length === breach.permissions.length
        return divisionId === place || all
      })
      assert.ok(covering.length > 0, `${rule.name} in ${place}`)
      const blocks = covering.some((one) => one.status !== 'existing')
      assert.ok(blocks || status === 'existing', 'news is told as such')
    }
  }
}

test('the conflicts of a user are those that the rules say, by loops over plain facts', async (t) => {
  const property = fc.property(
    arbitraryFacts,
    fc.array(pickedRule, { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(number, number), { maxLength: 5, size: 'max' }),
    (raw, picked, pairs) => {
      const matrix = new Matrix(buildMatrix(raw))
      const facts = matrixFacts(matrix)
      const rules = rulesOf(facts, picked)
      const divisions = ['*', ...facts.divisions.map(({ id }) => id)]
      const more = pairs.map(([role, division]) => ({
        roleId: pickFrom(
          facts.roles.map(({ id }) => id),
          role,
        ),
        divisionId: pickFrom(divisions, division),
      }))
      for (const { id, grants } of facts.subjects) {
        const after = [...grants.slice(1), ...more]
        const told = userConflicts(matrix, rules, id, grants, after)
        assert.ok(told.every(({ userId, message }) => userId === id && message !== ''))
        const states = [inForce(facts, id, grants), inForce(facts, id, after)] as const
        checkConflicts(facts, rules, told, states)
        const unchanged = userConflicts(matrix, rules, id, after, after)
        assert.ok(unchanged.every(({ status }) => status === 'existing'))
      }
      const { conflicts } = currentConflicts(matrix, rules, { limit: 1_000 })
      const expected = facts.subjects
        .filter(({ kind, state }) => kind === 'user' && state === 'active')
        .flatMap(({ id, grants }) => userConflicts(matrix, rules, id, grants, grants))
      assert.deepEqual(conflicts, expected)
    },
  )
  await checkUntilMet(property, 500, () => Object.values(seen).every((count) => count > 0))
  for (const [status, count] of Object.entries(seen)) t.ok(count > 0, `${count} ${status}`)
})
