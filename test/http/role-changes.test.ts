import t from 'tap'
import type { Test } from 'tap'
import type { AuditEntry } from '../../src/domain/audit.ts'
import { DIVISIONS, FACTS, matrixOf, ROLES, USERS } from './support/organization.ts'
import { bearer, READER_SECRET } from './support/planes.ts'
import { nextTester, startStoredPlane } from './support/stored-plane.ts'

const BATCHES = '/admin/v1/role-changes'
const SIMULATIONS = `${BATCHES}/simulations`

const adaViews = { roleId: 'Supervisor', divisionId: 'Sales' }
const GRANT_ADA = { updates: [{ userId: 'ADA@example.com', grant: [adaViews] }] }
const HEADER = 'userId,operation,roleId,divisionId'

type Answer = Record<string, unknown> & {
  id: string
  nextCursor?: string
  items: { userId: string }[]
}
type Plane = Awaited<ReturnType<typeof startStoredPlane>>

async function entriesOf({ store }: Plane): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = []
  for await (const entry of store.audit.stream({})) entries.push(entry)
  return entries
}

/** Applies the first user of a batch as whoever applies batches would. */
async function applyFirst({ store }: Plane, id: string) {
  const claim = await store.roleChanges.claim('test', 60_000)
  if (claim?.batch.id !== id) throw new Error('another batch was claimed')
  const added = { roleId: ROLES.supervisor, divisionId: DIVISIONS.sales }
  const found = [{ roleId: ROLES.agent, divisionId: DIVISIONS.sales }]
  const delta = { add: [added], remove: [] }
  await store.roleChanges.record(claim, {
    item: {
      position: 0,
      patch: { state: 'applied', step: 'confirmed', found, delta, visible: true },
    },
    written: { userId: USERS.ada, ...delta },
    audit: [],
  })
  return claim
}

t.test('simulates updates, with the names that a person reads', async (t) => {
  const { post, wokenTimes, ...plane } = await startStoredPlane(t)
  const answer = await post(SIMULATIONS, {
    updates: [
      { userId: USERS.ada, grant: [adaViews, { roleId: 'Agent', divisionId: 'Sales' }] },
      { userId: 'dan@example.com', newRoleIds: [] },
    ],
  })
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), {
    revision: 7,
    entries: [
      {
        timestamp: '2026-11-21T12:30:00.000Z',
        userId: USERS.ada,
        action: 'role_assignment_change',
        addedPermissions: ['group_creation', 'routing:queue:delete', 'routing:queue:edit'],
      },
      { userId: USERS.dan, removedPermissions: ['recording:recording:view'] },
    ],
    conflicts: [{ rule: 'supervisor-excludes-agent', userName: 'Ada', status: 'new' }],
    blastRadius: { users: 2, orphanedPermissions: ['recording:recording:view'] },
    withoutEffect: [
      { userName: 'Ada', roleName: 'Agent', divisionName: 'Sales', reason: 'held-already' },
    ],
    truncated: false,
  })
  t.notOk('nextCursor' in answer.json<Answer>())
  t.equal(wokenTimes(), 0)
  t.same(await entriesOf({ ...plane, post, wokenTimes }), [], 'nothing is recorded')
})

t.test('simulates an edited role and a CSV', async (t) => {
  const { post } = await startStoredPlane(t)
  const policy = { domain: 'routing', entity: 'queue', actions: ['edit'] }
  const edited = await post(SIMULATIONS, { roleId: 'Agent', addPolicies: [policy] })
  t.match(edited.json(), { revision: 7, entries: Array, blastRadius: { users: 2, clients: 1 } })
  const csv = await post(SIMULATIONS, `${HEADER}\nada@example.com,revoke,Agent,Sales\n`)
  t.match(csv.json(), {
    entries: [{ userId: USERS.ada, removedPermissions: ['routing:queue:view'] }],
  })
})

