import t, { test } from 'tap'
import { startDecisionPoint } from './support/decision-point.ts'

/** Authorization API 1.0: 7 Access Evaluations API. */

const point = await startDecisionPoint()
t.teardown(() => point[Symbol.asyncDispose]())

const alice = { type: 'user', id: 'alice' }
const bob = { type: 'user', id: 'bob' }
const read = { name: 'read' }
const write = { name: 'write' }
const one = { type: 'record', id: 'record-1' }
const two = { type: 'record', id: 'record-2' }
const YES = { subject: alice, action: read, resource: one }
const NO = { subject: bob, action: write, resource: one }

async function decisions(body: object): Promise<boolean[]> {
  const answer = await point.ask('evaluations', body)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.body.evaluations.map((each: { decision: boolean }) => each.decision)
}

test('7.1 Request: without evaluations it is a single evaluation, with its errors', async (t) => {
  for (const evaluations of [undefined, []]) {
    const { body } = await point.ask('evaluations', { ...YES, evaluations })
    const single = await point.ask('evaluation', YES)
    t.same({ ...body.context, age: 0 }, { ...single.body.context, age: 0 })
    t.equal(body.decision, true)
    const { resource: _, ...incomplete } = YES
    t.equal((await point.ask('evaluations', { ...incomplete, evaluations })).status, 400)
  }
})

const many = (count: number) => ({
  ...YES,
  evaluations: Array.from({ length: count }, () => ({})),
})

test('7.1 Request: evaluations is a list of at most 10,000', async (t) => {
  for (const evaluations of [{}, 'all', 5, null, true]) {
    t.equal((await point.ask('evaluations', { ...YES, evaluations })).status, 400)
  }
  t.equal((await decisions(many(10_000))).length, 10_000)
  const { status, text } = await point.ask('evaluations', many(10_001))
  t.equal(status, 400)
  t.match(text, /at most 10000/)
})

test('7.1 Request: every item has its own reasons and paths, all from one matrix', async (t) => {
  const { body, headers } = await point.ask('evaluations', { evaluations: [YES, NO] })
  const [first, second] = body.evaluations
  t.match(first.context.paths, [{ role: { name: 'reader' }, outcome: 'allowed' }])
  t.match(second, {
    decision: false,
    context: { reason: 'conditional', missing: ['role', 'status'] },
  })
  for (const { context } of body.evaluations) {
    t.equal(String(context.revision), headers.get('x-matrix-revision'))
  }
})

test('7.1.1 Default Values: an entity of an item replaces the default as a whole', async (t) => {
  const archived = { status: 'archived', divisionId: 'record-2' }
  const body = {
    ...{ subject: alice, action: read, resource: { ...one, properties: archived } },
    evaluations: [{}, { resource: one }, { resource: { id: 'record-1' } }],
  }
  t.same(await decisions(body), [false, true, true], 'no property is taken over')
  const soft = { name: 'delete', properties: { soft: true } }
  t.same(
    await decisions({
      ...{ subject: alice, action: soft, resource: one },
      evaluations: [
        {},
        { action: { name: 'delete' } },
        { action: { properties: { soft: false } } },
      ],
    }),
    [true, false, false],
  )
  const context = { options: { explain: false }, soft: true }
  const mixed = await point.ask('evaluations', {
    ...{ subject: alice, action: { name: 'delete' }, resource: one, context },
    evaluations: [{}, { context: {} }],
  })
  t.same(
    mixed.body.evaluations.map((each: { decision: boolean }) => each.decision),
    [true, false],
  )
  t.same(
    mixed.body.evaluations.map((each: { context: object }) => 'paths' in each.context),
    [false, true],
  )
})

test('7.1.1 Default Values: a default of the wrong type is a fault of the whole request', async (t) => {
  const faulty: readonly object[] = [
    ...['alice', 5, null, []].map((subject) => ({ subject })),
    ...[{ type: 5 }, { id: '' }, { properties: 'none' }].map((resource) => ({ resource })),
    ...[{ name: null }, { properties: [] }].map((action) => ({ action })),
    { context: 'now' },
  ]
  for (const each of faulty) {
    const { status, text } = await point.ask('evaluations', { evaluations: [YES], ...each })
    t.equal(status, 400, text)
  }
})

test('7.1.2 Evaluations options: an object, whose other members are ignored', async (t) => {
  for (const options of ['fast', 5, null, []]) {
    t.equal((await point.ask('evaluations', { evaluations: [YES], options })).status, 400)
  }
  t.same(await decisions({ evaluations: [YES], options: { another_option: 'value' } }), [true])
})

const run = (evaluations: readonly unknown[], semantic?: unknown) =>
  decisions({
    evaluations,
    ...(semantic === undefined ? {} : { options: { evaluations_semantic: semantic } }),
  })

test('7.1.2.1 Evaluations semantics: execute_all, deny_on_first_deny, permit_on_first_permit', async (t) => {
  const items = [YES, NO, YES, NO]
  t.same(await run(items), [true, false, true, false])
  t.same(await run(items, 'execute_all'), [true, false, true, false])
  t.same(await run(items, 'deny_on_first_deny'), [true, false])
  t.same(await run([YES, {}, YES], 'deny_on_first_deny'), [true, false], 'an error is a denial')
  t.same(await run([YES, YES], 'deny_on_first_deny'), [true, true])
  t.same(await run([NO, {}, YES, NO], 'permit_on_first_permit'), [false, false, true])
  t.same(await run([NO, NO], 'permit_on_first_permit'), [false, false])
  for (const semantic of ['all', '', 'EXECUTE_ALL', 5, null, ['execute_all']]) {
    const options = { evaluations_semantic: semantic }
    const { status, text } = await point.ask('evaluations', { evaluations: items, options })
    t.equal(status, 400, JSON.stringify(semantic))
    t.match(text, /evaluations_semantic must be one of execute_all/)
  }
})

test('7.2 Response: the decisions in the order of the questions, and no decision of the whole', async (t) => {
  const items = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? YES : NO))
  const answer = await point.ask('evaluations', { evaluations: items })
  t.same(Object.keys(answer.body), ['evaluations'])
  t.same(
    await decisions({ evaluations: items }),
    items.map((item) => item === YES),
  )
})

test('7.2.1 Errors: an item that cannot be evaluated is denied, and says why', async (t) => {
  const items = [
    YES,
    {},
    { ...YES, subject: 'alice' },
    { ...YES, action: { name: 5 } },
    { ...YES, resource: { ...two, properties: { divisionId: 7 } } },
    { ...YES, context: [] },
    'no question',
    null,
  ]
  const { status, body } = await point.ask('evaluations', { evaluations: items })
  t.equal(status, 200)
  t.equal(body.evaluations.length, items.length)
  const [first, ...failed] = body.evaluations
  t.equal(first.decision, true)
  const messages = failed.map(
    (each: { decision: boolean; context: { error: { status: number; message: string } } }) => {
      t.equal(each.decision, false)
      t.equal(each.context.error.status, 400)
      return each.context.error.message
    },
  )
  t.same(messages, [
    'subject is required',
    'subject must be an object',
    'action/name must be a string',
    'resource/properties/divisionId must be a string',
    'context must be an object',
    'evaluation must be an object',
    'evaluation must be an object',
  ])
})
