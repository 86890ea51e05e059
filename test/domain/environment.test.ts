import { test } from 'tap'
import { validateEnvironment } from '../../src/domain/environment.ts'
import type { RequestedEnvironment } from '../../src/domain/environment.ts'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { roleNamesOf } from '../../src/domain/role-names.ts'
import { worldFacts } from '../worker/support/change-world.ts'

const VALID: RequestedEnvironment = {
  name: 'staging-eu',
  configSource: { type: 'matrix', sources: ['current'] },
  accessControl: [{ role: 'Supervisor', permission: 'read_write' }],
}
const ROLES = new Set(['Supervisor', 'Agent'])

function check(
  more: Partial<RequestedEnvironment>,
  roles: ReadonlySet<string> | undefined = ROLES,
) {
  return validateEnvironment({ ...VALID, ...more }, roles)
}

test('what is in order comes back with its description', async (t) => {
  t.same(check({}), { faults: [], warnings: [], value: { ...VALID, description: '' } })
  t.same(check({ accessControl: [] }).faults, [])
})

test('a name is 3 to 32 lower-case letters, digits and hyphens after a letter', async (t) => {
  for (const name of ['dev', 'a1-', 'x'.repeat(32)]) t.same(check({ name }).faults, [], name)
  for (const name of ['ab', '1dev', '-dev', 'x'.repeat(33), 'dev\n', 'dévelop', '']) {
    t.match(check({ name }).faults, [{ field: 'name' }], name)
    t.equal(check({ name }).value, undefined)
  }
  t.match(check({ name: 'Dev Team' }).faults, [{ suggestion: 'dev-team' }])
})

test('every fault is told at once', async (t) => {
  const { faults } = check({
    name: 'X',
    description: 'a\u0000',
    configSource: { type: 'file', sources: [] },
    accessControl: [{ role: 'Agent' }, { permission: 'full' }, { role: ' ', permission: '' }],
  })
  t.same(
    faults.map(({ field }) => field),
    [
      'name',
      'description',
      'configSource/type',
      'configSource/sources',
      'accessControl/0/permission',
      'accessControl/1/role',
      'accessControl/2/permission',
      'accessControl/2/role',
    ],
  )
  t.match(check({ configSource: { type: 'matrix', sources: ['a', ''] } }).faults, [
    { field: 'configSource/sources/1' },
  ])
})

test('lists and texts are bounded', async (t) => {
  const directive = { role: 'Agent', permission: 'full' }
  t.match(check({ accessControl: Array.from({ length: 101 }, () => directive) }).faults, [
    { field: 'accessControl', message: /at most 100 entries, not 101/ },
  ])
  const sources = Array.from({ length: 101 }, () => 'current')
  t.match(check({ configSource: { type: 'matrix', sources } }).faults, [
    { field: 'configSource/sources' },
  ])
  t.match(check({ accessControl: [{ ...directive, role: 'x'.repeat(257) }] }).faults, [
    { field: 'accessControl/0/role', message: /at most 256/ },
  ])
})

test('a role that the organisation does not know is a warning, with the nearest name', async (t) => {
  const accessControl = [
    { role: 'supervisor', permission: 'full' },
    { role: 'Wizard', permission: 'full' },
  ]
  const { faults, warnings } = check({ accessControl })
  t.same(faults, [])
  t.same(warnings, [
    {
      field: 'accessControl/0/role',
      message: 'is no role of the organisation',
      suggestion: 'Supervisor',
    },
    { field: 'accessControl/1/role', message: 'is no role of the organisation' },
  ])
  t.same(validateEnvironment({ ...VALID, accessControl }, undefined).warnings, [])
})

test('only the first few unknown roles come with the nearest name', async (t) => {
  const accessControl = Array.from({ length: 100 }, () => ({ role: 'agent', permission: 'full' }))
  const { warnings } = check({ accessControl })
  t.equal(warnings.length, 100)
  t.equal(warnings.filter(({ suggestion }) => suggestion === 'Agent').length, 5)
})

test('the names of a matrix’s roles are read once', async (t) => {
  const matrix = new Matrix(buildMatrix(worldFacts()))
  const names = roleNamesOf(matrix)
  t.ok(names.has('agent'))
  t.equal(roleNamesOf(matrix), names)
})
