import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { userConflicts } from '../../src/domain/check-role-rules.ts'
import { editRole } from '../../src/domain/edit-role.ts'
import { evaluate, OUTCOMES } from '../../src/domain/evaluate.ts'
import type { Facts, Grant, PolicyFact } from '../../src/domain/facts.ts'
import { matrixFacts, subjectFacts } from '../../src/domain/matrix-facts.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { mergeSubjects } from '../../src/domain/merge-subjects.ts'
import type { GrantIntent, UserChange } from '../../src/domain/role-change.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import { simulate } from '../../src/domain/simulate.ts'
import type { SimulatedEntry, Simulation, SimulationRequest } from '../../src/domain/simulation.ts'
import { arbitraryFacts } from './support/arbitrary-facts.ts'
import { checkUntilMet } from './support/check-until-met.ts'
import { naiveWays, wayOutcome } from './support/naive-evaluator.ts'

// Every world is built twice and asked for everything; a busy machine needs its time for that.
tap.setTimeout(580_000)

const TIMESTAMP = '2026-01-31T12:00:00.000Z'

/** Numbers that pick from whatever a generated world has. */
type Picks = {
  readonly user: number
  readonly replace: boolean
  readonly everywhere: boolean
  readonly pairs: readonly (readonly [role: number, division: number])[]
  readonly revoked: readonly (readonly [role: number, division: number])[]
}

const pair = fc.tuple(fc.nat(20), fc.nat(20))
const picks: fc.Arbitrary<Picks[]> = fc.array(
  fc.record({
    user: fc.nat(20),
    replace: fc.boolean(),
    everywhere: fc.boolean(),
    pairs: fc.array(pair, { maxLength: 3, size: 'max' }),
    revoked: fc.array(pair, { maxLength: 3, size: 'max' }),
  }),
  { minLength: 1, maxLength: 3 },
)

/** Worlds in which every other user holds directly, too, what the groups give. */
const worlds: fc.Arbitrary<Facts> = arbitraryFacts.map((facts) => ({
  ...facts,
  subjects: facts.subjects.map((user, i) => {
    if (i % 2 === 0) return user
    const groups = facts.groups.filter(({ id }) => user.groupIds.includes(id))
    return { ...user, grants: [...user.grants, ...groups.flatMap(({ grants }) => grants)] }
  }),
}))

function pickFrom<Item>(items: readonly Item[], number: number): Item | undefined {
  return items.length === 0 ? undefined : items[number % items.length]
}

/** Users' changes in a world; revoked are mostly grants that are held. */
function userChanges(facts: Facts, all: readonly Picks[]): UserChange[] {
  const changes = new Map<string, UserChange>()
  const active = facts.subjects.filter(({ kind, state }) => kind === 'user' && state === 'active')
  const divisions = [...facts.divisions.map(({ id }) => id), '*']
  for (const one of all) {
    const user = pickFrom(active, one.user)
    if (user === undefined) continue
    const grantOf = ([role, division]: readonly [number, number]): Grant => ({
      roleId: pickFrom(facts.roles, role)?.id ?? '',
      divisionId: pickFrom(divisions, division) ?? '*',
    })
    const grant = facts.roles.length === 0 ? [] : one.pairs.map(grantOf)
    const revoke = one.revoked.map(([role, division]) => {
      return division % 4 === 0 ? grantOf([role, division]) : (pickFrom(user.grants, role) ?? NONE)
    })
    const divisionId = one.everywhere ? null : (pickFrom(divisions, one.user) ?? '*')
    const home = facts.divisions.some((division) => division.home)
    const intent: GrantIntent = one.replace
      ? {
          kind: 'replace',
          roleIds: divisionId === null && !home ? [] : grant.map(({ roleId }) => roleId),
          divisionId,
        }
      : { kind: 'delta', grant, revoke }
    changes.set(user.id, { userId: user.id, intent })
  }
  return [...changes.values()]
}

const NONE: Grant = { roleId: 'no such role', divisionId: '*' }

function isGrant(a: Grant): (b: Grant) => boolean {
  return (b) => a.roleId === b.roleId && a.divisionId === b.divisionId
}

/** Direct grants after an intent, by the words of the interface. */
function grantsAfter(facts: Facts, direct: readonly Grant[], intent: GrantIntent): Grant[] {
  const employee = facts.roles.filter((role) => role.defaultRoleId === 'employee')
  const fixed = ({ roleId }: Grant): boolean => employee.some(({ id }) => id === roleId)
  if (intent.kind === 'delta') {
    const kept = direct.filter((one) => fixed(one) || !intent.revoke.some(isGrant(one)))
    return [...kept, ...intent.grant.filter((one) => !fixed(one))]
  }
  const home = facts.divisions.find((division) => division.home)?.id ?? ''
  const divisionId = intent.divisionId ?? home
  const kept = direct.filter((one) => {
    return fixed(one) || (intent.divisionId !== null && one.divisionId !== divisionId)
  })
  const wanted = intent.roleIds.map((roleId) => ({ roleId, divisionId }))
  return [...kept, ...wanted.filter((one) => !fixed(one))]
}