t.test('pages through a simulation on the revision of its first page', async (t) => {
  const { post, served } = await startStoredPlane(t)
  const edit = {
    roleId: 'Agent',
    addPolicies: [{ domain: 'routing', entity: 'queue', actions: ['edit'] }],
  }
  const first = (await post(`${SIMULATIONS}?limit=1`, edit)).json<Answer>()
  t.ok(first.nextCursor)
  served.held.push(matrixOf({ ...FACTS, subjects: [] }, 8))
  const next = `${SIMULATIONS}?limit=1&cursor=${first.nextCursor}`
  const second = (await post(next, edit)).json<Answer>()
  t.match(second, { revision: 7, entries: [{ userId: String }] })
  t.notSame(second['entries'], first['entries'])
  t.notOk(second.nextCursor)
  t.match((await post(next, GRANT_ADA)).json(), { status: 400, field: 'cursor' })
  served.held.shift()
  t.equal((await post(next, edit)).statusCode, 410)
})

t.test('lets a reader simulate, and not change', async (t) => {
  const { post } = await startStoredPlane(t)
  const reader = bearer(READER_SECRET)
  t.equal((await post(SIMULATIONS, GRANT_ADA, reader)).statusCode, 200)
  for (const url of [
    BATCHES,
    `${BATCHES}/x/stop`,
    `${BATCHES}/x/resume`,
    `${BATCHES}/x/rollback`,
  ]) {
    t.equal((await post(url, GRANT_ADA, reader)).statusCode, 403, url)
  }
})

t.test('accepts a batch with the grants from before, and tells of it', async (t) => {
  const plane = await startStoredPlane(t)
  const { post, get, wokenTimes } = plane
  const until = '2027-01-01T00:00:00Z'
  const answer = await post(
    BATCHES,
    {
      updates: [
        { userId: USERS.ada, grant: [{ ...adaViews, until }] },
        { userId: USERS.dan, newRoleIds: ['Agent'], divisionId: 'Support' },
      ],
      comment: 'for the night shift',
      onFailure: 'continue',
      force: true,
    },
    { 'x-request-id': 'request-1' },
  )
  t.equal(answer.statusCode, 202)
  const batch = answer.json<Answer>()
  t.equal(answer.headers['location'], `${BATCHES}/${batch.id}`)
  t.match(batch, {
    state: 'pending',
    progress: { done: 0, total: 2 },
    counts: { pending: 2, applied: 0 },
    requestedBy: 'admin',
    requestId: 'request-1',
    comment: 'for the night shift',
    onFailure: 'continue',
    force: true,
    baseRevision: 7,
    startedAt: '2026-11-21T12:30:00.000Z',
  })
  t.equal(wokenTimes(), 1)
  const followed = (await get(`${BATCHES}/${batch.id}`)).json<Answer>()
  t.match(followed, {
    id: batch.id,
    items: [
      {
        position: 0,
        userId: USERS.ada,
        userName: 'Ada',
        state: 'pending',
        step: 'none',
        requested: { grant: [{ roleName: 'Supervisor', until: '2027-01-01T00:00:00.000Z' }] },
        before: [{ roleId: ROLES.agent, roleName: 'Agent', divisionName: 'Sales' }],
      },
      {
        requested: { newRoles: [{ roleName: 'Agent' }], divisionName: 'Support' },
        before: [{ roleName: 'Reviewer', divisionId: '*', divisionName: 'all divisions' }],
      },
    ],
  })
  const [entry, ...others] = await entriesOf(plane)
  t.same(others, [])
  t.match(entry, {
    action: 'role_changes_accepted',
    outcome: 'started',
    actor: 'admin',
    requestId: 'request-1',
    subjectId: batch.id,
    before: { users: 2, grants: 2, hash: /^[\w-]{43}$/ },
    details: {
      comment: 'for the night shift',
      onFailure: 'continue',
      force: true,
      baseRevision: 7,
      userIds: [USERS.ada, USERS.dan],
      grants: 1,
      sunsets: 1,
      replacements: 1,
    },
  })
})

