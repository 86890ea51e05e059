import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import type { Grant } from '../../src/domain/facts.ts'
import { applyDelta, invertDelta, sameGrants } from '../../src/domain/grant-sets.ts'
import { grantContext, planGrants } from '../../src/domain/plan-grants.ts'
import type { GrantIntent } from '../../src/domain/role-change.ts'
import { divisionOf, grantOf, matrixOf, roleOf } from './support/small-world.ts'

const CONTEXT = { homeDivisionId: 'home', employeeRoleIds: new Set(['employee']) }

const NOTHING = { add: [], remove: [] }

function grants(...texts: readonly string[]): Grant[] {
  return texts.map(grantOf)
}

function replaceWith(roleIds: readonly string[], divisionId: string | null = null): GrantIntent {
  return { kind: 'replace', roleIds, divisionId }
}

test('granting and revoking writes only what differs', async (t) => {
  const intent: GrantIntent = {
    kind: 'delta',
    grant: grants('agent in home', 'viewer in *', 'viewer in *'),
    revoke: grants('admin in home', 'auditor in north'),
  }
  const direct = grants('agent in home', 'admin in home', 'admin in north')
  t.same(planGrants(intent, direct, CONTEXT), {
    add: grants('viewer in *'),
    remove: grants('admin in home'),
  })
  t.same(planGrants(intent, grants('agent in home', 'viewer in *'), CONTEXT), NOTHING)
})

test('a sunset is no part of what is written', async (t) => {
  const grant = [{ ...grantOf('agent in home'), until: '2030-01-01T00:00:00.000Z' }]
  const delta = planGrants({ kind: 'delta', grant, revoke: [] }, [], CONTEXT)
  t.same(delta, { add: grants('agent in home'), remove: [] })
})

test('a replacement without division takes all divisions and gives in the home division', async (t) => {
  const direct = grants('agent in home', 'agent in north', 'admin in *')
  t.same(planGrants(replaceWith(['agent', 'viewer']), direct, CONTEXT), {
    add: grants('viewer in home'),
    remove: grants('agent in north', 'admin in *'),
  })
  t.same(planGrants(replaceWith([]), direct, CONTEXT), { add: [], remove: direct })
})

test('a replacement in a division leaves the other divisions alone', async (t) => {
  const direct = grants('agent in home', 'agent in north', 'admin in north', 'admin in *')
  t.same(planGrants(replaceWith(['admin', 'viewer'], 'north'), direct, CONTEXT), {
    add: grants('viewer in north'),
    remove: grants('agent in north'),
  })
  t.same(planGrants(replaceWith([], '*'), direct, CONTEXT), {
    add: [],
    remove: grants('admin in *'),
  })
})

test('the employee role is neither given nor taken', async (t) => {
  const direct = grants('employee in home', 'agent in home')
  t.same(planGrants(replaceWith([]), direct, CONTEXT).remove, grants('agent in home'))
  t.same(planGrants(replaceWith(['employee', 'agent']), [], CONTEXT).add, grants('agent in home'))
  const intent: GrantIntent = {
    kind: 'delta',
    grant: grants('employee in north'),
    revoke: grants('employee in home'),
  }
  t.same(planGrants(intent, direct, CONTEXT), NOTHING)
})

test('a replacement everywhere needs to know the home division', async (t) => {
  const context = { ...CONTEXT, homeDivisionId: null }
  t.throws(() => planGrants(replaceWith(['agent']), [], context), { code: 'conflict' })
  t.same(
    planGrants(replaceWith([]), grants('agent in north'), context).remove,
    grants('agent in north'),
  )
})

test('a matrix says which division is home and which roles everyone has', async (t) => {
  const employee = { ...roleOf('e'), defaultRoleId: 'employee' }
  const divisions = [divisionOf('north'), divisionOf('south', true)]
  t.same(grantContext(matrixOf({ roles: [roleOf('agent'), employee], divisions })), {
    homeDivisionId: 'south',
    employeeRoleIds: new Set(['e']),
  })
  t.same(grantContext(matrixOf({ divisions: [divisionOf('north')] })).homeDivisionId, null)
})

const grant = fc.record({
  roleId: fc.constantFrom('agent', 'admin', 'employee', 'a in b', 'a', '__proto__', '1:a'),
  divisionId: fc.constantFrom('home', 'north', '*', 'b in home', 'in b', ''),
})
const someGrants = fc.array(grant, { maxLength: 8 })
const intents: fc.Arbitrary<GrantIntent> = fc.oneof(
  fc.record({ kind: fc.constant('delta' as const), grant: someGrants, revoke: someGrants }),
  fc.record({
    kind: fc.constant('replace' as const),
    roleIds: fc.array(grant.map(({ roleId }) => roleId)),
    divisionId: fc.constantFrom(null, 'home', 'north', '*'),
  }),
)

test('a plan is done once it is written, and undone by what inverts it', async (t) => {
  const property = fc.property(intents, someGrants, (intent, direct) => {
    const delta = planGrants(intent, direct, CONTEXT)
    const after = applyDelta(direct, delta)
    assert.deepEqual(planGrants(intent, after, CONTEXT), NOTHING)
    const touched = [...delta.add, ...delta.remove]
    assert.ok(touched.every(({ roleId }) => roleId !== 'employee'))
    assert.equal(new Set(touched.map((one) => JSON.stringify(one))).size, touched.length)
    assert.ok(sameGrants(applyDelta(after, invertDelta(direct, after)), direct))
    assert.equal(sameGrants(direct, after), touched.length === 0)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

test('grants are the same in whatever order and however often', async (t) => {
  const [a, b] = grants('agent in home', 'agent in north')
  t.ok(a && b && sameGrants([a, b, a], [b, a]))
  t.notOk(a && b && sameGrants([a], [a, b]))
  t.notOk(a && b && sameGrants([a, b], [a]))
  // Joined with ` in ` both would read `a in b in c`.
  const [one, other] = [
    { roleId: 'a in b', divisionId: 'c' },
    { roleId: 'a', divisionId: 'b in c' },
  ]
  t.notOk(sameGrants([one], [other]))
})