type Answer = 'none' | 'conditional' | 'allowed'

function ask(matrix: Matrix, userId: string, permission: string, divisionId?: string): Answer {
  const outcome = OUTCOMES[evaluate(matrix, userId, permission, divisionId)]
  return outcome === 'allowed' || outcome === 'conditional' ? outcome : 'none'
}

type Lists = Record<'added' | 'removed' | 'loosened' | 'tightened', string[]>

function listsOf(before: Matrix, after: Matrix, userId: string, divisionId?: string): Lists {
  const lists: Lists = { added: [], removed: [], loosened: [], tightened: [] }
  for (const permission of before.permissionCodes()) {
    const was = ask(before, userId, permission, divisionId)
    const is = ask(after, userId, permission, divisionId)
    if (was === is) continue
    if (was === 'none') lists.added.push(permission)
    else if (is === 'none') lists.removed.push(permission)
    else if (is === 'allowed') lists.loosened.push(permission)
    else lists.tightened.push(permission)
  }
  return lists
}

function isEmpty(lists: Lists): boolean {
  return Object.values(lists).every((list) => list.length === 0)
}

const NO_LISTS: Lists = { added: [], removed: [], loosened: [], tightened: [] }

/** What an entry says of a division: its own line, else that of all divisions. */
function toldOf(entry: SimulatedEntry | undefined, divisionId: string): Lists {
  const lines = entry?.divisions ?? []
  const line =
    lines.find((one) => one.divisionId === divisionId) ??
    lines.find((one) => one.divisionId === '*')
  if (line === undefined) return NO_LISTS
  return {
    added: [...line.addedPermissions],
    removed: [...line.removedPermissions],
    loosened: [...line.loosenedPermissions],
    tightened: [...line.tightenedPermissions],
  }
}

const seen = { entries: 0, lines: 0, removed: 0, conditional: 0, orphaned: 0, kept: 0, clients: 0 }

/** Compares a simulation with two matrices, question by question. */
function checkAgainst(simulation: Simulation, before: Matrix, after: Matrix): void {
  const codes = [...before.permissionCodes()]
  const divisions = matrixFacts(before).divisions.map(({ id }) => id)
  const touched = new Set<string>()
  const held = { before: new Set<string>(), after: new Set<string>() }
  let [users, clients] = [0, 0]
  for (const { id, kind } of matrixFacts(before).subjects) {
    const entry = simulation.entries.find(({ userId }) => userId === id)
    let differs = false
    for (const divisionId of new Set([...divisions, '*', 'no such division'])) {
      const expected = listsOf(before, after, id, divisionId)
      if (kind === 'user') assert.deepEqual(toldOf(entry, divisionId), expected, divisionId)
      if (isEmpty(expected)) continue
      differs = true
      if (kind === 'user') for (const code of Object.values(expected).flat()) touched.add(code)
    }
    if (kind === 'client') {
      assert.equal(entry, undefined)
      if (differs) clients += 1
      continue
    }
    assert.equal(entry !== undefined, differs, 'an entry for who differs, and for nobody else')
    if (differs) users += 1
    const answers = codes.map((code) => [ask(before, id, code), ask(after, id, code)] as const)
    const old = codes.filter((_, i) => answers[i]?.[0] !== 'none')
    const now = codes.filter((_, i) => answers[i]?.[1] !== 'none')
    for (const code of old) held.before.add(code)
    for (const code of now) held.after.add(code)
    if (entry === undefined) continue
    const { added, removed } = listsOf(before, after, id)
    const conditional = codes.filter((_, i) => answers[i]?.includes('conditional'))
    assert.deepEqual(entry, {
      timestamp: TIMESTAMP,
      userId: id,
      userName: before.subjectName(before.findSubject(id)),
      action: 'role_assignment_change',
      oldPermissions: old,
      newPermissions: now,
      addedPermissions: added,
      removedPermissions: removed,
      divisions: entry.divisions,
      conditionalPermissions: conditional,
      blocked: false,
    })
    seen.entries += 1
    seen.lines += entry.divisions.length
    seen.removed += removed.length
    seen.conditional += conditional.length
  }
  const { blastRadius } = simulation
  const orphaned = codes.filter((code) => held.before.has(code) && !held.after.has(code))
  assert.deepEqual(blastRadius.orphanedPermissions, orphaned)
  assert.deepEqual(
    { users: blastRadius.users, clients: blastRadius.clients, permissions: touched.size },
    { users, clients, permissions: blastRadius.permissions },
  )
  seen.orphaned += orphaned.length
  seen.clients += clients
}

