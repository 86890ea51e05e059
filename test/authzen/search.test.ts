import t, { test } from 'tap'
import type { Test } from 'tap'
import { startDecisionPoint } from './support/decision-point.ts'

/** Authorization API 1.0: 8 Search APIs. */

const point = await startDecisionPoint()
t.teardown(() => point[Symbol.asyncDispose]())

const alice = { type: 'user', id: 'alice' }
const carol = { type: 'user', id: 'carol' }
const erik = { type: 'user', id: 'erik' }
const read = { name: 'read' }
const one = { type: 'record', id: 'record-1' }
const two = { type: 'record', id: 'record-2' }
const record = { type: 'record' }

type Entity = { readonly type?: string; readonly id?: string; readonly name?: string }

async function search(kind: string, body: object): Promise<Entity[]> {
  const answer = await point.ask(`search/${kind}`, body)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.body.results
}

async function ids(kind: string, body: object): Promise<string[]> {
  return (await search(kind, body)).map((each) => each.id ?? each.name ?? '').sort()
}

async function refuses(t: Test, kind: string, body: object, message: RegExp): Promise<void> {
  const { status, text } = await point.ask(`search/${kind}`, body)
  t.equal(status, 400, text)
  t.match(text, message)
}

const WHO = { subject: { type: 'user' }, action: read, resource: one }
const WHERE = { subject: carol, action: read, resource: record }
const WHAT = { subject: alice, resource: one }

test('8.1 Semantics: what is held through a group, or everywhere, is found', async (t) => {
  t.same(await ids('subject', WHO), ['alice', 'bob', 'carol'], 'nobody inactive')
  t.same(await ids('subject', { ...WHO, resource: two }), ['carol'])
  t.same(await ids('subject', { ...WHO, resource: { type: 'record', id: 'none' } }), ['carol'])
  t.same(await ids('resource', WHERE), ['home', 'record-1', 'record-2'])
})

test('8.1 Semantics: what depends on properties is found where they are given', async (t) => {
  const exporters = { ...WHO, action: { name: 'export' } }
  t.same(await ids('subject', exporters), [])
  t.same(await ids('subject', { ...exporters, context: { status: 'active' } }), ['erik'])
  const active = { ...one, properties: { status: 'active' } }
  t.same(await ids('subject', { ...exporters, resource: active }), ['erik'])
  const auditor = { type: 'user', properties: { role: 'auditor' } }
  const action = { name: 'export', properties: { level: 1 } }
  const levels = { subject: auditor, action, resource: one, context: { clearance: 1 } }
  t.same(await ids('subject', levels), ['erik'], 'whatever entity carries them')
  t.same(
    await ids('resource', { ...levels, subject: { ...auditor, id: 'erik' }, resource: record }),
    [...['home', 'record-1', 'record-2']],
  )
  t.same(await ids('action', { subject: erik, resource: active }), ['export'])
  t.same(await ids('action', { subject: erik, resource: one }), [])
})

const named = (divisionId: string) => ({ ...record, properties: { divisionId } })

test('8.1 Semantics: properties.divisionId names the division of every resource', async (t) => {
  const inOne = { ...WHERE, subject: alice }
  t.same(await ids('resource', inOne), ['record-1'])
  t.same(await ids('resource', { ...inOne, resource: named('record-2') }), [])
  const all = await ids('resource', { ...inOne, resource: named('record-1') })
  t.same(all, ['home', 'record-1', 'record-2'], 'as an evaluation of each would say')
})

test('8.2 Pagination: a page at a time gives each hit once, and says when it is the last', async (t) => {
  for (const [kind, body] of [
    ['subject', WHO],
    ['resource', WHERE],
    ['action', WHAT],
  ] as const) {
    const all = await search(kind, body)
    const found: Entity[] = []
    let page: object = { limit: 1 }
    for (let i = 0; i <= all.length; i++) {
      const answer = await point.ask(`search/${kind}`, { ...body, page })
      t.equal(answer.body.page.count, answer.body.results.length)
      found.push(...answer.body.results)
      if (answer.body.page.next_token === '') break
      page = { token: answer.body.page.next_token }
    }
    t.same(found, all, kind)
  }
})

test('8.2 Pagination: pages stay on the revision that they began with', async (t) => {
  const { world } = point.simulator
  const first = await point.ask('search/subject', { ...WHO, page: { limit: 1 } })
  const before = new Set(await ids('subject', WHO))
  const reader = 'bbbbbbbb-0000-4000-8000-000000000000'
  world.grants.remove('bob', reader, 'record-1')
  world.grants.add('erik', reader, '*')
  await point.caller.rebuild()
  t.same(await ids('subject', WHO), ['alice', 'carol', 'erik'], 'a new search sees the change')
  const found = [first.body.results[0].id]
  let token: string = first.body.page.next_token
  while (token !== '') {
    const next = await point.ask('search/subject', { ...WHO, page: { token } })
    t.equal(next.body.context.revision, first.body.context.revision)
    t.equal(next.headers.get('x-matrix-revision'), String(first.body.context.revision))
    found.push(...next.body.results.map((each: Entity) => each.id))
    token = next.body.page.next_token
  }
  t.same(found.sort(), [...before].sort(), 'one that went on does not')
})

