import t from 'tap'
import { currentConflicts } from '../../src/domain/list-conflicts.ts'
import type { ConflictPlace } from '../../src/domain/list-conflicts.ts'
import type { RoleRule, RuleConflict } from '../../src/domain/role-rules.ts'
import { FACTS, matrixOf, ROLES, DIVISIONS } from '../http/support/organization.ts'

const [ADA] = FACTS.subjects
const grants = [
  { roleId: ROLES.agent, divisionId: DIVISIONS.sales },
  { roleId: ROLES.supervisor, divisionId: DIVISIONS.sales },
]
const rule = (name: string): RoleRule => ({
  name,
  kind: 'excludes',
  role: 'supervisor',
  excludes: ['agent'],
  scope: 'overall',
})

t.test('conflicts come page by page, each once, also where a user has many', (t) => {
  const subjects = Array.from({ length: 4 }, (_, index) => ({
    ...(ADA as object),
    id: `user-${index}`,
    grants,
  }))
  const matrix = matrixOf({ ...FACTS, subjects: subjects as never }, 1)
  const rules = ['one', 'two', 'three'].map(rule)
  const all = currentConflicts(matrix, rules, { limit: 100 })
  t.equal(all.conflicts.length, 12)
  t.match(all, { truncated: false, next: undefined })
  for (const limit of [1, 2, 5, 12]) {
    const found: RuleConflict[] = []
    let from: ConflictPlace | undefined
    do {
      const page = currentConflicts(matrix, rules, { limit, from })
      t.ok(page.conflicts.length <= limit)
      t.equal(page.truncated, page.next !== undefined)
      found.push(...page.conflicts)
      from = page.next
    } while (from)
    t.same(found, all.conflicts, `${limit} at a time`)
  }
  t.end()
})