function requestFor(change: SimulationRequest['change']): SimulationRequest {
  return { change, rules: [], timestamp: TIMESTAMP, limit: 1_000, offset: 0 }
}

/** Pages put together, with everything that is not an entry from the last one. */
function readPages(matrix: Matrix, request: SimulationRequest, limit: number): Simulation {
  const entries: SimulatedEntry[] = []
  for (let offset = 0; ;) {
    const { nextOffset, ...page } = simulate(matrix, { ...request, limit, offset })
    entries.push(...page.entries)
    if (nextOffset === undefined) return { ...page, entries }
    assert.equal(nextOffset, offset + limit)
    offset = nextOffset
  }
}

/** Of what was taken away in a division, what groups alone give there after. */
function naiveKept(facts: Facts, userId: string, taken: readonly [string, string][]): string[] {
  const kept = new Map<string, Set<string>>()
  for (const [permission, divisionId] of taken) {
    const ways = naiveWays(facts, userId, permission, []).filter((way) => {
      const outcome = wayOutcome(facts, { subjectId: userId, permission, divisionId }, way)
      return outcome === 'allowed' || outcome === 'conditional'
    })
    if (ways.length === 0 || ways.some(({ groupId }) => groupId === null)) continue
    const groups = kept.get(permission) ?? new Set()
    for (const { groupId } of ways) groups.add(groupId ?? '')
    kept.set(permission, groups)
  }
  return [...kept].map((one) => keptText(userId, one[0], [...one[1]]))
}

function keptText(userId: string, permission: string, groups: readonly string[]): string {
  return JSON.stringify([userId, permission, groups.toSorted()])
}

function checkKept(simulation: Simulation, expected: readonly string[]): void {
  const told = simulation.keptThroughGroups.map(({ userId, permission, groups }) => {
    return keptText(
      userId,
      permission,
      groups.map(({ id }) => id),
    )
  })
  assert.deepEqual(told.sort(), [...expected].sort())
  seen.kept += told.length
}

test('a simulated change of users equals the matrix built anew', async (t) => {
  const property = fc.property(worlds, picks, (facts, all) => {
    const base = buildMatrix(facts)
    const before = new Matrix(base)
    const known = matrixFacts(before)
    const changes = userChanges(known, all)
    const changed = changes.map(({ userId, intent }) => {
      const [user] = subjectFacts(before, [userId])
      assert.ok(user)
      return { old: user, now: { ...user, grants: grantsAfter(known, user.grants, intent) } }
    })
    const after = new Matrix(
      mergeSubjects(
        base,
        changed.map(({ now }) => now),
      ),
    )
    const request = requestFor({ kind: 'users', changes })
    const simulation = simulate(before, request)
    checkAgainst(simulation, before, after)
    assert.deepEqual(readPages(before, request, 1), simulation)
    const factsAfter = matrixFacts(after)
    const kept = changed.flatMap(({ old, now }) => {
      const gone = old.grants.filter((one) => !now.grants.some(isGrant(one)))
      const taken = gone.flatMap(({ roleId, divisionId }) =>
        rolePermissions(known, roleId).map((code): [string, string] => [code, divisionId]),
      )
      return naiveKept(factsAfter, old.id, taken)
    })
    checkKept(simulation, kept)
  })
  await checkUntilMet(property, 700, () => seen.entries > 200)
  t.ok(seen.entries > 200, JSON.stringify(seen))
})

/** Rules by which a role excludes most others of a world, so that they meet. */
function excludingRules(facts: Facts, numbers: readonly (readonly [number, number])[]): RoleRule[] {
  return numbers.map(([role, other], i) => ({
    name: `rule ${i}`,
    kind: 'excludes',
    role: pickFrom(facts.roles, role)?.id ?? '',
    excludes: facts.roles.filter((_, j) => (j + other) % 3 !== 0).map(({ id }) => id),
    scope: (role + other) % 2 === 0 ? 'overall' : 'division',
  }))
}

