import t, { test } from 'tap'
import type { Test } from 'tap'
import { MAX_NESTING } from '../../src/http/authzen/strict-json.ts'
import { startDecisionPoint } from './support/decision-point.ts'

/** Authorization API 1.0: 5 Information Model, 6 Access Evaluation API. */

const point = await startDecisionPoint()
t.teardown(() => point[Symbol.asyncDispose]())

const alice = { type: 'user', id: 'alice' }
const read = { name: 'read' }
const one = { type: 'record', id: 'record-1' }
const QUESTION = { subject: alice, action: read, resource: one }

async function refuses(t: Test, body: unknown, message: RegExp): Promise<void> {
  const { status, text, headers } = await point.ask('evaluation', body)
  t.equal(status, 400, text)
  t.match(text, message)
  t.match(headers.get('content-type'), /^text\/plain/)
}

/** What stands where a text or an object has to stand; each is of another type. */
const NO_TEXT = [5, true, null, ['a'], { a: 1 }]
const NO_OBJECT = ['alice', 5, false, null, [alice]]

test('5.1 Subject: type and id are texts, properties an object', async (t) => {
  for (const name of ['type', 'id']) {
    const { [name]: _, ...without } = alice as Record<string, string>
    await refuses(t, { ...QUESTION, subject: without }, new RegExp(`^subject/${name} is required`))
    await refuses(t, { ...QUESTION, subject: { ...alice, [name]: '' } }, /must not be empty/)
    for (const value of NO_TEXT) {
      const subject = { ...alice, [name]: value }
      await refuses(t, { ...QUESTION, subject }, new RegExp(`^subject/${name} must be a string`))
    }
  }
  for (const value of NO_OBJECT) {
    await refuses(t, { ...QUESTION, subject: value }, /^subject must be an object/)
    const subject = { ...alice, properties: value }
    await refuses(t, { ...QUESTION, subject }, /^subject\/properties must be an object/)
  }
  t.equal(await point.decide({ ...QUESTION, subject: { ...alice, properties: {} } }), true)
})

test('5.1 Subject: the id is scoped to the type', async (t) => {
  const two = { type: 'record', id: 'record-2' }
  const ask = (type: string) =>
    point.ask('evaluation', { subject: { type, id: 'robot' }, action: read, resource: two })
  t.equal((await ask('client')).body.decision, true)
  for (const type of ['user', 'Client', 'spaceship']) {
    const { body } = await ask(type)
    t.match(body, { decision: false, context: { reason: 'unknown_user' } }, type)
  }
  const asClient = { ...QUESTION, subject: { type: 'client', id: 'alice' } }
  t.equal(await point.decide(asClient), false, 'a user is no client')
})

test('5.2 Resource: type and id are texts, properties an object', async (t) => {
  for (const name of ['type', 'id']) {
    const { [name]: _, ...without } = one as Record<string, string>
    await refuses(t, { ...QUESTION, resource: without }, new RegExp(`^resource/${name} is`))
    for (const value of NO_TEXT) {
      const resource = { ...one, [name]: value }
      await refuses(t, { ...QUESTION, resource }, new RegExp(`^resource/${name} must be a string`))
    }
  }
  for (const value of NO_OBJECT) {
    await refuses(t, { ...QUESTION, resource: value }, /^resource must be an object/)
    const resource = { ...one, properties: value }
    await refuses(t, { ...QUESTION, resource }, /^resource\/properties must be an object/)
  }
})

const ofType = (type: string) => ({ ...one, type })

test('5.2 Resource: its type and the action are the permission', async (t) => {
  t.equal(await point.decide({ ...QUESTION, resource: ofType('records:record') }), true)
  t.equal(await point.decide({ ...QUESTION, resource: ofType('Record') }), false, 'byte for byte')
  for (const type of ['permission', 'feature']) {
    const beta = { ...QUESTION, action: { name: 'beta_features' }, resource: ofType(type) }
    t.equal(await point.decide(beta), true, 'flat permissions have a type of their own')
    const named = { ...beta, action: { name: 'records:record:read' } }
    t.equal(await point.decide(named), false, 'which the catalogue is not of')
  }
})

test('5.2 Resource: a type that is no domain:entity asks for nothing', async (t) => {
  for (const [type, name] of [
    ['records', 'record:read'],
    ['records:record:read', ''],
    ['records:record:', 'read'],
    ['records:', 'record:read'],
  ] as const) {
    const { body } = await point.ask('evaluation', {
      ...QUESTION,
      action: { name: name || 'x' },
      resource: ofType(type),
    })
    t.match(body, { decision: false, context: { reason: 'unknown_permission' } }, type)
  }
})

