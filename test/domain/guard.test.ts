import { test } from 'tap'
import { refusal } from '../../src/domain/guard.ts'
import type { MatrixSize, ShrinkRule } from '../../src/domain/guard.ts'

function size(userCount: number, directGrantCount: number, groupGrantCount = 0): MatrixSize {
  return { ...REST, userCount, directGrantCount, groupGrantCount }
}

const REST = {
  activeUserCount: 100,
  membershipCount: 100,
  roleCount: 10,
  rolePermissionCount: 100,
  divisionCount: 3,
  cataloguedCount: 100,
}

function rule(maxShrinkPercent: number, allowShrink = false): ShrinkRule {
  return { maxShrinkPercent, allowShrink }
}

test('users and grants may fall by as much as the rule says, and not by more', async (t) => {
  t.equal(refusal(size(100, 100), size(70, 70), rule(30)), undefined)
  t.match(refusal(size(100, 100), size(69, 100), rule(30)), /^users fell by 31\.0 % from 100 to 69/)
  t.match(refusal(size(100, 100), size(100, 69), rule(30)), /^grants fell by 31\.0 %/)
  t.match(
    refusal(size(100, 100), size(1, 0), rule(30)),
    'users fell by 99.0 % from 100 to 1 and grants fell by 100.0 % from 100 to 0; ' +
      'at most 30 % is taken for real without allowShrink',
  )
})

test('a fall of exactly the percentage is within it, for every whole percentage', async (t) => {
  const refused: number[] = []
  const accepted: number[] = []
  // Nobody at all left is refused for another reason.
  for (let percent = 0; percent < 100; percent++) {
    if (refusal(size(100, 1), size(100 - percent, 1), rule(percent)) !== undefined) {
      refused.push(percent)
    }
    const beyond = size(1000 - percent * 10 - 1, 1)
    if (refusal(size(1000, 1), beyond, rule(percent)) === undefined) {
      accepted.push(percent)
    }
  }
  t.same(refused, [], 'exactly the percentage')
  t.same(accepted, [], 'one in a thousand beyond it')
})

test('grants are counted together: what moves from users to groups is no fall', async (t) => {
  t.equal(refusal(size(10, 100, 0), size(10, 0, 100), rule(0)), undefined)
  t.match(refusal(size(10, 50, 50), size(10, 50, 0), rule(30)), /^grants fell by 50\.0 %/)
})

test('growth is never refused', async (t) => {
  t.equal(refusal(size(1, 1), size(1_000_000, 1_000_000), rule(0)), undefined)
  t.equal(refusal(size(1, 0), size(1, 0), rule(0)), undefined)
  t.equal(refusal(size(0, 0), size(5, 5), rule(0)), undefined)
})

test('nothing served, or a fall that an admin means, is no reason to refuse', async (t) => {
  t.equal(refusal(undefined, size(1, 0), rule(0)), undefined)
  t.equal(refusal(size(100, 100), size(0, 0), rule(0, true)), undefined)
  t.type(refusal(size(100, 100), size(99, 100), rule(0)), 'string')
})

test('what else a half-read organisation lacks is guarded too, once there is enough of it', async (t) => {
  const kinds = {
    activeUserCount: 'active users',
    membershipCount: 'group memberships',
    rolePermissionCount: 'permissions of roles',
    cataloguedCount: 'permissions',
  }
  for (const [kind, words] of Object.entries(kinds)) {
    const served = size(100, 100)
    t.equal(refusal(served, { ...served, [kind]: 70 }, rule(30)), undefined)
    t.match(refusal(served, { ...served, [kind]: 69 }, rule(30)), `${words} fell by 31.0 %`)
    const few = { ...served, [kind]: 3 }
    t.equal(refusal(few, { ...few, [kind]: 1 }, rule(30)), undefined, 'a share of few says little')
    t.type(refusal(few, { ...few, [kind]: 0 }, rule(30)), 'string', 'vanished altogether')
    t.equal(refusal(served, { ...served, [kind]: 1 }, rule(30, true)), undefined)
  }
})

test('an organisation without users, roles, divisions or permissions is not believed', async (t) => {
  for (const kind of ['userCount', 'roleCount', 'divisionCount', 'cataloguedCount']) {
    const empty = { ...size(100, 100), [kind]: 0 }
    t.match(refusal(undefined, empty, rule(100)), /^the organisation seems to have no /)
    t.equal(refusal(undefined, empty, rule(100, true)), undefined)
  }
})