test('with rules it equals the matrix built anew with what applying would not skip', async (t) => {
  const met = { blocked: 0, passed: 0 }
  const pairs = fc.array(pair, { minLength: 1, maxLength: 3 })
  const property = fc.property(worlds, picks, pairs, (facts, all, numbers) => {
    const base = buildMatrix(facts)
    const before = new Matrix(base)
    const known = matrixFacts(before)
    const rules = excludingRules(known, numbers)
    const changes = userChanges(known, all)
    const changed = subjectFacts(
      before,
      changes.map(({ userId }) => userId),
    ).map((old, i) => {
      return { ...old, grants: grantsAfter(known, old.grants, changes[i]!.intent), old }
    })
    const blocked = new Set<string>()
    for (const { id, old, grants } of changed) {
      const conflicts = userConflicts(before, rules, id, old.grants, grants)
      if (conflicts.some(({ status }) => status !== 'existing')) blocked.add(id)
    }
    const applied = changed.filter(({ id }) => !blocked.has(id))
    const after = new Matrix(mergeSubjects(base, applied))
    const simulation = simulate(before, { ...requestFor({ kind: 'users', changes }), rules })
    assert.equal(simulation.blockedUsers, blocked.size)
    const { true: kept = [], false: entries = [] } = Object.groupBy(simulation.entries, (entry) => {
      return entry.blocked ? 'true' : 'false'
    })
    assert.ok(kept.every(({ userId }) => blocked.has(userId)))
    checkAgainst({ ...simulation, entries }, before, after)
    met.blocked += blocked.size
    met.passed += applied.length
  })
  await checkUntilMet(property, 400, () => Object.values(met).every((count) => count > 20))
  for (const [what, count] of Object.entries(met)) t.ok(count > 20, `${count} were ${what}`)
})

/** Codes of what a role gives, conditions aside, found by asking somebody who holds nothing else. */
function rolePermissions(facts: Facts, roleId: string): string[] {
  const grants = [{ roleId, divisionId: '*' }]
  const probe = { id: 'probe', kind: 'user', name: '', email: '', state: 'active' } as const
  const matrix = new Matrix(
    buildMatrix({ ...facts, subjects: [{ ...probe, groupIds: [], grants }] }),
  )
  return [...matrix.permissionCodes()].filter((code) => ask(matrix, 'probe', code) !== 'none')
}

test('a simulated edit of a role equals the matrix built anew', async (t) => {
  const property = fc.property(
    worlds,
    arbitraryFacts,
    fc.tuple(fc.nat(20), fc.nat(20), fc.nat(4)),
    (facts, others, [roleNumber, first, count]) => {
      const before = new Matrix(buildMatrix(facts))
      const known = matrixFacts(before)
      const role = pickFrom(known.roles, roleNumber)
      if (role === undefined) return
      // Policies of another world speak of the same few domains, conditions included.
      const pool = others.roles.flatMap(({ policies }) => policies)
      const addPolicies = pool.slice(first % (pool.length + 1)).slice(0, count)
      const removePolicies = role.policies.filter((_, i) => (roleNumber + i) % 2 === 0)
      const edit = { roleId: role.id, addPolicies, removePolicies }
      const edited = { ...role, policies: policiesAfter(role.policies, edit) }
      const roles = known.roles.map((one) => (one.id === role.id ? edited : one))
      const factsAfter = { ...known, roles }
      const after = new Matrix(buildMatrix(factsAfter))
      const request = requestFor({ kind: 'role', edit })
      const simulation = simulate(before, request)
      checkAgainst(simulation, before, after)
      assert.deepEqual(readPages(before, request, 2), simulation)
      assert.deepEqual(editRole(role, edit), edited)
      const now = rolePermissions(factsAfter, role.id)
      const lost = rolePermissions(known, role.id).filter((code) => !now.includes(code))
      const kept = known.subjects.flatMap((user) => {
        if (user.kind === 'client' || user.state !== 'active') return []
        const inGroups = known.groups.filter((group) => {
          return group.rolesEnabled && user.groupIds.includes(group.id)
        })
        const held = [...user.grants, ...inGroups.flatMap(({ grants }) => grants)]
        const taken = held
          .filter(({ roleId }) => roleId === role.id)
          .flatMap(({ divisionId }) => lost.map((code): [string, string] => [code, divisionId]))
        return naiveKept(factsAfter, user.id, taken)
      })
      checkKept(simulation, kept)
    },
  )
  await checkUntilMet(property, 700, () => Object.values(seen).every((count) => count > 0))
  for (const [what, count] of Object.entries(seen)) t.ok(count > 0, `${count} ${what} were met`)
})

type Edit = {
  readonly addPolicies: readonly PolicyFact[]
  readonly removePolicies: readonly PolicyFact[]
}

function partsText({ domain, entity, actions }: PolicyFact): string {
  return JSON.stringify([domain, entity, [...new Set(actions)].sort()])
}

function policiesAfter(policies: readonly PolicyFact[], edit: Edit): PolicyFact[] {
  const removed = new Set(edit.removePolicies.map(partsText))
  return [...policies.filter((one) => !removed.has(partsText(one))), ...edit.addPolicies]
}