test('5.3 Action: a gateway\u2019s own names of actions stand for permissions', async (t) => {
  const asked = async (type: string, name: string) => {
    const question = { ...QUESTION, action: { name }, resource: ofType(type) }
    const { body } = await point.ask('evaluation', question)
    return body.context.reason ?? 'allowed'
  }
  t.equal(await asked('route', 'GET'), 'allowed')
  t.equal(await asked('route', 'HEAD'), 'allowed')
  t.equal(await asked('route', 'POST'), 'not_granted')
  t.equal(await asked('route', 'read'), 'unknown_permission', 'no type of its own stands behind it')
  t.equal(await asked('doc', 'read'), 'allowed', 'where one does, its actions are there too')
  t.equal(await asked('doc', 'show'), 'allowed')
  t.equal(await asked('doc', 'write'), 'conditional', 'and its own names come first')
  t.equal(await asked('doc', 'gone'), 'unknown_permission')
  const batch = await point.ask('evaluations', {
    ...{ subject: alice, resource: ofType('route') },
    evaluations: ['GET', 'POST', 'HEAD'].map((name) => ({ action: { name } })),
  })
  t.same(
    batch.body.evaluations.map(({ decision }: { decision: boolean }) => decision),
    [true, false, true],
  )
})

test('5.2 Resource: its id is the division, unless properties.divisionId names it', async (t) => {
  const inDivision = (id: string, divisionId?: unknown) =>
    point.ask('evaluation', {
      ...QUESTION,
      resource: { ...one, id, ...(divisionId === undefined ? {} : { properties: { divisionId } }) },
    })
  t.match((await inDivision('record-2')).body.context, { reason: 'other_division' })
  t.match((await inDivision('no division')).body.context, { reason: 'other_division' })
  t.equal((await inDivision('invoice 7', 'record-1')).body.decision, true)
  t.equal((await inDivision('record-1', 'record-2')).body.decision, false)
  t.equal((await inDivision('record-1', 5)).status, 400)
  const carol = { ...QUESTION, subject: { type: 'user', id: 'carol' } }
  const anywhere = { ...carol, resource: { ...one, id: 'no division' } }
  t.equal(await point.decide(anywhere), true, 'a grant in every division reaches what is none')
})

test('5.3 Action: its name is a text, its properties an object', async (t) => {
  await refuses(t, { ...QUESTION, action: {} }, /^action\/name is required/)
  for (const name of NO_TEXT)
    await refuses(t, { ...QUESTION, action: { name } }, /must be a string/)
  for (const value of NO_OBJECT) {
    await refuses(t, { ...QUESTION, action: value }, /^action must be an object/)
    const action = { ...read, properties: value }
    await refuses(t, { ...QUESTION, action }, /^action\/properties must be an object/)
  }
})

test('5.4 Context: an object, and the last place where variables are looked for', async (t) => {
  for (const value of NO_OBJECT) {
    await refuses(t, { ...QUESTION, context: value }, /^context must be an object/)
  }
  const remove = { ...QUESTION, action: { name: 'delete' } }
  t.equal(await point.decide({ ...remove, context: { soft: true } }), true)
  const withAll = (resource: unknown, action: unknown, subject: unknown, context: unknown) => ({
    resource: { ...one, properties: { soft: resource } },
    action: { name: 'delete', properties: { soft: action } },
    subject: { ...alice, properties: { soft: subject } },
    context: { soft: context },
  })
  t.equal(await point.decide(withAll(true, false, false, false)), true, 'resource first')
  t.equal(await point.decide(withAll(false, true, true, true)), false)
  const { resource: _, ...rest } = withAll(null, true, false, false)
  t.equal(await point.decide({ ...rest, resource: one }), true, 'then action')
  const ofSubject = { ...rest, resource: one, action: { name: 'delete' } }
  t.equal(await point.decide({ ...ofSubject, context: { soft: true } }), false, 'then subject')
})

const askExport = async (properties: object) => {
  const { body } = await point.ask('evaluation', {
    subject: { type: 'user', id: 'erik' },
    action: { name: 'export' },
    resource: { ...one, properties },
  })
  const { reason, missing, unusable } = body.context
  return [body.decision, reason, missing, ...(unusable === undefined ? [] : [unusable])]
}