t.test('answers a dry run with the simulation and records nothing', async (t) => {
  const plane = await startStoredPlane(t)
  const headers = { 'idempotency-key': 'k' }
  const answer = await plane.post(BATCHES, { ...GRANT_ADA, dryRun: true }, headers)
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { dryRun: true, revision: 7, entries: [{ userId: USERS.ada }] })
  const csv = `${HEADER}\nada@example.com,grant,Supervisor,Sales\n`
  const dry = await plane.post(`${BATCHES}?dryRun=true`, csv)
  t.match(dry.json(), { dryRun: true, entries: [{ userId: USERS.ada }] })
  t.equal((await plane.post(BATCHES, GRANT_ADA, headers)).statusCode, 202, 'the key is still free')
  t.equal((await plane.get(BATCHES)).json<Answer>().items.length, 1)
  t.equal(plane.wokenTimes(), 1)
})

t.test('answers the same batch for the same key and request', async (t) => {
  const plane = await startStoredPlane(t)
  const { post, served } = plane
  const headers = { 'idempotency-key': 'key-1' }
  const body = { comment: 'once', baseRevision: 7, ...GRANT_ADA }
  const first = await post(BATCHES, body, headers)
  t.equal(first.statusCode, 202)
  const again = await post(BATCHES, { ...GRANT_ADA, baseRevision: 7, comment: 'once' }, headers)
  t.equal(again.statusCode, 200, 'whatever the order of members')
  t.equal(again.json<Answer>().id, first.json<Answer>().id)
  t.equal(again.headers['location'], first.headers['location'])
  t.equal((await post(BATCHES, { ...body, comment: 'twice' }, headers)).statusCode, 409)
  served.held = [matrixOf({ ...FACTS, subjects: [] }, 8)]
  t.equal(
    (await post(BATCHES, body, headers)).statusCode,
    200,
    'its base is gone, the batch is not',
  )
  t.equal((await post(BATCHES, body)).statusCode, 410, 'without the key it is another request')
  t.equal((await entriesOf(plane)).length, 1)
  t.equal(plane.wokenTimes(), 1)
  for (const key of ['', 'with space', 'x'.repeat(256), 'ünïcode']) {
    const refused = await post(BATCHES, body, { 'idempotency-key': key })
    t.match(refused.json(), { status: 400, field: 'idempotency-key' }, JSON.stringify(key))
  }
})

t.test('takes CSV, options in the query, rows of one user together', async (t) => {
  const { post, get } = await startStoredPlane(t)
  const csv = [
    '\ufeffoperation,until,divisionId,userId,roleId',
    'grant,2027-01-01T00:00:00Z,Sales,ada@example.com,Supervisor',
    '',
    'revoke,,*,dan@example.com,Reviewer',
    'revoke,,Sales,ADA@example.com,"Agent"',
  ]
  const query = 'onFailure=rollback&force=true&comment=by%20table&baseRevision=7'
  const answer = await post(`${BATCHES}?${query}`, csv.join('\r\n'))
  t.equal(answer.statusCode, 202, answer.body)
  const batch = answer.json<Answer>()
  t.match(batch, {
    onFailure: 'rollback',
    force: true,
    comment: 'by table',
    progress: { total: 2 },
  })
  t.match((await get(`${BATCHES}/${batch.id}`)).json(), {
    items: [
      {
        userId: USERS.ada,
        requested: { grant: [{ roleName: 'Supervisor' }], revoke: [{ roleName: 'Agent' }] },
      },
      { userId: USERS.dan, requested: { revoke: [{ divisionId: '*' }] } },
    ],
  })
})

