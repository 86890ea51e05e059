import { test } from 'tap'
import type { AttributeScopes } from '../../src/domain/condition.ts'
import { evaluate, OUTCOMES } from '../../src/domain/evaluate.ts'
import type { Path } from '../../src/domain/evaluate.ts'
import type { Matrix } from '../../src/domain/matrix.ts'
import {
  divisionOf,
  grantOf,
  groupOf,
  matrixOf,
  permissionOf,
  policyOf,
  roleOf,
  userOf,
  whereEqual,
} from './support/small-world.ts'

/*
 * catalogue   routing:queue:view, routing:queue:edit, routing:skill:view, analytics:report:view
 *             directory:user:view                     (not narrowed by divisions)
 * divisions   north, south, west
 *
 * roles       viewer       routing:queue:view
 *             router       routing:queue:*            (every action)
 *             surveyor     routing:*:view             (every entity)
 *             chief        routing:*:*
 *             star         *:queue:view               (a * as domain is no wildcard)
 *             clerk        directory:user:view, flat: group_creation
 *             ghost        secret:thing:view          (not in the catalogue)
 *             own          routing:queue:view where queueId = q1
 *             mixed        own's policy and a plain routing:queue:edit
 *
 * groups      team    roles on    viewer in north, own in south
 *             club    roles off   chief in *
 */
const OWN = policyOf('routing:queue:view', whereEqual('queueId', 'q1'))
const matrix = matrixOf({
  permissions: [
    permissionOf('routing:queue:view'),
    permissionOf('routing:queue:edit'),
    permissionOf('routing:skill:view'),
    permissionOf('analytics:report:view'),
    permissionOf('directory:user:view', false),
  ],
  divisions: [divisionOf('north', true), divisionOf('south'), divisionOf('west')],
  roles: [
    roleOf('viewer', 'routing:queue:view'),
    roleOf('router', 'routing:queue:*'),
    roleOf('surveyor', 'routing:*:view'),
    roleOf('chief', 'routing:*:*'),
    roleOf('star', '*:queue:view'),
    roleOf('clerk', 'directory:user:view', 'group_creation'),
    roleOf('ghost', 'secret:thing:view'),
    roleOf('own', OWN),
    roleOf('mixed', OWN, 'routing:queue:edit'),
  ],
  groups: [
    groupOf('team', ['viewer in north', 'own in south']),
    groupOf('club', ['chief in *'], false),
  ],
  subjects: [
    userOf('viewer-north', ['viewer in north']),
    userOf('viewer-all', ['viewer in *']),
    userOf('router-north', ['router in north']),
    userOf('surveyor-north', ['surveyor in north']),
    userOf('chief-north', ['chief in north']),
    userOf('star-all', ['star in *']),
    userOf('clerk-west', ['clerk in west']),
    userOf('ghost-all', ['ghost in *']),
    userOf('own-north', ['own in north']),
    userOf('mixed-north', ['mixed in north']),
    userOf('own-and-viewer', ['own in north', 'viewer in south']),
    userOf('in-team', [], { groupIds: ['team'] }),
    userOf('in-club', [], { groupIds: ['club'] }),
    userOf('in-both', ['own in west'], { groupIds: ['club', 'team', 'no such group'] }),
    userOf('nobody'),
    userOf('gone', ['chief in *'], { state: 'inactive' }),
    userOf('deleted', ['chief in *'], { state: 'deleted', groupIds: ['team'] }),
    userOf('robot', ['chief in south'], { kind: 'client' }),
    userOf('astray', ['viewer in east', 'no such role in north']),
  ],
})

function answer(
  asked: Matrix,
  question: string,
  attributes?: Readonly<Record<string, unknown>>,
): string | undefined {
  const [subject = '', permission = '', divisionId] = question.split(' ')
  const scopes: AttributeScopes | undefined = attributes && [attributes]
  const outcome = evaluate(asked, subject, permission, divisionId, scopes)
  const recorded = evaluate(asked, subject, permission, divisionId, scopes, () => {})
  return outcome === recorded ? OUTCOMES[outcome] : `${outcome}, but recorded ${recorded}`
}

type Case = readonly [question: string, expected: string, attributes?: Record<string, unknown>]
type Tables = Readonly<Record<string, readonly Case[]>>

