import t from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { DIVISIONS, FACTS, matrixOf, serve, USERS } from './support/organization.ts'
import { startCheckPlane } from './support/planes.ts'

type Listing = { revision: number; items: Record<string, unknown>[]; nextCursor?: string }
const VIEW = 'routing:queue:view'

t.test('lists what a user may do, with sources', async (t) => {
  const { get } = startCheckPlane(t)
  const response = await get(`/api/v1/users/${USERS.bob}/permissions`)
  t.equal(response.statusCode, 200)
  t.equal(response.headers['x-matrix-revision'], '7')
  const { revision, items, nextCursor } = response.json<Listing>()
  t.equal(revision, 7)
  t.equal(nextCursor, undefined)
  t.same(
    items.map((item) => item['permission']),
    ['group_creation', 'routing:queue:delete', 'routing:queue:edit', VIEW],
  )
  t.match(items[3], {
    label: `Label of ${VIEW}`,
    divisionAware: true,
    conditional: false,
    sources: [
      {
        role: { name: 'Supervisor' },
        via: { type: 'group', name: 'Supervisors' },
        outcome: 'allowed',
      },
    ],
  })
})

t.test('flags what holds only under a condition, and narrows by division', async (t) => {
  const { get } = startCheckPlane(t)
  const dan = await get(`/api/v1/users/${USERS.dan}/permissions`)
  t.match(dan.json(), { items: [{ permission: 'recording:recording:view', conditional: true }] })
  const ada = await get(`/api/v1/users/${USERS.ada}/permissions?divisionId=${DIVISIONS.support}`)
  t.same(ada.json<Listing>().items, [])
  const holders = await get(`/api/v1/permissions/${VIEW}/users?divisionId=${DIVISIONS.support}`)
  t.same(
    holders
      .json<Listing>()
      .items.map((item) => item['name'])
      .sort(),
    ['Bob', 'Quote', 'Robot'],
  )
})

t.test('lists who may do something, clients among them', async (t) => {
  const { get } = startCheckPlane(t)
  const { items } = (await get(`/api/v1/permissions/${VIEW}/users`)).json<Listing>()
  t.same(items.map((item) => item['kind']).sort(), ['client', 'user', 'user', 'user'])
  t.match(
    items.find((item) => item['name'] === 'Ada'),
    {
      id: USERS.ada,
      email: 'ada@example.com',
      state: 'active',
      conditional: false,
    },
  )
})

t.test('knows ids with characters that URLs escape', async (t) => {
  const { get } = startCheckPlane(t)
  const response = await get(`/api/v1/users/${encodeURIComponent(USERS.quote)}/permissions`)
  t.equal(response.json<Listing>().items.length, 1)
})

t.test('answers 404 for who and what it does not know', async (t) => {
  const { get, record } = startCheckPlane(t)
  const user = await get(`/api/v1/users/${USERS.nobody}/permissions`)
  t.equal(user.statusCode, 404)
  t.match(user.json(), { type: /not-found$/, field: 'userId' })
  t.same(record.unknown, [USERS.nobody])
  const permission = await get('/api/v1/permissions/routing:queue:veiw/users')
  t.equal(permission.statusCode, 404)
  t.match(permission.json(), {
    field: 'permission',
    detail: /nearest known one is routing:queue:view/,
  })
})

t.test('pages stay on the revision of the first one', async (t) => {
  const { get, served } = startCheckPlane(t)
  const url = `/api/v1/permissions/${VIEW}/users?limit=2`
  const first = (await get(url)).json<Listing>()
  t.equal(first.items.length, 2)
  served.held.push(matrixOf({ ...FACTS, subjects: [] }, 8))
  const second = await get(`${url}&cursor=${first.nextCursor}`)
  t.equal(second.json<{ revision: number }>().revision, 7)
  const both = [...first.items, ...second.json<Listing>().items]
  t.same(both.map((item) => item['name']).sort(), ['Ada', 'Bob', 'Quote', 'Robot'])
  t.equal(second.headers['x-matrix-revision'], '7')
  t.notOk(second.json<Listing>().nextCursor)
  served.held.shift()
  const gone = await get(`${url}&cursor=${first.nextCursor}`)
  t.equal(gone.statusCode, 410)
  t.match(gone.json(), { type: /gone$/ })
})

t.test('looks through many users in slices, and fills its pages', async (t) => {
  const grants = FACTS.subjects.find((subject) => subject.id === USERS.ada)?.grants ?? []
  const subjects = Array.from({ length: 45_000 }, (_, index) => ({
    id: `user-${index}`,
    kind: 'user' as const,
    name: `Name ${index}`,
    email: '',
    state: 'active' as const,
    groupIds: [],
    grants: index % 15_000 === 0 ? grants : [],
  }))
  const { app, get } = startCheckPlane(t, { matrices: serve(matrixOf({ ...FACTS, subjects }, 7)) })
  await app.ready()
  const url = `/api/v1/permissions/${VIEW}/users`
  const order: string[] = []
  const [listing] = await Promise.all([
    get(`${url}?limit=3`).finally(() => order.push('listing')),
    app.inject('/health/live').finally(() => order.push('live')),
  ])
  t.equal(listing.json<Listing>().items.length, 3)
  t.same(order, ['live', 'listing'])
  const all: unknown[] = []
  let cursor = ''
  for (;;) {
    const page = (await get(`${url}?limit=2${cursor}`)).json<Listing>()
    all.push(...page.items.map((item) => item['name']))
    if (!page.nextCursor) break
    t.equal(page.items.length, 2)
    cursor = `&cursor=${page.nextCursor}`
  }
  t.same(new Set(all), new Set(['Name 0', 'Name 15000', 'Name 30000']))
  t.equal(all.length, 3)
})