t.test('names what is wrong with a CSV by row and column', async (t) => {
  const plane = await startStoredPlane(t)
  const row = 'ada@example.com,grant,Supervisor,Sales'
  const many = Array.from({ length: 20_001 }, (_, index) => `u${index % 7},grant,r,d`).join('\n')
  const users = Array.from({ length: 1_001 }, (_, index) => `u${index},grant,r,d`).join('\n')
  const bad: readonly (readonly [string, number, string | undefined, RegExp])[] = [
    ['', 400, undefined, /no header/],
    [HEADER, 400, undefined, /no row/],
    ['userId,operation,roleId\na,grant,b', 400, 'row 1', /divisionId is missing/],
    [`${HEADER},extra\n${row},x`, 400, 'row 1', /extra is no column/],
    [`${HEADER},userId\n${row},x`, 400, 'row 1', /userId is there twice/],
    [`${HEADER}\n${row},x`, 400, 'row 2', /cells/],
    [`${HEADER}\n${row}\n"`, 400, 'row 3', /quote/],
    [`${HEADER}\n,grant,Supervisor,Sales`, 400, 'row 2 userId', /must not be empty/],
    [`${HEADER}\n${row}\nx,add,Supervisor,Sales`, 400, 'row 3 operation', /grant or revoke/],
    [`${HEADER},until\nx,revoke,r,d,2027-01-01T00:00:00Z`, 400, 'row 2 until', /grant only/],
    [`${HEADER},until\n${row},yesterday`, 400, 'row 2 until', /must be a time/],
    [`${HEADER}\n${'x'.repeat(257)},grant,Supervisor,Sales`, 400, 'row 2 userId', /256/],
    [`${HEADER}\n${'x'.repeat(9_000)}`, 400, 'row 2', /longer/],
    [`${HEADER}\nnobody@example.com,grant,Supervisor,Sales`, 400, 'row 2 userId', /no user/],
    [`${HEADER}\n${row}\n\nada@example.com,grant,Superviser,Sales`, 400, 'row 4 roleId', /role/],
    [`${HEADER}\n${row}\nada@example.com,revoke,Supervisor,Sales`, 400, 'row 3', /granted as well/],
    [
      `${HEADER}\n${row}\n${USERS.ada},revoke,Agent,Sales`,
      400,
      'row 3 userId',
      /same user as row 2/,
    ],
    [`${HEADER}\n${many}`, 413, undefined, /20000 rows/],
    [`${HEADER}\n${users}`, 413, undefined, /1000 users/],
    [`${HEADER}\n${'x'.repeat(5 * 1024 * 1024)}`, 413, undefined, /larger/],
  ]
  for (const [csv, status, field, detail] of bad) {
    const answer = await plane.post(BATCHES, csv, nextTester())
    t.match(answer.json(), { status, detail, ...(field === undefined ? {} : { field }) })
  }
  const several = await plane.post(BATCHES, `${HEADER}\n,grant,,Sales\nx,y,r,d`)
  t.match(several.json(), {
    errors: [{ field: 'row 2 userId' }, { field: 'row 2 roleId' }, { field: 'row 3 operation' }],
  })
  t.same(await entriesOf(plane), [])
})

t.test('refuses what is no CSV in UTF-8, and types that it does not take', async (t) => {
  const { post, app } = await startStoredPlane(t)
  const latin = Buffer.from(`${HEADER}\nj\xf6rg@example.com,grant,Agent,Sales\n`, 'latin1')
  const headers = { ...bearer('admin-secret-0123456789'), 'content-type': 'text/csv' }
  const answer = await app.inject({ method: 'POST', url: BATCHES, headers, payload: latin })
  t.match(answer.json(), { status: 400, detail: /UTF-8/ })
  const xml = await post(BATCHES, '<a/>', { 'content-type': 'application/xml' })
  t.match(xml.json(), { status: 415, detail: /application\/json or text\/csv/ })
  const rebuild = await post('/admin/v1/rebuilds', 'a,b')
  t.match(rebuild.json(), { status: 415, detail: 'the body must be application/json' })
  t.equal((await post(BATCHES)).statusCode, 400, 'nothing at all is no change')
})

const update = (more: object) => ({ updates: [{ userId: USERS.ada, ...more }] })