test('8.2.1 Paginated Requests: limit is a whole number, token a text, properties an object', async (t) => {
  for (const limit of [-1, 1.5, '1', null, true]) {
    await refuses(t, 'subject', { ...WHO, page: { limit } }, /^page\/limit must be/)
  }
  for (const token of [5, null, {}]) {
    await refuses(t, 'subject', { ...WHO, page: { token } }, /^page\/token must be a string/)
  }
  await refuses(t, 'subject', { ...WHO, page: { properties: 5 } }, /^page\/properties must be/)
  for (const page of ['next', 5, null, []])
    await refuses(t, 'subject', { ...WHO, page }, /^page must/)
  t.equal((await ids('subject', { ...WHO, page: { limit: 100_000, token: '' } })).length, 3)
  const none = await point.ask('search/subject', { ...WHO, page: { limit: 0 } })
  t.same(none.body.results, [])
  t.ok(none.body.page.next_token, 'there would be more')
})

test('8.2.1 Paginated Requests: nothing but the token may change between pages', async (t) => {
  const { body } = await point.ask('search/subject', { ...WHO, page: { limit: 1 } })
  const page = { token: body.page.next_token }
  const changes: readonly object[] = [
    { subject: { type: 'client' } },
    { subject: { type: 'user', properties: { a: 1 } } },
    { action: { name: 'write' } },
    { action: { ...read, properties: {} } },
    { resource: two },
    { resource: { ...one, properties: { status: 'active' } } },
    { context: { now: 1 } },
  ]
  for (const change of changes) {
    await refuses(t, 'subject', { ...WHO, ...change, page }, /of another search/)
  }
  await refuses(t, 'subject', { ...WHO, page: { ...page, limit: 2 } }, /page\/limit must stay/)
  const named = { ...page, properties: { sort: 'id' } }
  await refuses(t, 'subject', { ...WHO, page: named }, /page\/properties must stay/)
  await refuses(t, 'resource', { ...WHERE, page }, /of another search/)
  const same = {
    page: { limit: 1, ...page },
    resource: { id: 'record-1', type: 'record', extra: 1 },
  }
  const reordered = { ...same, action: read, subject: { id: 'ignored', type: 'user' } }
  t.equal((await point.ask('search/subject', reordered)).status, 200, 'their order may')
})

test('8.2.1 Paginated Requests: limit and properties stay as the first page said them', async (t) => {
  const asked = { limit: 1, properties: { sort: 'id', by: [1] } }
  const first = await point.ask('search/subject', { ...WHO, page: asked })
  const second = await point.ask('search/subject', {
    ...WHO,
    page: { token: first.body.page.next_token },
  })
  const page = { token: second.body.page.next_token }
  const again = { ...page, limit: 1, properties: { by: [1], sort: 'id' } }
  t.equal((await point.ask('search/subject', { ...WHO, page: again })).status, 200)
  const other = { ...again, properties: { sort: 'name', by: [1] } }
  await refuses(t, 'subject', { ...WHO, page: other }, /page\/properties must stay/)
  await refuses(t, 'subject', { ...WHO, page: { ...again, limit: 1_001 } }, /page\/limit must stay/)
})

test('8.2.1 Paginated Requests: a token that was changed is refused', async (t) => {
  const { body } = await point.ask('search/subject', { ...WHO, page: { limit: 1 } })
  const token: string = body.page.next_token
  const [name = '', place = '', signature = ''] = token.split('.')
  const moved = Buffer.from(place, 'base64url')
    .toString()
    .replace(/^(\[\d+),\d+/, '$1,0')
  const forged: readonly string[] = [
    [name, Buffer.from(moved).toString('base64url'), signature].join('.'),
    [name, place, signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))].join('.'),
    [name, place, signature.slice(1)].join('.'),
    [name, place].join('.'),
    `${token}.x`,
    'alsehrq3495u8',
    'x'.repeat(10_000),
  ]
  for (const each of forged) {
    await refuses(t, 'subject', { ...WHO, page: { token: each } }, /not one that was given here/)
  }
  const other = ['AAAAAAAA', place, signature].join('.')
  await refuses(t, 'subject', { ...WHO, page: { token: other } }, /expired: begin the search again/)
})