const TABLES: Tables = {
  'a grant reaches its own division, * every division': [
    ['viewer-north routing:queue:view', 'allowed'],
    ['viewer-north routing:queue:view north', 'allowed'],
    ['viewer-north routing:queue:view south', 'other_division'],
    ['viewer-all routing:queue:view', 'allowed'],
    ['viewer-all routing:queue:view south', 'allowed'],
  ],
  'a division that nobody knows is met by * alone': [
    ['viewer-north routing:queue:view no-such-division', 'other_division'],
    ['viewer-north routing:queue:view NORTH', 'other_division'],
    ['viewer-north routing:queue:view *', 'other_division'],
    ['viewer-all routing:queue:view no-such-division', 'allowed'],
    ['viewer-all routing:queue:view *', 'allowed'],
    ['nobody routing:queue:view no-such-division', 'not_granted'],
  ],
  'what no division narrows holds whatever division is asked': [
    ['clerk-west directory:user:view', 'allowed'],
    ['clerk-west directory:user:view north', 'allowed'],
    ['clerk-west directory:user:view no-such-division', 'allowed'],
    ['clerk-west group_creation', 'allowed'],
    ['clerk-west group_creation north', 'allowed'],
    ['viewer-north group_creation', 'not_granted'],
  ],
  'a wildcard covers actions of its entity and entities of its domain, nothing else': [
    ['router-north routing:queue:view', 'allowed'],
    ['router-north routing:queue:edit', 'allowed'],
    ['router-north routing:skill:view', 'not_granted'],
    ['surveyor-north routing:skill:view', 'allowed'],
    ['surveyor-north routing:queue:edit', 'not_granted'],
    ['chief-north routing:queue:edit', 'allowed'],
    ['chief-north routing:skill:view', 'allowed'],
    ['chief-north analytics:report:view', 'not_granted'],
    ['star-all routing:queue:view', 'not_granted'],
  ],
  'a name that is neither in the catalogue nor flat in a role is unknown': [
    ['ghost-all secret:thing:view', 'unknown_permission'],
    ['chief-north routing:queue:delete', 'unknown_permission'],
    ['chief-north routing:queue:*', 'unknown_permission'],
    ['chief-north routing:queue', 'unknown_permission'],
    ['chief-north Routing:queue:view', 'unknown_permission'],
    ['chief-north __proto__', 'unknown_permission'],
    ['chief-north constructor', 'unknown_permission'],
  ],
  'a group gives its grants when its roles are enabled': [
    ['in-team routing:queue:view north', 'allowed'],
    ['in-team routing:queue:view west', 'other_division'],
    ['in-club routing:queue:view', 'not_granted'],
    ['in-both routing:queue:view north', 'allowed'],
    ['in-both routing:skill:view', 'not_granted'],
  ],
  'a condition allows only when it holds on the attributes given': [
    ['own-north routing:queue:view', 'conditional'],
    ['own-north routing:queue:view', 'conditional', {}],
    ['own-north routing:queue:view', 'conditional', { queueId: null }],
    ['own-north routing:queue:view', 'conditional', { QueueId: 'q1' }],
    ['own-north routing:queue:view', 'allowed', { queueId: 'q1' }],
    ['own-north routing:queue:view north', 'allowed', { queueId: 'q1' }],
    ['own-north routing:queue:view', 'not_granted', { queueId: 'q2' }],
    ['own-north routing:queue:view', 'not_granted', { queueId: 'Q1' }],
  ],
  'a condition does not widen the division': [
    ['own-north routing:queue:view south', 'other_division'],
    ['own-north routing:queue:view south', 'other_division', { queueId: 'q1' }],
    ['own-north routing:queue:view south', 'not_granted', { queueId: 'q2' }],
  ],
  'conditional is said before other_division, allowed before both': [
    ['own-and-viewer routing:queue:view north', 'conditional'],
    ['own-and-viewer routing:queue:view north', 'other_division', { queueId: 'q2' }],
    ['own-and-viewer routing:queue:view north', 'allowed', { queueId: 'q1' }],
    ['own-and-viewer routing:queue:view south', 'allowed'],
    ['own-and-viewer routing:queue:view west', 'other_division'],
    ['own-and-viewer routing:queue:view', 'allowed'],
    ['in-both routing:queue:view west', 'conditional'],
    ['in-both routing:queue:view south', 'conditional'],
  ],
  'a plain policy beside a conditional one needs no attributes': [
    ['mixed-north routing:queue:edit', 'allowed'],
    ['mixed-north routing:queue:view', 'conditional'],
  ],
  'only active users may do anything': [
    ['gone routing:queue:view', 'inactive_user'],
    ['deleted routing:queue:view', 'inactive_user'],
    ['gone routing:queue:view no-such-division', 'inactive_user'],
    ['robot routing:queue:view south', 'allowed'],
    ['robot routing:queue:view north', 'other_division'],
  ],
  'the first reason of the list is given where several hold': [
    ['no-such-user no:such:permission', 'unknown_permission'],
    ['gone no:such:permission', 'unknown_permission'],
    ['no-such-user routing:queue:view', 'unknown_user'],
    ['Viewer-north routing:queue:view', 'unknown_user'],
    ['gone analytics:report:view', 'inactive_user'],
    ['nobody routing:queue:view', 'not_granted'],
  ],
  'a grant that names what was not listed gives nothing': [
    ['astray routing:queue:view', 'not_granted'],
    ['astray routing:queue:view east', 'not_granted'],
  ],
}

