import { test } from 'tap'
import { explain, MAX_PATHS } from '../../src/domain/explain.ts'
import type { ExplainedDecision, NearestMiss } from '../../src/domain/explain.ts'
import {
  divisionOf,
  groupOf,
  matrixOf,
  permissionOf,
  policyOf,
  roleOf,
  userOf,
  whereEqual,
} from './support/small-world.ts'

/*
 * catalogue   routing:queue:view, routing:queue:edit, routing:skill:view
 * divisions   north, south, west
 *
 * roles       viewer     routing:queue:view
 *             router     routing:queue:view+edit, routing:queue:*
 *             own        routing:queue:view where queueId = q1
 *             local      routing:queue:view where teamId = t1
 *             clerk      flat: group_creation
 *
 * groups      team       roles on    viewer in south, own in north
 *             club       roles off   router in *
 */
const matrix = matrixOf({
  permissions: ['routing:queue:view', 'routing:queue:edit', 'routing:skill:view'].map((name) =>
    permissionOf(name),
  ),
  divisions: [divisionOf('north', true), divisionOf('south'), divisionOf('west')],
  roles: [
    roleOf('viewer', 'routing:queue:view'),
    roleOf('router', 'routing:queue:view+edit', 'routing:queue:*'),
    roleOf('own', policyOf('routing:queue:view', whereEqual('queueId', 'q1'))),
    roleOf('local', policyOf('routing:queue:view', whereEqual('teamId', 't1'))),
    roleOf('clerk', 'group_creation'),
  ],
  groups: [
    groupOf('team', ['viewer in south', 'own in north']),
    groupOf('club', ['router in *'], false),
  ],
  subjects: [
    userOf('anna', ['router in *', 'clerk in west'], { groupIds: ['team', 'club'] }),
    userOf('bert', [], { groupIds: ['team', 'club'] }),
    userOf('own-here-local-there', ['own in north', 'local in south']),
    userOf('own-here-viewer-there', ['own in north', 'viewer in south', 'viewer in west']),
    userOf('nobody'),
    userOf('gone', ['viewer in *'], { state: 'inactive' }),
    userOf('deleted', ['viewer in *'], { state: 'deleted' }),
  ],
})

type Attributes = Readonly<Record<string, unknown>>

function explained(question: string, attributes?: Attributes): ExplainedDecision {
  const [subjectId = '', permission = '', divisionId] = question.split(' ')
  return explain(matrix, { subjectId, permission, divisionId }, attributes && [attributes])
}

/** Each way on a line: `outcome: role in division by group, policy (missing)`. */
function ways(question: string, attributes?: Attributes): string[] {
  return explained(question, attributes).explanation.paths.map((path) => {
    const by = path.via.type === 'group' ? `by ${path.via.id}` : 'direct'
    const missing = path.missing ? ` (${path.missing.join()})` : ''
    return `${path.outcome}: ${path.role.id} in ${path.division.id} ${by}, ${path.policy}${missing}`
  })
}

function nearest(question: string, attributes?: Attributes): NearestMiss | undefined {
  return explained(question, attributes).explanation.nearest
}

test('tells every way by which something is allowed, the allowed ones first', async (t) => {
  t.same(ways('anna routing:queue:view north'), [
    'allowed: router in * direct, routing:queue:*',
    'allowed: router in * direct, routing:queue:edit+view',
    'conditional: own in north by team, routing:queue:view (queueId)',
    'other_division: viewer in south by team, routing:queue:view',
  ])
  t.same(ways('anna group_creation north'), ['allowed: clerk in west direct, group_creation'])
  t.same(ways('nobody routing:queue:view'), [])
})

test('names roles, divisions and groups as people know them', async (t) => {
  const { paths } = explained('bert routing:queue:view south').explanation
  t.same(paths[0], {
    role: { id: 'viewer', name: 'Role viewer' },
    division: { id: 'south', name: 'Division south' },
    via: { type: 'group', id: 'team', name: 'Group team' },
    policy: 'routing:queue:view',
    outcome: 'allowed',
  })
  const [everywhere] = explained('anna routing:queue:edit').explanation.paths
  t.same(everywhere?.division, { id: '*', name: 'all divisions' })
  t.same(everywhere?.via, { type: 'direct' })
})