test('8.3 Search Response: page first, then context, and entities of the kind alone', async (t) => {
  for (const [kind, body, keys] of [
    ['subject', WHO, ['type', 'id']],
    ['resource', WHERE, ['type', 'id']],
    ['action', WHAT, ['name']],
  ] as const) {
    const answer = await point.ask(`search/${kind}`, body)
    t.same(Object.keys(answer.body), ['page', 'context', 'results'])
    t.match(answer.body.page, { next_token: '', count: answer.body.results.length })
    t.equal(String(answer.body.context.revision), answer.headers.get('x-matrix-revision'))
    for (const each of answer.body.results) t.same(Object.keys(each), keys)
  }
  const none = await point.ask('search/action', {
    ...WHAT,
    subject: { type: 'user', id: 'nobody' },
  })
  t.same(none.body.results, [])
})

test('8.4 Subject Search: by type; an id is ignored', async (t) => {
  const asked = { ...WHO, subject: { type: 'user', id: 'nobody' } }
  t.same(await ids('subject', asked), await ids('subject', WHO))
  const clients = { ...WHO, subject: { type: 'client' }, resource: two }
  t.same(await search('subject', clients), [{ type: 'client', id: 'robot' }])
  t.same(await search('subject', { ...WHO, subject: { type: 'spaceship' } }), [])
  t.same(await search('subject', { ...WHO, action: { name: 'fly' } }), [])
  await refuses(t, 'subject', { ...WHO, subject: {} }, /^subject\/type is required/)
  await refuses(t, 'subject', { ...WHO, action: undefined }, /^action is required/)
  await refuses(t, 'subject', { ...WHO, resource: record }, /^resource\/id is required/)
  await refuses(
    t,
    'subject',
    { ...WHO, subject: { type: 'user', properties: 5 } },
    /properties must/,
  )
})

test('8.5 Resource Search: the divisions; an id is ignored', async (t) => {
  t.same(await ids('resource', { ...WHERE, resource: one }), await ids('resource', WHERE))
  t.same(await search('resource', { ...WHERE, subject: alice }), [one])
  const unaware = {
    subject: alice,
    action: { name: 'beta_features' },
    resource: { type: 'feature' },
  }
  t.same(await search('resource', unaware), [
    ...['home', 'record-1', 'record-2'].map((id) => ({ type: 'feature', id })),
  ])
  for (const subject of [
    { type: 'user', id: 'nobody' },
    { type: 'spaceship', id: 'alice' },
  ]) {
    t.same(await search('resource', { ...WHERE, subject }), [])
  }
  t.same(await search('resource', { ...WHERE, resource: { type: 'spaceship' } }), [])
  await refuses(t, 'resource', { ...WHERE, resource: {} }, /^resource\/type is required/)
  await refuses(t, 'resource', { ...WHERE, subject: { type: 'user' } }, /^subject\/id is required/)
  await refuses(t, 'resource', { ...WHERE, action: {} }, /^action\/name is required/)
})

test('8.6 Action Search: a gateway\u2019s own names of actions are found, in every direction', async (t) => {
  const onRoute = { type: 'route', id: 'record-1' }
  t.same(await search('action', { ...WHAT, resource: onRoute }), [
    { name: 'GET' },
    { name: 'HEAD' },
  ])
  const onDoc = { type: 'doc', id: 'record-1' }
  const all = ['read', 'show', 'write']
  t.same(
    await ids('action', { ...WHAT, resource: onDoc }),
    ['read', 'show'],
    'write is conditional',
  )
  t.same(await ids('action', { ...WHAT, resource: onDoc, context: { soft: true } }), [
    'delete',
    ...all,
  ])
  const found: unknown[] = []
  let page: object = { limit: 1 }
  do {
    const { body } = await point.ask('search/action', { ...WHAT, resource: onRoute, page })
    t.ok(body.results.length <= 1)
    found.push(...body.results)
    page = body.page.next_token === '' ? {} : { token: body.page.next_token }
  } while ('token' in page)
  t.same(found, [{ name: 'GET' }, { name: 'HEAD' }], 'page by page')
  const get = { name: 'GET' }
  t.same(
    await ids('subject', { ...WHO, action: get, resource: onRoute }),
    await ids('subject', WHO),
  )
  const where = { ...WHERE, action: get, resource: { type: 'route' } }
  t.same(await ids('resource', where), await ids('resource', WHERE))
  t.same(await search('resource', { ...where, action: { name: 'DELETE' } }), [])
})

test('8.6 Action Search: the actions of the resource type; an action is ignored', async (t) => {
  t.same(await search('action', WHAT), [{ name: 'read' }, { name: 'write' }])
  const soft = { ...WHAT, context: { soft: true } }
  t.same(await ids('action', soft), ['delete', 'read', 'write'])
  t.same(await search('action', { ...WHAT, action: 5 }), await search('action', WHAT))
  t.same(await ids('action', { ...WHAT, resource: { type: 'feature', id: 'x' } }), [
    'beta_features',
  ])
  t.same(await search('action', { ...WHAT, resource: { type: 'spaceship', id: 'x' } }), [])
  await refuses(t, 'action', { ...WHAT, resource: record }, /^resource\/id is required/)
  await refuses(t, 'action', { resource: one }, /^subject is required/)
})
