import { test } from 'tap'
import { MAX_ENTRIES_LENGTH } from '../../src/domain/entry-page.ts'
import type { RequestedUpdate } from '../../src/domain/role-change.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import type { Simulation } from '../../src/domain/simulation.ts'
import { writeSimulation } from '../../src/domain/simulation-text.ts'
import type { SimulationQuestion } from '../../src/domain/simulation-text.ts'
import {
  divisionOf,
  grantOf,
  matrixOf,
  permissionOf,
  roleOf,
  userOf,
} from './support/small-world.ts'

/** Two thousand permissions, which one role gives; everybody may get it. */
const PERMISSIONS = 2_000
const USERS = 60
const everybody = Array.from({ length: USERS }, (_, index) => `user-${index}`)
const matrix = matrixOf({
  subjects: everybody.map((id) => userOf(id, ['clerk in home'])),
  divisions: [divisionOf('home', true)],
  roles: [roleOf('everything', 'routing:*:*'), roleOf('clerk', 'office:door:open')],
  permissions: [
    permissionOf('office:door:open'),
    ...Array.from({ length: PERMISSIONS }, (_, i) => permissionOf(`routing:entityNumber${i}:view`)),
  ],
})

function ask(more: Partial<SimulationQuestion> = {}) {
  const grant = [grantOf('everything in home')]
  const updates: RequestedUpdate[] = everybody.map((userId) => ({ userId, grant }))
  const now = Date.parse('2026-01-31T12:00:00Z')
  const change = { kind: 'users', updates } as const
  const question = { change, rules: [], now, limit: 1_000, offset: 0, ...more }
  const { json, nextOffset } = writeSimulation(matrix, question)
  const answer = JSON.parse(new TextDecoder().decode(json)) as Simulation
  return { ...answer, bytes: json.length, nextOffset }
}

test('a page is bounded in bytes, and the pages tell of every user once', async (t) => {
  const told: string[] = []
  let pages = 0
  for (let offset: number | undefined = 0; offset !== undefined; pages += 1) {
    const page = ask({ offset })
    t.ok(page.bytes < 1.25 * MAX_ENTRIES_LENGTH, `${page.bytes} bytes`)
    t.ok(page.entries.length > 0)
    t.equal(page.entries[0]?.addedPermissions.length, PERMISSIONS)
    t.equal(page.blastRadius.users, USERS, 'all are counted on every page')
    told.push(...page.entries.map(({ userId }) => userId))
    offset = page.nextOffset
  }
  t.same(told, everybody)
  t.ok(pages >= 4 && pages < USERS, `${pages} pages`)
})

test('a page ends at its limit where that comes first, also in the middle of a longer one', async (t) => {
  const page = ask({ limit: 2, offset: 3 })
  t.same(
    page.entries.map(({ userId }) => userId),
    ['user-3', 'user-4'],
  )
  t.equal(page.nextOffset, 5)
  t.equal(ask({ limit: 1, offset: USERS - 1 }).nextOffset, undefined)
  t.match(ask({ offset: USERS }), { entries: [], nextOffset: undefined })
})

test('a list beside the entries is cut at so many bytes, and the answer says so', async (t) => {
  const name = 'x'.repeat(20_000)
  const rule: RoleRule = {
    name,
    kind: 'excludes',
    role: 'clerk',
    excludes: ['everything'],
    scope: 'overall',
  }
  t.equal(ask({ limit: 1 }).truncated, false)
  const { conflicts, truncated } = ask({ limit: 1, rules: [rule] })
  t.equal(truncated, true)
  t.ok(conflicts.length > 10 && conflicts.length < USERS, `${conflicts.length} conflicts`)
  t.ok(JSON.stringify(conflicts).length < 1.1 * MAX_ENTRIES_LENGTH)
})

test('what stands for nothing is told in the words of the question', async (t) => {
  const updates = [{ userId: 'user-1', grant: [grantOf('everythin in home')] }]
  t.throws(() => ask({ change: { kind: 'users', updates } }), {
    code: 'invalid',
    field: 'updates/0/grant/0/roleId',
  })
  t.throws(() => ask({ change: { kind: 'role', edit: { roleId: 'everything' } } }), {
    code: 'invalid',
    field: 'addPolicies',
  })
})
