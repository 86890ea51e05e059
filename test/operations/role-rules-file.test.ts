import { Ajv2020 } from 'ajv/dist/2020.js'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config.ts'
import { DEFAULT_ROLE_RULES } from '../../src/domain/role-rules.ts'
import { readRoleRules } from '../../src/role-rules-file.ts'
import { roleRulesSchema, SCHEMA_FILE } from '../support/write-role-rules-schema.ts'
import { readText } from './support/repository.ts'

const MINIMAL = { GENESYS_CLIENT_ID: 'id', GENESYS_CLIENT_SECRET: 'secret', AUTH: 'none' }

const EXCLUDES = { name: 'a', kind: 'excludes', role: 'Supervisor', excludes: ['Agent'] }
const REQUIRES = { name: 'b', kind: 'requires', role: 'Admin', requires: ['Employee', 'Trainer'] }
const SEGREGATES = {
  name: 'c',
  kind: 'segregates',
  permissions: [['routing:queue:add'], ['routing:queue:delete', 'group_creation']],
  scope: 'division',
}

type Folder = { testdir(files: Record<string, string>): string }

/** A file with this content. */
function fileOf(t: Folder, content: unknown): string {
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  return join(t.testdir({ 'rules.json': text }), 'rules.json')
}

test('the published schema is the one that files are checked by', (t) => {
  const published = JSON.parse(readText(SCHEMA_FILE)) as object
  t.same(published, JSON.parse(JSON.stringify(roleRulesSchema())))
  const validate = new Ajv2020().compile(published)
  const rules = [EXCLUDES, REQUIRES, SEGREGATES]
  t.ok(validate({ $schema: './role-rules.schema.json', rules }))
  t.ok(validate({ rules: DEFAULT_ROLE_RULES }))
  t.notOk(validate({ rules: [{ ...EXCLUDES, requires: ['Agent'] }] }))
  t.end()
})

test('without a file the standard rules hold, with one only those of the file', (t) => {
  t.same(readConfig(MINIMAL).roleRules, DEFAULT_ROLE_RULES)
  const file = fileOf(t, { rules: [EXCLUDES, REQUIRES, SEGREGATES] })
  t.same(readConfig({ ...MINIMAL, ROLE_RULES_FILE: file }).roleRules, [
    { ...EXCLUDES, scope: 'overall' },
    { ...REQUIRES, scope: 'overall' },
    SEGREGATES,
  ])
  t.same(readRoleRules(fileOf(t, '\uFEFF{"rules": []}')), { rules: [], faults: [] })
  t.end()
})

test('what is wrong with a rule is told by rule and field', (t) => {
  const { name: _, ...nameless } = EXCLUDES
  const cases: readonly (readonly [unknown, string])[] = [
    [nameless, 'rule 2: lacks name'],
    ['text', 'rule 2: is no object'],
    [{ ...EXCLUDES, name: 'x', kind: 'forbids' }, 'rule 2 ("x"): kind must be one of excludes'],
    [{ ...EXCLUDES, name: 'x', excludes: [] }, 'rule 2 ("x"): excludes must not have fewer'],
    [{ ...EXCLUDES, name: 'x', excludes: ['y', 5] }, 'rule 2 ("x"): excludes/1 must be string'],
    [{ ...EXCLUDES, name: 'x', role: ' ' }, 'rule 2 ("x"): role must not be blank'],
    [{ ...EXCLUDES, name: 'x', scope: 'all' }, 'scope must be overall or division'],
    [{ ...EXCLUDES, name: 'x', rule: 1 }, 'rule 2 ("x"): has unknown fields: rule'],
    [{ ...EXCLUDES, name: 'x', role: 'Agent' }, 'excludes holds the rule’s own role'],
    [{ ...REQUIRES, name: 'x', role: 'Trainer' }, 'requires holds the rule’s own role'],
    [{ ...SEGREGATES, name: 'x', permissions: [['p']] }, 'permissions must not have fewer'],
    [{ ...SEGREGATES, name: 'x', permissions: [['p'], ['q', 'p']] }, 'one permission in two sets'],
    [{ ...REQUIRES, name: 'a' }, 'rule 2 ("a"): name is that of another rule'],
  ]
  for (const [rule, fault] of cases) {
    const { faults } = readRoleRules(fileOf(t, { rules: [EXCLUDES, rule] }))
    t.equal(faults.length, 1, fault)
    t.ok(faults[0]?.includes(fault), fault)
  }
  t.end()
})

test('a file that holds no rules is refused, and not quoted', (t) => {
  const cases: readonly (readonly [unknown, string])[] = [
    ['{"rules": [1 2]}', 'names a file that is no JSON (line 1 column 14)'],
    ['key=a-secret', 'names a file that is no JSON'],
    [[], 'names a file without a list "rules"'],
    [{ rules: {} }, 'names a file without a list "rules"'],
    [{ rules: [], rule: [] }, 'names a file that has unknown fields: rule'],
    [
      { rules: Array.from({ length: 1001 }, () => EXCLUDES) },
      'names a file of more than 1000 rules',
    ],
    [' '.repeat(1024 * 1024 + 1), 'names a file larger than 1 MiB'],
  ]
  const refused = (file: string, fault: string): void => {
    const expected = { code: 'invalid', message: `configuration: ROLE_RULES_FILE ${fault}` }
    t.throws(() => readConfig({ ...MINIMAL, ROLE_RULES_FILE: file }), expected)
  }
  for (const [content, fault] of cases) refused(fileOf(t, content), fault)
  refused('/nowhere/rules.json', 'cannot be read (ENOENT)')
  t.end()
})

test('of many faults only the first are told', (t) => {
  const { faults } = readRoleRules(fileOf(t, { rules: Array.from({ length: 30 }, () => ({})) }))
  t.equal(faults.length, 11)
  t.equal(faults.at(-1), 'has 20 more faults')
  t.end()
})