t.test('lists nothing while checks would be refused', async (t) => {
  const { get, served } = startCheckPlane(t)
  const url = `/api/v1/permissions/${VIEW}/users?limit=1`
  const { nextCursor } = (await get(url)).json<Listing>()
  served.refusal = new Failure('not-ready', 'too old')
  t.equal((await get(`${url}&cursor=${nextCursor}`)).statusCode, 503)
})

t.test('refuses cursors of other questions and garbage', async (t) => {
  const { get } = startCheckPlane(t)
  const { nextCursor = '' } = (
    await get(`/api/v1/permissions/${VIEW}/users?limit=1`)
  ).json<Listing>()
  const urls = [
    `/api/v1/permissions/routing:queue:edit/users?cursor=${nextCursor}`,
    `/api/v1/permissions/${VIEW}/users?divisionId=${DIVISIONS.home}&cursor=${nextCursor}`,
    `/api/v1/users/${USERS.ada}/permissions?cursor=${nextCursor}`,
    `/api/v1/permissions?cursor=${nextCursor}`,
    `/api/v1/permissions?cursor=garbage`,
    `/api/v1/permissions?cursor=${encodeURIComponent('../../\u0000')}`,
    `/api/v1/permissions?cursor=${Buffer.from('7.-1.x').toString('base64url')}`,
  ]
  for (const url of urls) {
    const response = await get(url)
    t.equal(response.statusCode, 400, url)
    t.match(response.json(), { field: 'cursor' }, url)
  }
})

t.test('takes limits as text from 1 to 1000', async (t) => {
  const { get } = startCheckPlane(t)
  for (const limit of ['1', '10', '999', '1000']) {
    t.equal((await get(`/api/v1/permissions?limit=${limit}`)).statusCode, 200, limit)
  }
  for (const limit of [
    '0',
    '-1',
    '01',
    '1.5',
    '1e2',
    '1001',
    '9999',
    'ten',
    '',
    ' 1',
    '1&limit=2',
  ]) {
    const response = await get(`/api/v1/permissions?limit=${limit}`)
    t.equal(response.statusCode, 400, limit)
    t.match(response.json(), { field: 'limit' }, limit)
  }
})

t.test('lists the catalogue and finds parts of names and labels', async (t) => {
  const { get } = startCheckPlane(t)
  const all = (await get('/api/v1/permissions')).json<Listing>()
  t.equal(all.items.length, 6)
  t.strictSame(
    all.items.find((item) => item['permission'] === 'group_creation'),
    {
      permission: 'group_creation',
      label: '',
      divisionAware: false,
      allowsConditions: false,
      flat: true,
    },
  )
  const found = (await get('/api/v1/permissions?q=LABEL%20of%20Rec')).json<Listing>()
  t.match(found.items, [{ permission: 'recording:recording:view', allowsConditions: true }])
  const names: unknown[] = []
  let cursor = ''
  for (;;) {
    const page = (await get(`/api/v1/permissions?q=queue&limit=2${cursor}`)).json<Listing>()
    names.push(...page.items.map((item) => item['permission']))
    if (!page.nextCursor) break
    cursor = `&cursor=${page.nextCursor}`
  }
  t.same(names, ['routing:queue:delete', 'routing:queue:edit', VIEW])
})

t.test('holds listings to x-minimum-revision', async (t) => {
  const { get } = startCheckPlane(t)
  for (const url of [
    '/api/v1/permissions',
    `/api/v1/users/${USERS.ada}/permissions`,
    `/api/v1/permissions/${VIEW}/users`,
  ]) {
    t.equal((await get(url, { 'x-minimum-revision': '9' })).statusCode, 503)
  }
})

t.test('tells a cursor that is too old from a revision that is not served yet', async (t) => {
  const { get, served } = startCheckPlane(t)
  const url = `/api/v1/permissions/${VIEW}/users?limit=1`
  const { nextCursor } = (await get(url)).json<Listing>()
  served.held.push(matrixOf(FACTS, 8))
  const goOn = (revision: string) =>
    get(`${url}&cursor=${nextCursor}`, { 'x-minimum-revision': revision })
  t.equal((await goOn('7')).statusCode, 200)
  t.match((await goOn('8')).json(), {
    status: 400,
    field: 'cursor',
    detail: /stands on revision 7, before the x-minimum-revision 8/,
  })
  t.match((await goOn('9')).json(), {
    status: 503,
    detail: 'revision 9 is not served yet; the newest is 8',
  })
})