t.test('names the field that is wrong in JSON', async (t) => {
  const plane = await startStoredPlane(t)
  const { post } = plane
  const grant = (more: object) => update({ grant: [{ ...adaViews, ...more }] })
  const wide = Array.from({ length: 21 }, (_, index) => ({
    userId: `u${index}`,
    newRoleIds: Array.from({ length: 1_000 }, () => 'r'),
  }))
  const bad: readonly (readonly [object, string | undefined, number?])[] = [
    [{}, 'updates'],
    [{ updates: [] }, 'updates'],
    [{ updates: 'all' }, 'updates'],
    [{ updates: Array.from({ length: 1_001 }, () => ({ userId: 'a' })) }, 'updates'],
    [{ updates: wide }, undefined, 413],
    [{ ...GRANT_ADA, dryrun: true }, 'dryrun'],
    [{ ...GRANT_ADA, dryRun: 'true' }, 'dryRun'],
    [{ ...GRANT_ADA, force: 1 }, 'force'],
    [{ ...GRANT_ADA, onFailure: 'explode' }, 'onFailure'],
    [{ ...GRANT_ADA, comment: 'x'.repeat(1_001) }, 'comment'],
    [{ ...GRANT_ADA, baseRevision: '7' }, 'baseRevision'],
    [{ ...GRANT_ADA, baseRevision: -1 }, 'baseRevision'],
    [{ ...GRANT_ADA, baseRevision: 8 }, 'baseRevision'],
    [update({ userId: 5 }), 'updates/0/userId'],
    [update({ userId: 'x'.repeat(257) }), 'updates/0/userId'],
    [update({ role: 'Agent' }), 'updates/0/role'],
    [update({}), 'updates/0'],
    [update({ grant: [adaViews], newRoleIds: [] }), 'updates/0'],
    [update({ grant: [adaViews], divisionId: 'Sales' }), 'updates/0/divisionId'],
    [grant({ roleId: '' }), 'updates/0/grant/0/roleId'],
    [grant({ roleId: 'Superviser' }), 'updates/0/grant/0/roleId'],
    [grant({ divisionId: 'Nowhere' }), 'updates/0/grant/0/divisionId'],
    [grant({ until: '2020-01-01T00:00:00Z' }), 'updates/0/grant/0/until'],
    [grant({ until: 'soon' }), 'updates/0/grant/0/until'],
    [
      update({ revoke: [{ ...adaViews, until: '2027-01-01T00:00:00Z' }] }),
      'updates/0/revoke/0/until',
    ],
    [{ updates: [{ userId: USERS.cay, newRoleIds: [] }] }, 'updates/0/userId'],
    [{ updates: [{ userId: USERS.robot, newRoleIds: [] }] }, 'updates/0/userId'],
  ]
  for (const [body, field, status = 400] of bad) {
    const answer = await post(BATCHES, body, nextTester())
    const told = JSON.stringify(body).slice(0, 80)
    t.equal(answer.statusCode, status, told)
    t.equal(answer.json<Answer>()['field'], field, told)
  }
  const misplaced = await post(`${BATCHES}?force=true`, GRANT_ADA)
  t.match(misplaced.json(), { status: 400, field: 'force', detail: /body/ })
  t.match((await post(`${BATCHES}?forced=true`, GRANT_ADA)).json(), {
    status: 400,
    field: 'forced',
  })
  t.equal((await post(BATCHES, { ...GRANT_ADA, baseRevision: 6 })).statusCode, 410)
  t.same(await entriesOf(plane), [])
  t.equal(plane.wokenTimes(), 0)
})

