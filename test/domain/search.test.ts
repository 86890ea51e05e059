import { test } from 'tap'
import type { Path } from '../../src/domain/evaluate.ts'
import type { Page } from '../../src/domain/listing.ts'
import {
  allows,
  CONDITIONAL,
  decide,
  NOT_GRANTED,
  OTHER_DIVISION,
} from '../../src/domain/evaluate.ts'
import { searchActions, searchDivisions, searchSubjects } from '../../src/domain/search.ts'
import { StepCount } from '../../src/domain/step-count.ts'
import {
  divisionOf,
  matrixOf,
  permissionOf,
  policyOf,
  roleOf,
  userOf,
  whereEqual,
} from './support/small-world.ts'

/*
 * hidden  holds 300 roles everywhere that let see and edit records whose `kind` is `open`
 * roamer  holds one of them in each of 200 divisions
 */
const ROLES = Array.from({ length: 300 }, (_, i) => `role-${i}`)
const DIVISIONS = Array.from({ length: 1_000 }, (_, i) => `d${i}`)
const ELSEWHERE = 200
const matrix = matrixOf({
  permissions: [
    ...Array.from({ length: 600 }, (_, i) => permissionOf(`crm:record:see${i}`)),
    permissionOf('crm:record:wipe'),
  ],
  roles: ROLES.map((id) => roleOf(id, policyOf('crm:record:*', whereEqual('kind', 'open')))),
  divisions: DIVISIONS.map((id) => divisionOf(id)),
  subjects: [
    userOf('hidden', [...ROLES.map((role) => `${role} in *`)]),
    userOf('roamer', [...DIVISIONS.slice(0, ELSEWHERE).map((id) => `role-0 in ${id}`)]),
    ...Array.from({ length: 200 }, (_, i) => {
      return userOf(`hidden-${i}`, [...ROLES.map((role) => `${role} in *`)])
    }),
  ],
})
const hidden = matrix.findSubject('hidden')
const roamer = matrix.findSubject('roamer')
const permission = matrix.findPermission('crm:record:wipe')
const CLOSED = [{ kind: 'closed' }]
const OPEN = [{ kind: 'open' }]
const ALL = 10_000

/** Calls until a search is at its end. */
function collect(search: (from: number) => Page<string>): { calls: number; found: string[] } {
  const found: string[] = []
  let calls = 0
  for (let from: number | undefined = 0; from !== undefined; calls++) {
    const page = search(from)
    found.push(...page.items)
    if (page.next !== undefined && page.next <= from) throw new Error('the search stands still')
    from = page.next
  }
  return { calls, found }
}

test('a search whose conditions take long to weigh is cut into calls', (t) => {
  const inDivisions = collect((from) => {
    const question = { subject: hidden, permission, division: undefined, scopes: CLOSED }
    return searchDivisions(matrix, question, { from, limit: ALL })
  })
  t.ok(inDivisions.calls > 10, `${inDivisions.calls} calls`)
  t.same(inDivisions.found, [])
  const actions = collect((from) => {
    const question = { subject: hidden, nameOf: String, division: 0, scopes: CLOSED }
    return searchActions(matrix, question, { from, limit: ALL })
  })
  t.ok(actions.calls > 10, `${actions.calls} calls`)
  const subjects = collect((from) => {
    const question = { kind: 'user' as const, permission, division: 0, scopes: CLOSED }
    return searchSubjects(matrix, question, { from, limit: ALL })
  })
  t.ok(subjects.calls > 3, `${subjects.calls} calls`)
  t.end()
})

test('what is found in calls is all that there is, each hit once', (t) => {
  const { found } = collect((from) => {
    const question = { subject: hidden, permission, division: undefined, scopes: OPEN }
    return searchDivisions(matrix, question, { from, limit: 7 })
  })
  t.same(found.sort(), [...DIVISIONS].sort())
  t.end()
})

function stepsOf(run: () => unknown): number {
  const mark = matrix.steps.mark()
  run()
  return matrix.steps.since(mark)
}

test('whether something is allowed is told without conditions of grants elsewhere', (t) => {
  const division = matrix.findDivision(DIVISIONS.at(-1))
  t.equal(decide(matrix, roamer, permission, division, CLOSED), NOT_GRANTED)
  t.equal(decide(matrix, roamer, permission, division, OPEN), OTHER_DIVISION)
  const few = stepsOf(() => t.notOk(allows(matrix, roamer, permission, division, CLOSED)))
  const many = stepsOf(() => decide(matrix, roamer, permission, division, CLOSED))
  t.equal(few, ELSEWHERE, 'each grant is looked at, and no more')
  t.ok(many > ELSEWHERE * 10, `${many} steps tell the reason of the denial`)
  t.ok(allows(matrix, roamer, permission, matrix.findDivision('d7'), OPEN))
  t.notOk(allows(matrix, roamer, permission, matrix.findDivision('d7'), CLOSED))
  t.notOk(allows(matrix, -1, permission, division, OPEN))
  t.end()
})

test('a path that is recorded counts for what it takes, with the names in it', (t) => {
  const division = matrix.findDivision('d7')
  const paths: Path[] = []
  const record = (path: Path) => void paths.push(path)
  const plain = stepsOf(() => decide(matrix, roamer, permission, division, []))
  const recorded = stepsOf(() => decide(matrix, roamer, permission, division, [], record))
  t.equal(paths.length, ELSEWHERE)
  t.strictSame(paths[7]?.missing, ['kind'])
  t.ok(recorded > plain + ELSEWHERE * 50, `${recorded} steps, ${plain} without`)
  t.end()
})

test('who asks for no path elsewhere has none weighed', (t) => {
  const division = matrix.findDivision('d7')
  const paths: Path[] = []
  const record = Object.assign((path: Path) => void paths.push(path), { reachedOnly: true })
  const steps = stepsOf(() => {
    t.equal(decide(matrix, roamer, permission, division, [], record), CONDITIONAL)
  })
  t.match(paths, [{ outcome: CONDITIONAL, missing: ['kind'], division }])
  t.equal(paths.length, 1)
  t.ok(steps < ELSEWHERE * 2, `${steps} steps`)
  t.end()
})

test('steps are counted on when their number wraps around', (t) => {
  const steps = new StepCount()
  steps.count(2 ** 31 - 1)
  steps.count(1_000)
  const mark = steps.mark()
  t.ok(mark < 0, 'it has')
  steps.count(2 ** 31 - 1)
  t.equal(steps.since(mark), 2 ** 31 - 1)
  t.end()
})
