import t, { test } from 'tap'
import type { Test } from 'tap'
import { startDecisionPoint } from './support/decision-point.ts'

/**
 * The certification scenario for the Authorization API 1.0 (openid/authzen, certification/), request
 * by request. Titles carry its section numbers. The OpenID Foundation's own suite is not run here.
 */

const point = await startDecisionPoint()
t.teardown(() => point[Symbol.asyncDispose]())

const alice = { type: 'user', id: 'alice' }
const bob = { type: 'user', id: 'bob' }
const admin = { ...bob, properties: { role: 'admin' } }
const read = { name: 'read' }
const write = { name: 'write' }
const one = { type: 'record', id: 'record-1' }
const two = { type: 'record', id: 'record-2' }
const active = { ...one, properties: { status: 'active' } }
const archived = { ...two, properties: { status: 'archived' } }
const context = { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' }
const question = { subject: alice, action: read, resource: one }

async function decides(t: Test, expected: boolean, body: object): Promise<void> {
  const answer = await point.ask('evaluation', body)
  t.equal(answer.status, 200, answer.text)
  t.match(answer.headers.get('content-type'), /^application\/json/)
  t.equal(answer.body.decision, expected, JSON.stringify(body))
  t.type(answer.body.context, 'object')
}

test('Basic Core: 2.2.1, 2.2.2, 2.2.3, 2.2.8, 2.2.9 decisions on identifiers', async (t) => {
  await decides(t, true, question)
  await decides(t, true, { ...question, action: write })
  await decides(t, true, { ...question, subject: bob })
  await decides(t, false, { subject: bob, action: write, resource: one })
  await decides(t, true, { ...question, context })
  await decides(t, true, {
    subject: { ...alice, properties: { department: 'Sales', role: 'manager' } },
    action: { ...read, properties: { method: 'GET' } },
    resource: { ...one, properties: { status: 'active', owner: 'bob' } },
  })
  await decides(t, true, { ...question, foo: 'bar', futureField: { nested: true } })
})

const remove = (soft: boolean) => ({ name: 'delete', properties: { soft } })

test('Basic Properties: 2.2.4 to 2.2.7 decisions on properties', async (t) => {
  await decides(t, false, { subject: alice, action: write, resource: archived })
  await decides(t, true, { subject: admin, action: write, resource: archived })
  await decides(t, true, { ...question, action: remove(true) })
  await decides(t, false, { ...question, action: remove(false) })
})

test('1.4 rule 5 is met where alice has no role, for roles cannot take away', async (t) => {
  await decides(t, false, { subject: alice, action: write, resource: two })
  const archivedOne = { ...one, properties: { status: 'archived' } }
  await decides(t, true, { subject: alice, action: write, resource: archivedOne })
})

test('Basic Core: 2.4 errors', async (t) => {
  const { subject: _s, ...noSubject } = question
  const { action: _a, ...noAction } = question
  const { resource: _r, ...noResource } = question
  const bodies: readonly unknown[] = [
    ...[noSubject, noAction, noResource],
    { ...question, subject: { id: 'alice' } },
    { ...question, subject: { type: 'user' } },
    { ...question, action: {} },
    { ...question, resource: { id: 'record-1' } },
    { ...question, resource: { type: 'record' } },
    { ...question, subject: 'alice' },
    { ...question, action: { name: 123 } },
    ...['', '{"subject":', 'not json'],
  ]
  for (const body of bodies) {
    const answer = await point.ask('evaluation', body)
    t.equal(answer.status, 400, JSON.stringify(body))
    t.ok(answer.text.length > 0, 'with a message')
  }
  for (const type of ['application/xml', 'text/plain', 'application/x-www-form-urlencoded']) {
    const answer = await point.ask('evaluation', question, { 'content-type': type })
    t.equal(answer.status, 400, type)
  }
})

test('Basic Core: 2.5, 2.6 request ids, and the same answer each time', async (t) => {
  const told = await point.ask('evaluation', question, { 'x-request-id': 'bfe9eb29-ab87' })
  t.equal(told.headers.get('x-request-id'), 'bfe9eb29-ab87')
  t.ok((await point.ask('evaluation', question)).headers.get('x-request-id'))
  for (let i = 0; i < 5; i++) await decides(t, true, question)
})

async function decidesEach(t: Test, expected: readonly boolean[], body: object): Promise<void> {
  const answer = await point.ask('evaluations', body)
  t.equal(answer.status, 200, answer.text)
  t.notOk('decision' in answer.body, 'no decision of the whole')
  const decisions = answer.body.evaluations.map((each: { decision: boolean }) => each.decision)
  t.same(decisions, expected, JSON.stringify(body))
}

test('Batch Core: 3.2.1, 3.2.2, 3.2.5, 3.2.6, 3.3 decisions in their order', async (t) => {
  const both = [{ resource: one }, { resource: two }]
  await decidesEach(t, [true, false], { subject: alice, action: read, evaluations: both })
  await decidesEach(t, [true, false], {
    subject: bob,
    resource: one,
    evaluations: [{ action: read }, { action: write }],
  })
  await decidesEach(t, [true, false], {
    evaluations: [question, { subject: bob, action: write, resource: one }],
  })
  await decidesEach(t, [true, false], {
    ...{ subject: alice, action: read, context },
    evaluations: [{ resource: one }, { resource: two, context: { source: 'batch-override' } }],
  })
})

test('Batch Properties: 3.2.3, 3.2.4, 3.2.7 properties are those of each item', async (t) => {
  await decidesEach(t, [true, false], {
    ...{ subject: alice, action: write },
    evaluations: [{ resource: active }, { resource: archived }],
  })
  await decidesEach(t, [false, true], {
    ...{ action: write, resource: archived },
    evaluations: [{ subject: alice }, { subject: admin }],
  })
  await decidesEach(t, [true, false], {
    ...{ subject: alice, action: write, resource: { type: 'record' } },
    evaluations: [
      { resource: { id: 'record-1', properties: { status: 'active' } } },
      { resource: archived },
    ],
  })
})

test('Batch Core: 3.4 an item that fails, and requests without items', async (t) => {
  await decidesEach(t, [true, false], {
    ...{ subject: alice, action: read },
    evaluations: [{ resource: one }, {}],
  })
  for (const body of [question, { ...question, evaluations: [] }]) {
    const answer = await point.ask('evaluations', body)
    t.equal(answer.status, 200)
    t.equal(answer.body.decision, true)
    t.notOk('evaluations' in answer.body)
  }
})

async function finds(t: Test, kind: string, body: object): Promise<unknown[]> {
  const answer = await point.ask(`search/${kind}`, body)
  t.equal(answer.status, 200, answer.text)
  t.type(answer.body.page.next_token, 'string')
  return answer.body.results
}

test('Search Core: 4.2.1, 4.2.2, 4.3.1, 4.4.1, 4.4.2, 4.6 searches', async (t) => {
  for (const more of [{}, { context }]) {
    const who = { subject: { type: 'user' }, action: read, resource: one, ...more }
    t.same(
      new Set(await finds(t, 'subject', who)),
      new Set([alice, bob, { type: 'user', id: 'carol' }]),
    )
    const where = { subject: alice, action: read, resource: { type: 'record' }, ...more }
    t.same(await finds(t, 'resource', where), [one])
    const what = { subject: alice, resource: one, ...more }
    t.same(await finds(t, 'action', what), [read, write])
  }
  t.same(await finds(t, 'action', { subject: { type: 'user', id: 'nobody' }, resource: one }), [])
  const ships = { subject: { type: 'spaceship' }, action: read, resource: one }
  t.same(await finds(t, 'subject', ships), [])
})

test('Search Properties: 4.2.4, 4.3.3, 4.4.3 searches with properties', async (t) => {
  const who = { subject: { type: 'user' }, action: write, resource: archived }
  t.same(await finds(t, 'subject', who), [bob])
  const where = { subject: admin, action: write, resource: { type: 'record' } }
  t.ok(
    (await finds(t, 'resource', where)).some(
      (each) => JSON.stringify(each) === JSON.stringify(two),
    ),
  )
  t.same(await finds(t, 'action', { subject: admin, resource: archived }), [write])
})

test('Search Core: 4.5, 4.7 pages and errors', async (t) => {
  const who = { subject: { type: 'user' }, action: read, resource: one }
  const found: unknown[] = []
  let page: object = { limit: 1 }
  for (let i = 0; i < 10; i++) {
    const { status, body, text } = await point.ask('search/subject', { ...who, page })
    t.equal(status, 200, text)
    t.ok(body.results.length <= 1)
    found.push(...body.results)
    if (body.page.next_token === '') break
    page = { token: body.page.next_token }
  }
  t.equal(found.length, 3)
  const bad: readonly (readonly [string, object])[] = [
    ['subject', { subject: { type: 'user' }, resource: one }],
    ['resource', { action: read, resource: { type: 'record' } }],
    ['action', { subject: alice }],
    ['subject', { ...who, resource: { type: 'record' } }],
    ['resource', { subject: { type: 'user' }, action: read, resource: { type: 'record' } }],
  ]
  for (const [kind, body] of bad) t.equal((await point.ask(`search/${kind}`, body)).status, 400)
})

test('Discovery: 6 the metadata', async (t) => {
  const { status, headers, body } = await point.get('/.well-known/authzen-configuration')
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^application\/json/)
  t.equal(body.policy_decision_point, 'https://pdp.example.com')
  for (const [name, value] of Object.entries(body)) {
    if (name.endsWith('_endpoint')) t.match(value, /^https:\/\/pdp\.example\.com\/access\/v1\//)
  }
  t.ok(body.access_evaluation_endpoint)
  t.ok(body.capabilities.every((urn: unknown) => typeof urn === 'string'))
})