t.test('names the field that is wrong in a simulation', async (t) => {
  const { post } = await startStoredPlane(t)
  const policy = { domain: 'routing', entity: 'queue', actions: ['edit'] }
  const bad: readonly (readonly [object, string])[] = [
    [{}, 'updates'],
    [{ ...GRANT_ADA, roleId: 'Agent' }, 'roleId'],
    [{ ...GRANT_ADA, addPolicies: [] }, 'addPolicies'],
    [{ roleId: 'Agent' }, 'addPolicies'],
    [{ roleId: 'Agnt', addPolicies: [policy] }, 'roleId'],
    [{ roleId: 'Agent', addPolicies: [{ ...policy, domain: 'rooting' }] }, 'addPolicies/0/domain'],
    [{ roleId: 'Agent', addPolicies: [{ ...policy, actions: [] }] }, 'addPolicies/0/actions'],
    [{ roleId: 'Agent', addPolicies: [{ ...policy, x: 1 }] }, 'addPolicies/0/x'],
    [{ roleId: 'Agent', removePolicies: [policy] }, 'removePolicies/0'],
  ]
  for (const [body, field] of bad) {
    const answer = await post(SIMULATIONS, body, nextTester())
    t.match(answer.json(), { status: 400, field }, JSON.stringify(body))
  }
  t.match((await post(`${SIMULATIONS}?limit=0`, GRANT_ADA)).json(), { status: 400, field: 'limit' })
  const base = `${SIMULATIONS}?baseRevision=7`
  t.match((await post(base, GRANT_ADA)).json(), { status: 400, field: 'baseRevision' })
  t.equal((await post(base, `${HEADER}\nada@example.com,grant,Supervisor,Sales`)).statusCode, 200)
})

t.test('tells how far a batch is, user by user', async (t) => {
  const plane = await startStoredPlane(t)
  const { post, get, store } = plane
  const updates = [
    { userId: USERS.ada, grant: [adaViews] },
    { userId: USERS.dan, grant: [adaViews] },
    { userId: USERS.bob, grant: [adaViews] },
  ]
  const { id } = (await post(BATCHES, { updates })).json<Answer>()
  const claim = await applyFirst(plane, id)
  const upstream = { status: 422, code: 'invalid.role', correlationId: 'c-1' }
  await store.roleChanges.record(claim, {
    item: { position: 1, patch: { state: 'failed', error: { message: 'it said no', upstream } } },
    batch: { state: 'stopped', error: { message: 'halted', upstream } },
    audit: [],
  })
  const first = (await get(`${BATCHES}/${id}?limit=2`)).json<Answer>()
  t.match(first, {
    state: 'stopped',
    progress: { done: 2, total: 3 },
    counts: { applied: 1, failed: 1, pending: 1 },
    error: 'halted',
    upstream,
    items: [
      {
        state: 'applied',
        step: 'confirmed',
        found: [{ roleName: 'Agent' }],
        after: [{ roleName: 'Agent' }, { roleName: 'Supervisor', divisionName: 'Sales' }],
        written: { add: [{ roleName: 'Supervisor' }], remove: [] },
        visible: true,
      },
      { state: 'failed', error: 'it said no', upstream },
    ],
  })
  const rest = (await get(`${BATCHES}/${id}?limit=2&cursor=${first.nextCursor}`)).json<Answer>()
  t.match(rest.items, [{ userId: USERS.bob }])
  t.notOk(rest.nextCursor)
  t.match((await get(`${BATCHES}/${id}?state=failed`)).json<Answer>().items, [
    { userId: USERS.dan },
  ])
  const foreign = await get(`${BATCHES}/${id}?state=failed&cursor=${first.nextCursor}`)
  t.match(foreign.json(), { status: 400, field: 'cursor' })
  t.equal((await get(`${BATCHES}/none`)).statusCode, 404)
  plane.served.held = []
  t.match(
    (await get(`${BATCHES}/${id}`)).json(),
    { items: [{ userId: USERS.ada }] },
    'without names',
  )
})

t.test('lists batches by state and user', async (t) => {
  const { post, get, clock } = await startStoredPlane(t)
  const ids: string[] = []
  for (const userId of [USERS.ada, USERS.dan, USERS.ada]) {
    clock.now += 1_000
    const updates = [{ userId, grant: [adaViews] }]
    ids.push((await post(BATCHES, { updates })).json<Answer>().id)
  }
  const list = async (query: string) => {
    const page = (await get(`${BATCHES}?${query}`)).json<{ items: Answer[]; nextCursor?: string }>()
    return { ids: page.items.map(({ id }) => id), nextCursor: page.nextCursor }
  }
  t.same((await list('')).ids, ids.toReversed())
  t.same((await list('userId=ada@example.com')).ids, [ids[2], ids[0]])
  t.same((await list(`userId=${USERS.dan}&state=pending`)).ids, [ids[1]])
  t.same((await list('state=failed')).ids, [])
  const first = await list('limit=2')
  t.same(first.ids, [ids[2], ids[1]])
  t.same((await list(`limit=2&cursor=${first.nextCursor}`)).ids, [ids[0]])
  for (const [query, field] of [
    ['state=done', 'state'],
    ['cursor=!', 'cursor'],
    ['limit=1001', 'limit'],
    ['userId=nobody@example.com', 'userId'],
  ] as const) {
    t.match((await get(`${BATCHES}?${query}`)).json(), { status: 400, field }, query)
  }
})

