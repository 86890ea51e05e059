import { test } from 'tap'
import type { Condition } from '../../src/domain/condition.ts'
import { MAX_EXPLANATION_UNITS } from '../../src/http/authzen/authzen-schemas.ts'
import { matrixOf } from '../http/support/organization.ts'
import { startCheckPlane } from '../http/support/planes.ts'
import { AGENT, ANNA, smallFacts, user } from '../support/small-facts.ts'

/** Authorization API 1.0, 7: what the largest requests for many decisions may cost. */

const DIVISIONS = Array.from({ length: 15 }, (_, i) => ({ id: `d${i}`, name: '', home: false }))
const GRANTS = DIVISIONS.map(({ id }) => ({ roleId: AGENT, divisionId: id }))
const QUESTION = {
  subject: { type: 'user', id: ANNA },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: 'd0' },
}
const MANY = { ...QUESTION, evaluations: Array.from({ length: 10_000 }, () => ({})) }
/** Of a decision that is not explained: what it says of itself. */
const UNITS_OF_ONE = 130

type Decision = {
  readonly decision: boolean
  readonly context: {
    readonly reason?: string
    readonly missing?: readonly string[]
    readonly paths?: readonly object[]
    readonly truncated?: true
  }
}

/** A check plane over a user who holds one role in fifteen divisions, under a condition if given. */
function startPlane(t: Parameters<typeof startCheckPlane>[0], condition: Condition | null = null) {
  const plane = startCheckPlane(t)
  const facts = smallFacts({ divisions: DIVISIONS, subjects: [user(ANNA, { grants: GRANTS })] })
  const roles = facts.roles.map((role) => ({
    ...role,
    policies: role.policies.map((policy) => ({ ...policy, condition })),
  }))
  plane.served.held = [matrixOf({ ...facts, roles }, 7)]
  return plane
}

test('7.2 Response: an answer of many decisions has room for so many paths', async (t) => {
  const { post } = startPlane(t)
  const answer = await post('/access/v1/evaluations', MANY)
  t.equal(answer.statusCode, 200)
  const most = MAX_EXPLANATION_UNITS + UNITS_OF_ONE * 10_000
  t.ok(answer.body.length < most, `${answer.body.length} characters`)
  const { evaluations } = answer.json<{ evaluations: Decision[] }>()
  t.equal(evaluations.length, 10_000)
  t.ok(evaluations.every(({ decision }) => decision))
  const explained = evaluations.filter(({ context }) => context.paths?.length === DIVISIONS.length)
  t.ok(explained.length > 300, `${explained.length} are explained`)
  const [first] = evaluations
  t.same(evaluations.slice(0, explained.length), explained, 'the first ones, each of them whole')
  t.notOk(first?.context.truncated)
  t.match(evaluations.at(-1)?.context, { paths: [], truncated: true })
})

test('7.2 Response: what is undecided counts with the names that it lacks', async (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `a-rather-long-name-of-an-attribute-${i}`)
  const terms = names.map((variableName) => ({
    variableName,
    operator: 'EQ',
    operands: [{ type: 'SCALAR', value: 'x' }],
  }))
  const { post } = startPlane(t, { conjunction: 'AND', terms })
  for (const explain of [true, false]) {
    const body = { ...MANY, context: { options: { explain } } }
    const answer = await post('/access/v1/evaluations', body)
    const most = MAX_EXPLANATION_UNITS * 1.1 + UNITS_OF_ONE * 10_000
    t.ok(answer.body.length < most, `${answer.body.length} characters`)
    const { evaluations } = answer.json<{ evaluations: Decision[] }>()
    t.same(evaluations[0]?.context.missing, [...names].sort())
    const last = evaluations.at(-1)?.context
    t.match(last, { reason: 'conditional', missing: [], truncated: true })
  }
})

test('6.2 Response: what is missing is told without a look at conditions elsewhere', async (t) => {
  const kind = { variableName: 'kind', operator: 'EQ', operands: [{ type: 'SCALAR', value: 'x' }] }
  const { post, served } = startPlane(t, kind)
  const { steps } = served.current()
  const stepsOf = async (explain: boolean): Promise<number> => {
    const mark = steps.mark()
    const resource = { ...QUESTION.resource, properties: { other: 1 } }
    const body = { ...QUESTION, resource, context: { options: { explain } } }
    const { context } = (await post('/access/v1/evaluation', body)).json<Decision>()
    t.match(context, { reason: 'conditional', missing: ['kind'] })
    return steps.since(mark)
  }
  const [few, many] = [await stepsOf(false), await stepsOf(true)]
  t.ok(few * 4 < many, `${few} steps, ${many} with every path`)
})

test('7.2 Response: a decision that cannot have paths is never truncated', async (t) => {
  const { post } = startPlane(t)
  const evaluations = [...MANY.evaluations.slice(1), { action: { name: 'fly' } }]
  const answer = await post('/access/v1/evaluations', { ...MANY, evaluations })
  const last = answer.json<{ evaluations: Decision[] }>().evaluations.at(-1)
  t.match(last, { decision: false, context: { reason: 'unknown_permission', paths: [] } })
  t.notOk(last?.context.truncated)
})

test('7.1 Request: other requests are answered while ten thousand questions are', async (t) => {
  const { post, get } = startPlane(t)
  const order: string[] = []
  const answered = (name: string) => (answer: { readonly statusCode: number }) => {
    t.equal(answer.statusCode, 200)
    order.push(name)
  }
  await Promise.all([
    post('/access/v1/evaluations', MANY).then(answered('many')),
    post('/access/v1/evaluations', MANY).then(answered('as many')),
    get(`/api/v1/check-permission?userId=${ANNA}&permission=routing:queue:view`).then(
      answered('one'),
    ),
  ])
  t.equal(order[0], 'one')
})
