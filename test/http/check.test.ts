import { mock } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { DIVISIONS, FACTS, matrixOf, USERS } from './support/organization.ts'
import { startCheckPlane } from './support/planes.ts'

const VIEW = 'routing:queue:view'
const check = (query: Record<string, string>): string =>
  `/api/v1/check-permission?${new URLSearchParams(query).toString()}`

t.test('answers a check in the contract’s shape, under both paths', async (t) => {
  const { get, record } = startCheckPlane(t)
  for (const path of ['/api/v1/check-permission', '/check-permission']) {
    const response = await get(`${path}?userId=${USERS.ada}&permission=${VIEW}`)
    t.equal(response.statusCode, 200)
    t.equal(response.body, `{"userId":"${USERS.ada}","permission":"${VIEW}","allowed":true}`)
  }
  t.same(record.decided, ['allowed', 'allowed'])
  t.same(record.answered, ['check 200', 'check 200'])
  t.equal(record.took, 2)
})

t.test('carries matrix, request id and security headers', async (t) => {
  const { get } = startCheckPlane(t)
  const { headers, rawPayload } = await get(check({ userId: USERS.ada, permission: VIEW }))
  t.match(headers, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(rawPayload.length),
    'x-matrix-revision': '7',
    'x-matrix-age': '12',
    'x-request-id': /^[\x21-\x7e]+$/,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
})

t.test('follows a swap in answers and headers', async (t) => {
  const { get, served } = startCheckPlane(t)
  const url = check({ userId: USERS.ada, permission: VIEW })
  await get(url)
  served.held.push(matrixOf({ ...FACTS, subjects: [] }, 8))
  const response = await get(url)
  t.equal(response.headers['x-matrix-revision'], '8')
  t.match(response.json(), { allowed: false, reason: 'unknown_user' })
})

const DENIALS: readonly [string, Record<string, string>, string][] = [
  [
    'unknown permission',
    { userId: USERS.ada, permission: 'routing:queue:fly' },
    'unknown_permission',
  ],
  ['unknown user', { userId: USERS.nobody, permission: VIEW }, 'unknown_user'],
  ['a name of the prototype', { userId: '__proto__', permission: VIEW }, 'unknown_user'],
  [
    'a permission of the prototype',
    { userId: USERS.ada, permission: 'constructor' },
    'unknown_permission',
  ],
  ['inactive user', { userId: USERS.cay, permission: VIEW }, 'inactive_user'],
  ['condition', { userId: USERS.dan, permission: 'recording:recording:view' }, 'conditional'],
  [
    'other division',
    { userId: USERS.ada, permission: VIEW, divisionId: DIVISIONS.support },
    'other_division',
  ],
  ['not granted', { userId: USERS.ada, permission: 'directory:user:view' }, 'not_granted'],
]
for (const [name, query, reason] of DENIALS) {
  t.test(`denies with a reason: ${name}`, async (t) => {
    const { get, record } = startCheckPlane(t)
    const response = await get(check(query))
    t.equal(response.statusCode, 200)
    t.strictSame(response.json(), { ...query, allowed: false, reason })
    t.same(record.unknown, reason === 'unknown_user' ? [query['userId']] : [])
  })
}

t.test('answers for OAuth clients and for ids that JSON has to escape', async (t) => {
  const { get } = startCheckPlane(t)
  for (const userId of [USERS.robot, USERS.quote]) {
    const response = await get(check({ userId, permission: VIEW }))
    t.strictSame(response.json(), { userId, permission: VIEW, allowed: true })
    t.equal(response.headers['content-length'], String(response.rawPayload.length))
  }
  const control = 'a\u0001\u007f\ud83d\ude00"'
  const response = await get(check({ userId: control, permission: VIEW }))
  t.equal(response.json<{ userId: string }>().userId, control)
})

t.test('explains an answer', async (t) => {
  const { get } = startCheckPlane(t)
  const allowed = await get(check({ userId: USERS.bob, permission: VIEW, explain: 'true' }))
  t.strictSame(Object.keys(allowed.json<object>()), [
    'userId',
    'permission',
    'allowed',
    'explanation',
  ])
  t.match(allowed.json(), {
    allowed: true,
    explanation: {
      paths: [
        {
          role: { name: 'Supervisor' },
          division: { id: '*' },
          via: { type: 'group', name: 'Supervisors' },
          policy: 'routing:queue:*',
          outcome: 'allowed',
        },
      ],
    },
  })
  const conditional = await get(
    check({ userId: USERS.dan, permission: 'recording:recording:view', explain: 'true' }),
  )
  t.match(conditional.json(), {
    allowed: false,
    reason: 'conditional',
    explanation: {
      paths: [{ outcome: 'conditional', missing: ['queue.id'] }],
      nearest: { missing: ['queue.id'] },
    },
  })
  const elsewhere = await get(
    check({ userId: USERS.ada, permission: VIEW, divisionId: DIVISIONS.home, explain: 'true' }),
  )
  t.match(elsewhere.json(), {
    divisionId: DIVISIONS.home,
    explanation: { nearest: { divisions: [{ name: 'Sales' }] } },
  })
  const typo = await get(
    check({ userId: USERS.ada, permission: 'routing:queue:veiw', explain: 'true' }),
  )
  t.match(typo.json(), { explanation: { nearest: { permission: VIEW } } })
  const plain = await get(check({ userId: USERS.bob, permission: VIEW, explain: 'false' }))
  t.notOk('explanation' in plain.json<object>())
})

const MALFORMED: readonly [string, string, string, string][] = [
  ['without user', `permission=${VIEW}`, 'userId', 'userId is required'],
  ['without permission', 'userId=u', 'permission', 'permission is required'],
  ['an empty user', `userId=&permission=${VIEW}`, 'userId', 'userId must not be empty'],
  [
    'an overlong user',
    `userId=${'x'.repeat(257)}&permission=${VIEW}`,
    'userId',
    'userId must have at most 256 characters',
  ],
  ['a user twice', `userId=a&userId=b&permission=${VIEW}`, 'userId', 'userId must be a string'],
  [
    'an empty division',
    `userId=a&permission=${VIEW}&divisionId=`,
    'divisionId',
    'divisionId must not be empty',
  ],
  [
    'explain=1',
    `userId=a&permission=${VIEW}&explain=1`,
    'explain',
    'explain must be one of true, false',
  ],
  [
    'explain=TRUE',
    `userId=a&permission=${VIEW}&explain=TRUE`,
    'explain',
    'explain must be one of true, false',
  ],
]
for (const [name, query, field, detail] of MALFORMED) {
  t.test(`refuses a check that is malformed: ${name}`, async (t) => {
    const { get, record } = startCheckPlane(t)
    const response = await get(`/check-permission?${query}`)
    t.equal(response.statusCode, 400)
    t.match(response.json(), { status: 400, field, detail })
    t.same(record.decided, [])
  })
}

t.test('ignores query parameters that it does not know', async (t) => {
  const { get } = startCheckPlane(t)
  const response = await get(
    check({ userId: USERS.ada, permission: VIEW, colour: 'red', __proto__x: '1' }),
  )
  t.equal(response.statusCode, 200)
})

t.test('never takes unknown for denied', async (t) => {
  const { get, served, record } = startCheckPlane(t)
  served.refusal = new Failure('not-ready', 'the matrix is too old')
  const response = await get(check({ userId: USERS.ada, permission: VIEW }))
  t.equal(response.statusCode, 503)
  t.match(response.json(), { type: /not-ready$/, detail: 'the matrix is too old' })
  t.same(record.decided, [])
  t.same(record.failed, ['check not-ready'])
})

t.test('holds to x-minimum-revision', async (t) => {
  const { get } = startCheckPlane(t)
  const url = check({ userId: USERS.ada, permission: VIEW })
  const status = async (revision: string) =>
    (await get(url, { 'x-minimum-revision': revision })).statusCode
  t.equal(await status('7'), 200)
  t.equal(await status('0'), 200)
  for (const wrong of ['seven', '-1', '7.5', '0x1', '', '001', '9'.repeat(16)])
    t.equal(await status(wrong), 400, wrong)
  const early = await get(url, { 'x-minimum-revision': '8' })
  t.equal(early.statusCode, 503)
  t.match(early.json(), { type: /not-ready$/, retryAfterSeconds: 1 })
  t.equal(early.headers['retry-after'], '1')
})

t.test('goes on telling the age when the clock is set back', async (t) => {
  const { get, served } = startCheckPlane(t)
  const url = check({ userId: USERS.ada, permission: VIEW })
  t.equal((await get(url)).headers['x-matrix-age'], '12')
  const hourAgo = Date.now() - 3_600_000
  mock.method(Date, 'now', () => hourAgo)
  t.teardown(() => mock.restoreAll())
  served.age = 13
  // The age was 12.9 seconds: a tenth of a second later it is told anew.
  await setTimeout(150)
  t.equal((await get(url)).headers['x-matrix-age'], '13')
})

t.test('answers HEAD like GET, without a body', async (t) => {
  const { app, get } = startCheckPlane(t)
  const url = check({ userId: USERS.ada, permission: VIEW })
  const { headers } = await get(url)
  const { authorization } = { authorization: 'Bearer check-secret-0123456789' }
  const head = await app.inject({ method: 'HEAD', url, headers: { authorization } })
  t.equal(head.statusCode, 200)
  t.equal(head.headers['x-matrix-revision'], headers['x-matrix-revision'])
})

t.test('tells liveness and readiness to everyone', async (t) => {
  let draining = false
  const { app, served } = startCheckPlane(t, { draining: () => draining })
  t.strictSame((await app.inject('/health/live')).json(), { status: 'live' })
  t.strictSame((await app.inject('/health/ready')).json(), {
    status: 'ready',
    revision: 7,
    ageSeconds: 12,
    takenAt: '2026-11-21T12:00:00.000Z',
  })
  draining = true
  t.equal((await app.inject('/health/ready')).statusCode, 503)
  draining = false
  served.held = []
  const unready = await app.inject('/health/ready')
  t.equal(unready.statusCode, 503)
  t.match(unready.json(), { type: /not-ready$/ })
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('describes itself as OpenAPI 3.1, the same each time', async (t) => {
  const first = startCheckPlane(t).app
  const second = startCheckPlane(t).app
  await Promise.all([first.ready(), second.ready()])
  const document = first.swagger() as unknown as {
    openapi: string
    paths: Record<string, Record<string, object>>
  }
  t.equal(JSON.stringify(document), JSON.stringify(second.swagger()))
  t.equal(document.openapi, '3.1.0')
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
  t.equal(operations.length, 14)
  for (const operation of operations) {
    t.hasProps(operation, ['operationId', 'summary', 'description', 'tags', 'responses'])
  }
})