test('says what a condition did to its way', async (t) => {
  const question = 'own-here-local-there routing:queue:view'
  t.same(ways(question, { queueId: 'q1', teamId: 't2' }), [
    'allowed: own in north direct, routing:queue:view',
    'condition_failed: local in south direct, routing:queue:view',
  ])
  t.same(ways(question, { queueId: 'q2' }), [
    'conditional: local in south direct, routing:queue:view (teamId)',
    'condition_failed: own in north direct, routing:queue:view',
  ])
})

test('an allowed answer has neither reason nor nearest miss', async (t) => {
  const answer = explained('anna routing:queue:view')
  t.equal(answer.allowed, true)
  t.notOk('reason' in answer)
  t.notOk('nearest' in answer.explanation)
  t.notOk('truncated' in answer.explanation)
})

test('unknown_permission names the known permission that resembles it most', async (t) => {
  t.equal(explained('anna routing:queue:veiw').reason, 'unknown_permission')
  t.same(nearest('anna routing:queue:veiw'), { permission: 'routing:queue:view' })
  t.same(nearest('anna Routing:Queue:View'), { permission: 'routing:queue:view' })
  t.same(nearest('anna group_creations'), { permission: 'group_creation' })
  t.same(nearest('no-such-user nothing-like-any'), {})
})

test('unknown_user has nothing near', async (t) => {
  const answer = explained('no-such-user routing:queue:view')
  t.same(answer, {
    allowed: false,
    reason: 'unknown_user',
    explanation: { paths: [], nearest: {} },
  })
})

test('inactive_user tells the state', async (t) => {
  t.equal(explained('gone routing:queue:view').reason, 'inactive_user')
  t.same(nearest('gone routing:queue:view'), { state: 'inactive' })
  t.same(nearest('deleted routing:queue:view'), { state: 'deleted' })
})

test('conditional tells the attributes that would decide, and no others', async (t) => {
  const question = 'own-here-local-there routing:queue:view'
  t.equal(explained(question).reason, 'conditional')
  t.same(nearest(question), { missing: ['queueId', 'teamId'] })
  t.same(nearest(question, { queueId: 'q2' }), { missing: ['teamId'] })
  // The grant in south is of no use to a question about north, whatever teamId is.
  t.same(nearest(`${question} north`), { missing: ['queueId'] })
})

test('other_division tells where it is held, and not where a condition failed', async (t) => {
  const question = 'own-here-viewer-there routing:queue:view north'
  t.equal(explained(question, { queueId: 'q2' }).reason, 'other_division')
  t.same(nearest(question, { queueId: 'q2' }), {
    divisions: [
      { id: 'south', name: 'Division south' },
      { id: 'west', name: 'Division west' },
    ],
  })
})

test('not_granted tells which roles give it, also under a condition', async (t) => {
  t.equal(explained('nobody routing:queue:view').reason, 'not_granted')
  const miss = nearest('nobody routing:queue:view')
  t.same(
    miss?.roles?.map(({ id }) => id),
    ['local', 'own', 'router', 'viewer'],
  )
  t.equal(miss?.roleCount, 4)
  t.same(nearest('nobody routing:skill:view'), { roles: [], roleCount: 0 })
  t.same(nearest('nobody group_creation'), {
    roles: [{ id: 'clerk', name: 'Role clerk' }],
    roleCount: 1,
  })
})

/*
 * 12 roles with 20 policies each, all for the same permission; anna holds them all.
 */
test('lists a bounded number of ways and roles, and says that there are more', async (t) => {
  const roleIds = Array.from({ length: 12 }, (_, index) => `role-${String(index).padStart(2, '0')}`)
  const policies = Array.from({ length: 20 }, () => 'routing:queue:view')
  const crowded = matrixOf({
    permissions: [permissionOf('routing:queue:view')],
    roles: roleIds.map((id) => roleOf(id, ...policies)),
    subjects: [
      userOf(
        'anna',
        roleIds.map((id) => `${id} in *`),
      ),
      userOf('nobody'),
    ],
  })
  const question = { subjectId: 'anna', permission: 'routing:queue:view' }
  const { explanation } = explain(crowded, question)
  t.equal(explanation.paths.length, MAX_PATHS)
  t.equal(explanation.truncated, true)
  const { nearest: miss } = explain(crowded, { ...question, subjectId: 'nobody' }).explanation
  t.same(
    miss?.roles?.map(({ id }) => id),
    roleIds.slice(0, 10),
  )
  t.equal(miss?.roleCount, 12)
})