for (const [title, cases] of Object.entries(TABLES)) {
  test(title, async (t) => {
    for (const [question, expected, attributes] of cases) {
      const given = attributes ? ` with ${JSON.stringify(attributes)}` : ''
      t.equal(answer(matrix, question, attributes), expected, `${question}${given}`)
    }
  })
}

test('no reason goes without a case', async (t) => {
  const expected = Object.values(TABLES).flatMap((cases) => cases.map((one) => one[1]))
  t.same([...new Set(expected)].sort(), [...OUTCOMES].sort())
})

/*
 * One role gives routing:queue:view plainly, another under a condition, a third twice: under a
 * condition and plainly. Whichever comes first, the plain one allows.
 */
test('a plain grant allows what another grants under a condition, in either order', async (t) => {
  for (const [first, second] of [
    ['a-plain', 'b-own'],
    ['b-plain', 'a-own'],
  ] as const) {
    const asked = matrixOf({
      permissions: [permissionOf('routing:queue:view')],
      divisions: [divisionOf('north')],
      roles: [
        roleOf(first, 'routing:queue:view'),
        roleOf(second, OWN),
        roleOf('both', OWN, 'routing:queue:view'),
      ],
      subjects: [
        userOf('two', [`${first} in north`, `${second} in north`]),
        userOf('one', ['both in north']),
      ],
    })
    for (const attributes of [undefined, { queueId: 'q2' }, { queueId: 'q1' }]) {
      t.equal(answer(asked, 'two routing:queue:view north', attributes), 'allowed')
      t.equal(answer(asked, 'one routing:queue:view north', attributes), 'allowed')
    }
  }
})

/*
 * admin (flat) in north gives the flat name routing:queue:view, which is a catalogue permission
 * that divisions narrow; root gives the flat names * and routing:*:*.
 */
test('a flat name gives exactly that name, and the catalogue says what divisions narrow', async (t) => {
  const asked = matrixOf({
    permissions: [permissionOf('routing:queue:view'), permissionOf('routing:queue:edit')],
    divisions: [divisionOf('north')],
    roles: [
      { ...roleOf('admin'), permissions: ['routing:queue:view'] },
      { ...roleOf('root'), permissions: ['*', 'routing:*:*', ''] },
      roleOf('blank', ':*:*', '::', 'admin'),
    ],
    subjects: [
      userOf('anna', ['admin in north']),
      userOf('root', ['root in *']),
      userOf('blank', ['blank in *']),
    ],
  })
  t.equal(answer(asked, 'anna routing:queue:view'), 'allowed')
  t.equal(answer(asked, 'anna routing:queue:view north'), 'allowed')
  t.equal(answer(asked, 'anna routing:queue:view south'), 'other_division')
  t.equal(answer(asked, 'anna routing:queue:edit'), 'not_granted')
  t.equal(answer(asked, 'root routing:queue:view'), 'not_granted')
  t.equal(answer(asked, 'root *'), 'allowed')
  t.equal(answer(asked, 'root routing:*:*'), 'allowed')
  t.equal(OUTCOMES[evaluate(asked, 'root', '')], 'allowed')
  // A flat name has neither domain nor entity nor action that a policy could match.
  t.equal(answer(asked, 'blank *'), 'not_granted')
  t.equal(OUTCOMES[evaluate(asked, 'blank', '')], 'not_granted')
  t.equal(answer(asked, 'blank admin'), 'allowed')
})

