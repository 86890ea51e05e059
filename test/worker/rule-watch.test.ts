import { test } from 'tap'
import { DEFAULT_ROLE_RULES } from '../../src/domain/role-rules.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import { RuleWatch } from '../../src/worker/rule-watch.ts'
import { matrixOf, roleOf } from '../domain/support/small-world.ts'
import { recordingLogger } from '../support/recording-logger.ts'

const RULES: readonly RoleRule[] = [
  {
    name: 'four-eyes',
    kind: 'excludes',
    role: 'payer',
    excludes: ['approver'],
    scope: 'overall',
  },
]
const paying = matrixOf({ roles: [roleOf('payer')] })
const whole = matrixOf({ roles: [roleOf('payer'), roleOf('approver')] })

test('tells of rules that name what the organisation lacks, once for each change', async (t) => {
  const { logger, lines } = recordingLogger()
  const watch = new RuleWatch({ rules: RULES, logger })
  watch.look(undefined)
  t.same(watch.unmatched, [])
  const lacking = [{ rule: 'four-eyes', unknown: ['approver'], inert: true }]
  watch.look(paying)
  watch.look(paying)
  t.same(watch.unmatched, lacking)
  watch.look(whole)
  watch.look(whole)
  t.same(watch.unmatched, [])
  t.match(lines, [
    { level: 40, rules: lacking, msg: /does not have/ },
    { level: 30, msg: /every rule/ },
  ])
  t.equal(lines.length, 2)
})

test('says nothing of the defaults, which nobody has written', async (t) => {
  const { logger, lines } = recordingLogger()
  const watch = new RuleWatch({ rules: DEFAULT_ROLE_RULES, logger })
  watch.look(paying)
  t.same(watch.unmatched, [])
  t.same(lines, [])
})