test('5.4 Context: conditions nest, compare with other attributes and stay undecided', async (t) => {
  t.same(await askExport({ status: 'active' }), [true, undefined, undefined])
  t.same(await askExport({ status: 'old', role: 'auditor', level: 3, clearance: 3 }), [
    true,
    undefined,
    undefined,
  ])
  t.same(await askExport({ status: 'old', role: 'auditor', level: 4, clearance: '3' }), [
    false,
    'not_granted',
    undefined,
  ])
  t.same(await askExport({ status: 'old', role: 'auditor', level: 4 }), [
    false,
    'conditional',
    ['clearance'],
  ])
  t.same(await askExport({ status: 'old', role: 'clerk' }), [false, 'not_granted', undefined])
  t.same(await askExport({}), [false, 'conditional', ['clearance', 'level', 'role', 'status']])
  const list = { status: ['active'], role: 'clerk' }
  t.same(
    await askExport(list),
    [false, 'conditional', [], ['status']],
    'given, but no single value',
  )
  const { body } = await point.ask('evaluation', {
    subject: { type: 'user', id: 'erik' },
    action: { name: 'export' },
    resource: { ...one, properties: list },
  })
  t.match(body.context.paths, [{ outcome: 'conditional', unusable: ['status'] }])
})

test('5.4 Context: null is no value, and hides none', async (t) => {
  t.same(await askExport({ status: null, role: 'clerk' }), [false, 'conditional', ['status']])
  const remove = { ...QUESTION, action: { name: 'delete' } }
  const resource = { ...one, properties: { soft: null } }
  t.equal(await point.decide({ ...remove, resource, context: { soft: true } }), true)
})

test('5.5 Decision: a boolean, and a context with reason, paths, revision and age', async (t) => {
  const yes = await point.ask('evaluation', QUESTION)
  const { revision, age, ...rest } = yes.body.context
  t.equal(yes.body.decision, true)
  t.equal(String(revision), yes.headers.get('x-matrix-revision'))
  t.ok(Number.isInteger(age) && age >= 0)
  t.same(rest, {
    paths: [
      {
        role: { id: 'bbbbbbbb-0000-4000-8000-000000000000', name: 'reader' },
        division: { id: 'record-1', name: 'record-1' },
        via: { type: 'direct' },
        policy: 'records:record:read',
        outcome: 'allowed',
      },
    ],
  })
  const carol = await point.ask('evaluation', {
    ...QUESTION,
    subject: { type: 'user', id: 'carol' },
  })
  t.match(carol.body.context.paths, [
    { division: { id: '*' }, via: { type: 'group', id: 'readers', name: 'Readers' } },
  ])
  const no = await point.ask('evaluation', { ...QUESTION, subject: { type: 'user', id: 'dora' } })
  t.match(no.body, { decision: false, context: { reason: 'inactive_user', paths: [] } })
})

test('5.5.1 Decision Context: options.explain: false leaves the paths out', async (t) => {
  const context = { options: { explain: false } }
  const yes = await point.ask('evaluation', { ...QUESTION, context })
  t.same(Object.keys(yes.body.context), ['revision', 'age'])
  const remove = { ...QUESTION, action: { name: 'delete' }, context }
  const no = await point.ask('evaluation', remove)
  t.match(no.body, { decision: false, context: { reason: 'conditional', missing: ['soft'] } })
  t.notOk('paths' in no.body.context)
  for (const options of [{ explain: true }, { explain: 'false' }, {}, 'no']) {
    const { body } = await point.ask('evaluation', { ...QUESTION, context: { options } })
    t.ok(body.context.paths, JSON.stringify(options))
  }
})

test('6.1 Request: subject, action and resource are required', async (t) => {
  for (const name of ['subject', 'action', 'resource']) {
    const { [name]: _, ...without } = QUESTION as Record<string, object>
    await refuses(t, without, new RegExp(`^${name} is required`))
  }
  for (const body of ['[]', '"a"', '5', 'null', 'true']) {
    await refuses(t, body, /^the body must be a JSON object/)
  }
})

