import * as fc from 'fast-check'
import { test } from 'tap'
import {
  nearestName,
  permissionName,
  policyMatches,
  policyName,
} from '../../src/domain/permission.ts'
import { indexPermissions } from '../../src/domain/role-permissions.ts'
import { permissionOf, policyOf, roleOf } from './support/small-world.ts'

test('a policy matches by domain, by entity or its *, by one of its actions or their *', async (t) => {
  const cases: readonly (readonly [policy: string, permission: string, matches: boolean])[] = [
    ['routing:queue:view', 'routing:queue:view', true],
    ['routing:queue:view+edit', 'routing:queue:edit', true],
    ['routing:queue:view+edit', 'routing:queue:add', false],
    ['routing:queue:view', 'routing:skill:view', false],
    ['routing:queue:view', 'analytics:queue:view', false],
    ['routing:queue:*', 'routing:queue:add', true],
    ['routing:queue:view+*', 'routing:queue:add', true],
    ['routing:queue:*', 'routing:skill:add', false],
    ['routing:*:view', 'routing:skill:view', true],
    ['routing:*:view', 'routing:skill:edit', false],
    ['routing:*:*', 'routing:skill:edit', true],
    ['routing:*:*', 'analytics:report:view', false],
    ['*:*:*', 'routing:queue:view', false],
    ['*:queue:view', 'routing:queue:view', false],
    ['*:queue:view', '*:queue:view', true],
    ['Routing:queue:view', 'routing:queue:view', false],
    ['routing:Queue:view', 'routing:queue:view', false],
    ['routing:queue:View', 'routing:queue:view', false],
    ['routing:que*:view', 'routing:queue:view', false],
    ['routing:queue:v*', 'routing:queue:view', false],
    ['routing:queue:', 'routing:queue:view', false],
    ['routing:queue:view', 'routing:*:view', false],
    ['routing:queue:view', 'routing:queue:*', false],
  ]
  for (const [policy, permission, matches] of cases) {
    t.equal(
      policyMatches(policyOf(policy), permissionOf(permission)),
      matches,
      `${policy} ${matches ? 'matches' : 'does not match'} ${permission}`,
    )
  }
  const nothing = { domain: 'routing', entity: 'queue', actions: [] }
  t.notOk(policyMatches(nothing, permissionOf('routing:queue:view')), 'no action matches none')
})

test('names are written as people write them, case kept', async (t) => {
  t.equal(
    permissionName(permissionOf('integrations:webDeployment:view')),
    'integrations:webDeployment:view',
  )
  t.equal(policyName(policyOf('routing:*:view+edit')), 'routing:*:view+edit')
  t.equal(policyName({ domain: 'routing', entity: 'queue', actions: [] }), 'routing:queue:')
})

test('the nearest name takes the fewest edits, case apart, within three and a third of the length', async (t) => {
  const known = ['routing:queue:view', 'routing:queue:edit', 'group_creation', 'admin']
  const cases: readonly (readonly [asked: string, nearest: string | undefined])[] = [
    ['routing:queue:view', 'routing:queue:view'],
    ['routing:queue:viewe', 'routing:queue:view'],
    ['routing:queue:edti', 'routing:queue:edit'],
    ['ROUTING:QUEUE:EDIT', 'routing:queue:edit'],
    ['groupCreation', 'group_creation'],
    ['amdin', undefined],
    ['admim', 'admin'],
    ['admins', 'admin'],
    ['admiral', undefined],
    ['', undefined],
    ['routing', undefined],
    ['x'.repeat(200), undefined],
    ['x'.repeat(100_000), undefined],
  ]
  for (const [asked, nearest] of cases) {
    t.equal(nearestName(asked, known), nearest, `"${asked.slice(0, 20)}"`)
  }
  t.equal(nearestName('b', ['a', 'c']), undefined, 'one of one letter is all of it')
  t.equal(nearestName('abcdef', ['abcdxx', 'abcdyy']), 'abcdxx', 'of equals the first')
  t.equal(nearestName('abcdef', []), undefined)
})

test('a code listed twice counts once, the same in either order', async (t) => {
  const plain = {
    ...permissionOf('routing:queue:view', false),
    label: 'b',
    allowsConditions: false,
  }
  const narrowed = { ...permissionOf('routing:queue:view', true), label: 'a' }
  const indexed = indexPermissions([plain, narrowed], [])
  t.equal(indexed.length, 1)
  t.equal(indexed[0]?.divisionAware, true)
  t.same(indexPermissions([narrowed, plain], []), indexed)
  // Two entries may come to one name by where their colons are: one of them counts, always the same.
  const apart = { ...plain, domain: 'routing:queue', entity: 'view', action: 'all' }
  const other = { ...plain, domain: 'routing', entity: 'queue:view', action: 'all' }
  t.equal(indexPermissions([apart, other], []).length, 1)
  t.same(indexPermissions([apart, other], []), indexPermissions([other, apart], []))
})

test('flat names of roles can be asked for unless the catalogue has them', async (t) => {
  const role = { ...roleOf('clerk'), permissions: ['group_creation', 'routing:queue:view'] }
  const indexed = indexPermissions([permissionOf('routing:queue:view')], [role, role])
  t.same(
    indexed.map(({ code, flat, divisionAware }) => [code, flat, divisionAware]),
    [
      ['group_creation', true, false],
      ['routing:queue:view', false, true],
    ],
  )
})

/** The distance by its definition, all cells of the table filled. */
function naiveDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const line = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      line.push(Math.min(substituted, (above[j] ?? 0) + 1, (line[j - 1] ?? 0) + 1))
    }
    above = line
  }
  return above[b.length] ?? 0
}

test('no name that is nearer is overlooked', async () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 14 })
  const names = fc.array(name, { maxLength: 8 })
  fc.assert(
    fc.property(name, names, (asked, known) => {
      const bound = Math.min(3, Math.floor(asked.length / 3))
      let best: string | undefined
      for (const one of known) {
        const distance = naiveDistance(asked, one)
        if (distance > bound) continue
        if (best === undefined || distance < naiveDistance(asked, best)) best = one
      }
      return nearestName(asked, known) === best
    }),
    { numRuns: 2_000 },
  )
})