test('a catalogue entry listed twice is narrowed by divisions if either entry is', async (t) => {
  for (const flags of [
    [true, false],
    [false, true],
  ]) {
    const asked = matrixOf({
      permissions: flags.map((aware) => permissionOf('routing:queue:view', aware)),
      divisions: [divisionOf('north')],
      roles: [roleOf('viewer', 'routing:queue:view')],
      subjects: [userOf('anna', ['viewer in north'])],
    })
    t.equal(asked.permissionCount, 1)
    t.equal(answer(asked, 'anna routing:queue:view south'), 'other_division')
  }
})

test('ids compare byte for byte', async (t) => {
  const uuid = '0f4b6a52-9d3e-4c1a-8b7f-00c0ffee0a1b'
  const asked = matrixOf({
    permissions: [permissionOf('routing:queue:view')],
    divisions: [divisionOf('é'), divisionOf('\uFEFFnorth')],
    roles: [roleOf('viewer', 'routing:queue:view')],
    subjects: [
      userOf(uuid, [], { grants: [{ roleId: 'viewer', divisionId: 'é' }] }),
      userOf('\uFEFFbom', [], { grants: [{ roleId: 'viewer', divisionId: '\uFEFFnorth' }] }),
    ],
  })
  const ask = (subject: string, division?: string): string | undefined =>
    OUTCOMES[evaluate(asked, subject, 'routing:queue:view', division)]
  t.equal(ask(uuid, 'é'), 'allowed')
  t.equal(ask(uuid, 'e\u0301'), 'other_division')
  t.equal(ask(uuid.toUpperCase()), 'unknown_user')
  t.equal(ask(` ${uuid}`), 'unknown_user')
  t.equal(ask('\uFEFFbom', '\uFEFFnorth'), 'allowed')
  t.equal(ask('\uFEFFbom', 'north'), 'other_division')
  t.equal(ask('bom'), 'unknown_user')
})

/*
 * 70 permissions in three words of bits; user i has permission i alone.
 */
test('each permission has a bit of its own', async (t) => {
  const names = Array.from({ length: 70 }, (_, index) => `d:e:${index}`)
  const asked = matrixOf({
    permissions: names.map((name) => permissionOf(name)),
    roles: names.map((name) => roleOf(name, name)),
    subjects: names.map((name) => ({
      ...userOf(name),
      grants: [{ roleId: name, divisionId: '*' }],
    })),
  })
  const wrong: string[] = []
  for (const user of names) {
    for (const name of names) {
      const expected = user === name ? 'allowed' : 'not_granted'
      if (OUTCOMES[evaluate(asked, user, name)] !== expected) wrong.push(`${user} ${name}`)
    }
  }
  t.same(wrong, [])
})

test('a recorder is told of every way, also after one that allows', async (t) => {
  const paths: Path[] = []
  const outcome = evaluate(matrix, 'in-both', 'routing:queue:view', 'north', [], (path) => {
    paths.push(path)
  })
  t.equal(OUTCOMES[outcome], 'allowed')
  t.same(
    paths.map((path) => [matrix.role(path.role).id, OUTCOMES[path.outcome], path.missing]),
    [
      ['own', 'other_division', ['queueId']],
      ['own', 'other_division', ['queueId']],
      ['viewer', 'allowed', []],
    ],
  )
})

test('facts that the types forbid never read as more than they say', async (t) => {
  const asked = matrixOf({
    permissions: [permissionOf('routing:queue:view')],
    divisions: [divisionOf('north')],
    roles: [
      roleOf('viewer', 'routing:queue:view'),
      ...[0, false, ''].map((condition, index) =>
        roleOf(`odd-${index}`, {
          ...policyOf('routing:queue:view'),
          condition: condition as never,
        }),
      ),
    ],
    subjects: [
      userOf('locked', [], { state: 'locked' as never, grants: [grantOf('viewer in north')] }),
      ...[0, 1, 2].map((index) => userOf(`odd-${index}`, [`odd-${index} in north`])),
    ],
  })
  t.equal(answer(asked, 'locked routing:queue:view'), 'inactive_user')
  for (const index of [0, 1, 2]) {
    t.equal(answer(asked, `odd-${index} routing:queue:view`, { any: 1 }), 'conditional')
  }
})