test('6.2 Response: denied is an answer, for every reason', async (t) => {
  const denials: readonly (readonly [string, object])[] = [
    ['unknown_permission', { ...QUESTION, action: { name: 'fly' } }],
    ['unknown_user', { ...QUESTION, subject: { type: 'user', id: 'nobody' } }],
    ['inactive_user', { ...QUESTION, subject: { type: 'user', id: 'dora' } }],
    ['conditional', { ...QUESTION, action: { name: 'delete' } }],
    ['other_division', { ...QUESTION, resource: { ...one, id: 'record-2' } }],
    ['not_granted', { ...QUESTION, action: { name: 'export' } }],
  ]
  for (const [reason, body] of denials) {
    const answer = await point.ask('evaluation', body)
    t.equal(answer.status, 200)
    t.match(answer.body, { decision: false, context: { reason } })
  }
})

test('10.1.1 JSON Serialization: unknown fields are ignored, in any order of members', async (t) => {
  const body = {
    ...{ extra: null, resource: { extra: [1], ...one } },
    ...{ action: { ...read, properties: {}, extra: 5 }, subject: { id: 'alice', type: 'user' } },
    ...{ evaluations: 'of another endpoint' },
  }
  t.equal(await point.decide(body), true)
  const poisoned = `{"__proto__":{"admin":true},${JSON.stringify(QUESTION).slice(1)}`
  t.equal((await point.ask('evaluation', poisoned)).body.decision, true)
})

test('11.5 JSON Payload Considerations: I-JSON, and nothing else', async (t) => {
  const text = JSON.stringify(QUESTION)
  const twice = [
    text.replace('{"type":"user"', '{"type":"user","type":"user"'),
    text.replace('{"type":"user"', '{"type":"user","\\u0074ype":"client"'),
    `${text.slice(0, -1)},"action":{"name":"write"}}`,
    `${text.slice(0, -1)},"context":{"a":{"b":[{"c":1,"c":2}]}}}`,
    `${text.slice(0, -1)},"context":{"__proto__":1,"__proto__":2}}`,
  ]
  for (const body of twice) await refuses(t, body, /member name comes twice/)
  const colons = { ...QUESTION, context: { 'a:"\\': ':{"a":1,"a":2}\\', 'b\\': '"' } }
  t.equal(await point.decide(colons), true, 'what looks like members inside of texts is none')
  await refuses(t, text.replace('alice', '\\ud800'), /unpaired surrogate/)
  await refuses(t, `${text.slice(0, -1)},"\\udc00x":1}`, /unpaired surrogate/)
  t.equal((await point.ask('evaluation', text.replace('alice', '\\ud83d\\ude00'))).status, 200)
  for (const point of ['\ufdd0', '\ufdef', '\ufffe', '\uffff', '\u{1fffe}', '\u{10ffff}']) {
    await refuses(t, text.replace('alice', point), /noncharacter/)
    await refuses(t, `${text.slice(0, -1)},"x${point}":1}`, /noncharacter/)
    const units = Array.from({ length: point.length }, (_, i) => point.charCodeAt(i).toString(16))
    const escaped = units.map((unit) => `\\u${unit}`).join('')
    await refuses(t, text.replace('alice', escaped), /noncharacter/)
  }
  for (const near of ['\ufdcf', '\ufdf0', '\ufffd', '\u{1fffd}', '\\ufffd']) {
    t.equal((await point.ask('evaluation', text.replace('alice', near))).status, 200)
  }
  await refuses(t, `${text.slice(0, -1)},"context":{"n":1e999}}`, /number/)
  const bytes = Buffer.from(text.replace('alice', 'al\u00efce'), 'latin1')
  await refuses(t, bytes, /not UTF-8/)
  t.equal((await point.ask('evaluation', text.replace('alice', '\ufffd'))).status, 200)
  await refuses(t, Buffer.from(`\ufeff${text}`), /not valid JSON/)
})

test('11.7 Availability: nesting and size are bounded', async (t) => {
  const nested = (levels: number) =>
    `${JSON.stringify(QUESTION).slice(0, -1)},"deep":${'['.repeat(levels)}${']'.repeat(levels)}}`
  t.equal((await point.ask('evaluation', nested(MAX_NESTING - 1))).status, 200)
  await refuses(t, nested(MAX_NESTING), /nested deeper/)
  await refuses(t, '['.repeat(60_000), /nested deeper/)
  const large = { ...QUESTION, context: { text: 'a'.repeat(64 * 1024) } }
  t.equal((await point.ask('evaluation', large)).status, 413)
  const id = 'i'.repeat(1_025)
  await refuses(t, { ...QUESTION, resource: { ...one, id } }, /at most 1024 characters/)
})