t.test('stops, resumes and rolls back, and records who asked', async (t) => {
  const plane = await startStoredPlane(t)
  const { post, get } = plane
  const { id } = (await post(BATCHES, GRANT_ADA)).json<Answer>()
  const url = `${BATCHES}/${id}`
  const stopped = await post(`${url}/stop`)
  t.equal(stopped.statusCode, 202)
  t.equal(stopped.headers['location'], url)
  t.match(stopped.json(), { id, state: 'stopped' })
  t.match((await post(`${url}/resume`, {})).json(), { id, state: 'pending' })
  t.equal((await post(`${url}/rollback`)).statusCode, 409, 'it has applied nothing')
  const claim = await applyFirst(plane, id)
  await plane.store.roleChanges.record(claim, { batch: { state: 'succeeded' }, audit: [] })
  t.equal((await post(`${url}/stop`)).statusCode, 409)
  const undone = await post(`${url}/rollback`, { force: true })
  t.match(undone.json(), { id, state: 'rolling-back', progress: { done: 0, total: 1 } })
  t.match((await get(url)).json(), { state: 'rolling-back' })
  const told = (await entriesOf(plane)).slice(1)
  t.match(told, [
    { action: 'role_changes_stop', actor: 'admin', subjectId: id, outcome: 'started' },
    { action: 'role_changes_resume', subjectId: id },
    { action: 'role_changes_rollback', subjectId: id, details: { force: true } },
  ])
  t.equal(told.length, 3)
  for (const command of ['stop', 'resume', 'rollback']) {
    t.equal((await post(`${BATCHES}/none/${command}`)).statusCode, 404, command)
    const misspelt = await post(`${url}/${command}`, { forse: true })
    t.match(misspelt.json(), { status: 400, field: 'forse' }, command)
  }
})

t.test('changes nothing while the store is down, and says so', async (t) => {
  const plane = await startStoredPlane(t)
  await plane.store[Symbol.asyncDispose]()
  const down = { status: 503, type: /store-unavailable$/ }
  t.match((await plane.post(BATCHES, GRANT_ADA)).json(), down)
  t.match((await plane.get(BATCHES)).json(), down)
  t.match((await plane.post('/admin/v1/rebuilds')).json(), down)
  t.equal(plane.rebuilds.running, undefined, 'no rebuild that nobody could prove')
  t.equal((await plane.post(SIMULATIONS, GRANT_ADA)).statusCode, 200, 'looking needs no store')
  t.equal(plane.wokenTimes(), 0)
})

t.test('records who asked for a rebuild before it starts', async (t) => {
  const plane = await startStoredPlane(t)
  await plane.post('/admin/v1/rebuilds', { allowShrink: true }, { 'x-request-id': 'r-9' })
  t.match(await entriesOf(plane), [
    {
      action: 'rebuild_requested',
      outcome: 'started',
      actor: 'admin',
      requestId: 'r-9',
      details: { allowShrink: true },
    },
  ])
})

t.test('does not know what it cannot: nothing while no matrix is served', async (t: Test) => {
  const { post, served } = await startStoredPlane(t)
  served.held = []
  t.match((await post(BATCHES, GRANT_ADA)).json(), { status: 503, type: /not-ready$/ })
  t.match((await post(SIMULATIONS, GRANT_ADA)).json(), { status: 503, type: /not-ready$/ })
})
