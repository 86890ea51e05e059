import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { planUser, takesAway } from '../../src/domain/plan-user.ts'
import type { PlatformUser } from '../../src/domain/plan-user.ts'
import type { UserStep } from '../../src/domain/plan-user.ts'
import { readUserRows, USER_STATES } from '../../src/domain/user-row.ts'
import type { UserRow } from '../../src/domain/user-row.ts'

const ALICE: PlatformUser = {
  id: 'a1',
  version: 3,
  email: 'alice@example.com',
  name: 'Alice',
  divisionId: 'home',
  divisionName: 'Home',
  department: '',
  title: 'Agent',
  state: 'active',
}
const NO_DIVISION = { divisionId: undefined, homeDivisionId: 'home' }

function rowOf(fields: Omit<UserRow, 'place' | 'email'> = {}): UserRow {
  return { place: 'line 2', email: ALICE.email, ...fields }
}

test('rows are read with all their faults, by row and field', async (t) => {
  const items = [
    { place: 'line 2', value: { email: 'a@example.com', name: 'A' } },
    { place: 'line 3', value: { email: 'A@Example.com', state: 'gone' } },
    { place: 'line 4', value: { email: 'A@Example.com' } },
    { place: 'line 5', value: { name: ' ', mail: 'b@example.com' } },
    { place: 'line 6', value: 'b@example.com' },
    { place: 'line 7', value: { email: 'nobody' } },
  ]
  t.throws(() => readUserRows(items), {
    code: 'invalid',
    faults: [
      { field: 'line 3/state', message: 'must be one of active, inactive, deleted' },
      { field: 'line 4/email', message: 'stands in line 2 already' },
      { field: 'line 5/email', message: 'is missing' },
      { field: 'line 5/name', message: 'must not be empty' },
      { field: 'line 5/mail', message: 'is not known here; did you mean email?' },
      { field: 'line 6', message: 'must be an object' },
      { field: 'line 7/email', message: 'must be an email address' },
    ],
  })
  t.same(readUserRows(items.slice(0, 1)), [{ place: 'line 2', email: 'a@example.com', name: 'A' }])
})

test('spaces around a text neither count nor are written', async (t) => {
  const value = { email: ALICE.email, name: 'Alice ', title: 'Agent ', department: ' ' }
  const [row = rowOf()] = readUserRows([{ place: 'line 2', value }])
  t.match(row, { name: 'Alice', title: 'Agent', department: '' })
  t.same(planUser(row, { ...ALICE, title: ' Agent ' }, NO_DIVISION), { kind: 'unchanged' })
})

test('a row that names nothing new changes nothing', async (t) => {
  t.same(planUser(rowOf(), ALICE, NO_DIVISION), { kind: 'unchanged' })
  const { name, title, state, id } = ALICE
  const full = rowOf({ name, title, state, id, department: '', division: 'Home' })
  const context = { divisionId: 'home', homeDivisionId: 'home' }
  t.same(planUser(full, ALICE, context), { kind: 'unchanged' })
})

test('only what differs is written, a change of state by itself', async (t) => {
  const row = rowOf({ name: 'Alice', title: '', division: 'Sales', state: 'inactive' })
  const plan = planUser(row, ALICE, { divisionId: 'sales', homeDivisionId: 'home' })
  t.same(plan, {
    kind: 'update',
    steps: [
      { kind: 'profile', fields: { title: '' } },
      { kind: 'state', state: 'inactive' },
      { kind: 'division', divisionId: 'sales' },
    ],
    changes: [
      { field: 'title', before: 'Agent', after: '' },
      { field: 'state', before: 'active', after: 'inactive' },
      { field: 'division', before: 'Home', after: 'Sales' },
    ],
  })
  t.ok(takesAway(plan))
  const back = planUser(
    rowOf({ name: 'Al', state: 'active' }),
    { ...ALICE, state: 'inactive' },
    NO_DIVISION,
  )
  t.match(back, { steps: [{ kind: 'state', state: 'active' }, { kind: 'profile' }] })
  t.notOk(takesAway(back))
})

test('nobody becomes somebody, with a name, in the home division unless another is named', async (t) => {
  const row = rowOf({ name: 'Alice', department: '', title: 'Agent' })
  t.match(planUser(row, undefined, NO_DIVISION), {
    kind: 'create',
    user: {
      email: ALICE.email,
      name: 'Alice',
      divisionId: 'home',
      title: 'Agent',
      state: 'active',
    },
  })
  t.match(planUser(rowOf(), undefined, NO_DIVISION), { kind: 'impossible', message: /a name/ })
  t.match(planUser(rowOf({ state: 'deleted' }), undefined, NO_DIVISION), { kind: 'unchanged' })
  t.match(planUser(rowOf({ name: 'A', id: 'b2' }), undefined, NO_DIVISION), { kind: 'impossible' })
})

test('a deleted user is brought back only where the row says so', async (t) => {
  const gone = { ...ALICE, state: 'deleted' as const }
  t.match(planUser(rowOf(), gone, NO_DIVISION), { kind: 'impossible', message: /state active/ })
  t.match(planUser(rowOf({ state: 'active' }), gone, NO_DIVISION), { kind: 'update' })
  t.same(planUser(rowOf({ state: 'deleted' }), gone, NO_DIVISION), { kind: 'unchanged' })
  const plan = planUser(rowOf({ state: 'deleted' }), ALICE, NO_DIVISION)
  t.match(plan, { steps: [{ kind: 'delete' }] })
  t.ok(takesAway(plan))
})

test('an email that belongs to another id is refused', async (t) => {
  t.match(planUser(rowOf({ id: 'b2' }), ALICE, NO_DIVISION), {
    kind: 'impossible',
    message: /another user: a1/,
  })
})

/** What the platform makes of a step. */
function after(user: PlatformUser, step: UserStep): PlatformUser {
  switch (step.kind) {
    case 'delete':
      return { ...user, state: 'deleted' }
    case 'state':
      return { ...user, state: step.state }
    case 'division':
      return { ...user, divisionId: step.divisionId }
    case 'profile':
      return { ...user, ...step.fields }
  }
}

test('once the steps are done nothing is left to do, and nothing else was touched', async () => {
  const word = fc.constantFrom('x', 'y', 'z')
  const state = fc.constantFrom(...USER_STATES)
  const user = fc.record({ name: word, department: word, title: word, divisionId: word, state })
  const fields = fc.record(
    { name: word, department: word, title: word, division: word, state },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(user, fields, (has, wants) => {
      const before = { ...ALICE, ...has }
      const row = rowOf(wants)
      const context = { divisionId: row.division, homeDivisionId: 'home' }
      const plan = planUser(row, before, context)
      if (plan.kind === 'impossible') return
      const steps = plan.kind === 'update' ? plan.steps : []
      const user = steps.reduce(after, before)
      assert.deepEqual(planUser(row, user, context), { kind: 'unchanged' })
      for (const field of ['name', 'department', 'title', 'state'] as const) {
        if (row[field] === undefined) assert.equal(user[field], before[field])
      }
      if (row.division === undefined) assert.equal(user.divisionId, before.divisionId)
    }),
  )
})
