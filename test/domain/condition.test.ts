import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { evaluateCondition } from '../../src/domain/condition.ts'
import type { AttributeScopes, Condition, Operand, Verdict } from '../../src/domain/condition.ts'
import { arbitraryCondition, arbitraryScopes } from './support/arbitrary-facts.ts'
import { naiveTruth } from './support/naive-condition.ts'

/** One term of each verdict on the attributes `{ yes: 'y', no: 'n' }`; the third lacks `absent`. */
const TERMS: Readonly<Record<Verdict, Condition>> = {
  holds: where('yes', 'EQ', 'y'),
  fails: where('no', 'EQ', 'y'),
  undecided: where('absent', 'EQ', 'y'),
}
const ATTRIBUTES: AttributeScopes = [{ yes: 'y', no: 'n' }]

function where(variableName: string, operator: string, ...values: readonly string[]): Condition {
  return { variableName, operator, operands: values.map(literal) }
}

function literal(value: string): Operand {
  return { type: 'SCALAR', value }
}

function variable(value: string): Operand {
  return { type: 'VARIABLE', value }
}

function joined(conjunction: string, ...terms: readonly Condition[]): Condition {
  return { conjunction, terms }
}

function verdictOf(condition: Condition, scopes: AttributeScopes = ATTRIBUTES): Verdict {
  const verdict = evaluateCondition(condition, scopes)
  // Whether names are collected must not change what is answered.
  assert.equal(
    evaluateCondition(condition, scopes, { missing: new Set(), unusable: new Set() }),
    verdict,
  )
  return verdict
}

function wantingOf(condition: Condition, scopes: AttributeScopes = ATTRIBUTES) {
  const wanting = { missing: new Set<string>(), unusable: new Set<string>() }
  evaluateCondition(condition, scopes, wanting)
  return { missing: [...wanting.missing].sort(), unusable: [...wanting.unusable].sort() }
}

function missingOf(condition: Condition, scopes?: AttributeScopes): string[] {
  return wantingOf(condition, scopes).missing
}

const VERDICTS = ['holds', 'fails', 'undecided'] as const

test('AND and OR follow the three-valued truth tables, in either order of terms', async (t) => {
  const and: Readonly<Record<string, Verdict>> = {
    'holds holds': 'holds',
    'holds fails': 'fails',
    'holds undecided': 'undecided',
    'fails fails': 'fails',
    'fails undecided': 'fails',
    'undecided undecided': 'undecided',
  }
  const or: Readonly<Record<string, Verdict>> = {
    'holds holds': 'holds',
    'holds fails': 'holds',
    'holds undecided': 'holds',
    'fails fails': 'fails',
    'fails undecided': 'undecided',
    'undecided undecided': 'undecided',
  }
  for (const [conjunction, table] of Object.entries({ AND: and, OR: or })) {
    for (const [terms, expected] of Object.entries(table)) {
      const [a, b] = terms.split(' ') as [Verdict, Verdict]
      t.equal(
        verdictOf(joined(conjunction, TERMS[a], TERMS[b])),
        expected,
        `${conjunction} ${terms}`,
      )
      t.equal(verdictOf(joined(conjunction, TERMS[b], TERMS[a])), expected)
    }
    for (const only of VERDICTS) t.equal(verdictOf(joined(conjunction, TERMS[only])), only)
  }
})

test('terms nest: (holds OR undecided) AND (fails OR undecided)', async (t) => {
  const left = joined('OR', TERMS.holds, TERMS.undecided)
  const right = joined('OR', TERMS.fails, TERMS.undecided)
  t.equal(verdictOf(joined('AND', left, right)), 'undecided')
  t.equal(verdictOf(joined('AND', left, joined('AND', right, TERMS.fails))), 'fails')
  t.equal(verdictOf(joined('OR', right, left)), 'holds')
})

type Row = readonly [attribute: unknown, operator: string, operand: string, expected: Verdict]

const COMPARISONS: Readonly<Record<string, readonly Row[]>> = {
  'text equals the same text only': [
    ['a', 'EQ', 'a', 'holds'],
    ['a', 'EQ', 'A', 'fails'],
    ['a', 'EQ', 'a ', 'fails'],
    ['', 'EQ', '', 'holds'],
    ['é', 'EQ', 'e\u0301', 'fails'],
    ['5', 'EQ', '5.0', 'fails'],
  ],
  'a number equals the text that denotes it': [
    [5, 'EQ', '5', 'holds'],
    [5, 'EQ', '5.0', 'holds'],
    [1000, 'EQ', '1e3', 'holds'],
    [-0.5, 'EQ', '-0.5', 'holds'],
    [0, 'EQ', '-0', 'holds'],
    [5, 'EQ', '6', 'fails'],
    [0, 'EQ', '', 'fails'],
    [0, 'EQ', ' ', 'fails'],
    [5, 'EQ', ' 5', 'fails'],
    [5, 'EQ', '+5', 'fails'],
    [5, 'EQ', '0x5', 'fails'],
    [5, 'EQ', '5n', 'fails'],
    [5, 'EQ', '5\n', 'fails'],
    [0.5, 'EQ', '.5', 'fails'],
    [1000, 'EQ', '1_000', 'fails'],
  ],
  'a number that is not held exactly decides nothing': [
    [2 ** 53 - 1, 'EQ', '9007199254740991', 'holds'],
    [2 ** 53, 'EQ', '9007199254740993', 'undecided'],
    [2 ** 53, 'EQ', '9007199254740992', 'undecided'],
    [2 ** 53 - 1, 'LT', '9007199254740993', 'undecided'],
    [5, 'LT', '1e999', 'undecided'],
    [Number.NaN, 'EQ', 'NaN', 'undecided'],
    [Infinity, 'EQ', 'Infinity', 'undecided'],
    [Infinity, 'GT', '1', 'undecided'],
    ['9007199254740993', 'EQ', '9007199254740993', 'holds'],
    ['9007199254740993', 'EQ', '9007199254740992', 'fails'],
  ],
  'a boolean equals its own text': [
    [true, 'EQ', 'true', 'holds'],
    [false, 'EQ', 'false', 'holds'],
    [true, 'EQ', 'false', 'fails'],
    [true, 'EQ', 'True', 'fails'],
    [true, 'EQ', '1', 'fails'],
    [1, 'EQ', 'true', 'fails'],
    [false, 'EQ', '', 'fails'],
  ],
  'order is of numbers, written either way': [
    [5, 'GE', '5', 'holds'],
    [5, 'LE', '5', 'holds'],
    [5, 'GT', '5', 'fails'],
    [5, 'LT', '5', 'fails'],
    [6, 'GT', '5', 'holds'],
    [4, 'LT', '5', 'holds'],
    [4, 'GE', '5', 'fails'],
    [6, 'LE', '5', 'fails'],
    ['10', 'GT', '9', 'holds'],
    ['-1', 'LT', '0', 'holds'],
    [0.1, 'LT', '1e-1', 'fails'],
  ],
  'order of anything else is undecided': [
    ['b', 'GT', 'a', 'undecided'],
    ['2026-01-02', 'GT', '2026-01-01', 'undecided'],
    [5, 'GT', 'a', 'undecided'],
    [5, 'GE', '', 'undecided'],
    [true, 'GE', '1', 'undecided'],
    [5, 'GE', 'true', 'undecided'],
  ],
  'an attribute that is no text, number or boolean is none': [
    [null, 'EQ', 'null', 'undecided'],
    [undefined, 'EQ', 'undefined', 'undecided'],
    [['a'], 'EQ', 'a', 'undecided'],
    [['a'], 'IN', 'a', 'undecided'],
    [{ id: 'a' }, 'EQ', '[object Object]', 'undecided'],
    [5n, 'EQ', '5', 'undecided'],
  ],
  'an operator that is not understood is undecided': [
    ['a', 'NE', 'b', 'undecided'],
    ['a', 'eq', 'a', 'undecided'],
    ['a', 'NOT_IN', 'b', 'undecided'],
    ['a', '', 'a', 'undecided'],
    ['a', 'constructor', 'a', 'undecided'],
  ],
}

for (const [title, rows] of Object.entries(COMPARISONS)) {
  test(title, async (t) => {
    for (const [attribute, operator, operand, expected] of rows) {
      const verdict = verdictOf(where('x', operator, operand), [{ x: attribute }])
      t.equal(
        verdict,
        expected,
        `${typeof attribute} ${String(attribute)} ${operator} "${operand}"`,
      )
    }
  })
}

test('IN holds for any of its operands; a single one is enough', async (t) => {
  const scopes = [{ x: 'b', n: 5, other: 'b' }]
  const unknown: Operand = { type: 'MYSTERY', value: 'b' }
  const isIn = (name: string, ...operands: Operand[]): Verdict =>
    verdictOf({ variableName: name, operator: 'IN', operands }, scopes)
  t.equal(isIn('x', literal('a'), literal('b')), 'holds')
  t.equal(isIn('x', literal('a'), literal('c')), 'fails')
  t.equal(isIn('x', literal('b')), 'holds')
  t.equal(isIn('n', literal('4'), literal('5.0')), 'holds')
  t.equal(isIn('x', variable('other')), 'holds')
  t.equal(isIn('x', literal('a'), variable('absent')), 'undecided')
  t.equal(isIn('x', literal('b'), variable('absent')), 'holds')
  t.equal(isIn('x', literal('a'), unknown), 'undecided')
  t.equal(isIn('x', literal('b'), unknown), 'holds')
  t.equal(isIn('absent', literal('b')), 'undecided')
  t.equal(isIn('x', literal('a,b')), 'fails')
  t.equal(isIn('x'), 'undecided')
})

test('every operator but IN takes exactly one operand', async (t) => {
  for (const operator of ['EQ', 'GE', 'GT', 'LE', 'LT']) {
    t.equal(verdictOf(where('x', operator, '5', '5'), [{ x: 5 }]), 'undecided', operator)
    t.equal(verdictOf(where('x', operator), [{ x: 5 }]), 'undecided', operator)
  }
})

function verdictOfOperand(type: string, value: string | null): Verdict {
  return verdictOf({ variableName: 'x', operator: 'EQ', operands: [{ type, value }] }, [
    { x: 'one', same: 'one', other: 'two', list: ['one'] },
  ])
}

test('SCALAR, USER, TEAM and QUEUE operands are literals, VARIABLE names another attribute', async (t) => {
  for (const type of ['SCALAR', 'USER', 'TEAM', 'QUEUE']) {
    t.equal(verdictOfOperand(type, 'one'), 'holds', type)
    t.equal(verdictOfOperand(type, 'same'), 'fails', type)
    t.equal(verdictOfOperand(type, null), 'undecided', type)
  }
  t.equal(verdictOfOperand('VARIABLE', 'same'), 'holds')
  t.equal(verdictOfOperand('VARIABLE', 'other'), 'fails')
  t.equal(verdictOfOperand('VARIABLE', 'x'), 'holds')
  for (const value of ['absent', 'list', 'constructor', '', null]) {
    t.equal(verdictOfOperand('VARIABLE', value), 'undecided', `VARIABLE ${value}`)
  }
  for (const type of ['MYSTERY', 'scalar', '', 'constructor']) {
    t.equal(verdictOfOperand(type, 'one'), 'undecided', type)
  }
})

test('the first scope that has a name gives its value, usable or not', async (t) => {
  const condition = where('x', 'EQ', 'a')
  t.equal(verdictOf(condition, [{}, { x: 'a' }, { x: 'b' }]), 'holds')
  t.equal(verdictOf(condition, [{ x: 'b' }, { x: 'a' }]), 'fails')
  t.equal(verdictOf(condition, [{ x: ['b'] }, { x: 'a' }]), 'undecided')
  t.equal(verdictOf(condition, [{ y: 'a' }, { x: 'a' }]), 'holds')
  t.equal(verdictOf(condition, []), 'undecided')
})

test('names that every object inherits are no attributes until they are given', async (t) => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'length']
  for (const name of names) {
    const condition = where(name, 'EQ', 'a')
    t.equal(verdictOf(condition, [{}]), 'undecided', name)
    t.same(missingOf(condition, [{}]), [name])
    // As it comes out of JSON.parse: an attribute like any other.
    t.equal(verdictOf(condition, [JSON.parse(`{"${name}":"a"}`)]), 'holds', name)
    t.equal(verdictOf(condition, [JSON.parse(`{"${name}":"b"}`)]), 'fails', name)
  }
  const inherited = Object.create({ x: 'a' }) as Record<string, unknown>
  t.equal(verdictOf(where('x', 'EQ', 'a'), [inherited]), 'undecided')
  // A value for __proto__ lends the scope no other names.
  t.equal(verdictOf(where('x', 'EQ', 'a'), [JSON.parse('{"__proto__":{"x":"a"}}')]), 'undecided')
})

test('a shape that is not understood is undecided', async (t) => {
  const shapes: readonly Condition[] = [
    {},
    { terms: [] },
    { conjunction: 'AND' },
    { conjunction: 'OR', terms: [] },
    { variableName: 'yes' },
    { operator: 'EQ' },
    { variableName: 'yes', operator: 'EQ' },
    { variableName: 'yes', operator: 'EQ', operands: [] },
    { operands: [{ type: 'SCALAR', value: 'y' }] },
    { operator: 'EQ', operands: [{ type: 'SCALAR', value: 'y' }] },
    { variableName: '', operator: 'EQ', operands: [{ type: 'SCALAR', value: '' }] },
    { terms: [TERMS.holds, TERMS.holds] },
    joined('XOR', TERMS.holds, TERMS.holds),
    joined('and', TERMS.holds, TERMS.holds),
    joined('NOT', TERMS.fails),
    joined('', TERMS.holds),
    { ...TERMS.holds, conjunction: 'AND', terms: [TERMS.holds] },
    { variableName: 'yes', conjunction: 'OR', terms: [TERMS.holds] },
  ]
  for (const shape of shapes) t.equal(verdictOf(shape), 'undecided', JSON.stringify(shape))
})

test('a single term needs no conjunction, a comparison is none the worse for one', async (t) => {
  for (const verdict of VERDICTS) {
    t.equal(verdictOf({ terms: [TERMS[verdict]] }), verdict)
    t.equal(verdictOf({ ...TERMS[verdict], terms: [] }), verdict)
    t.equal(verdictOf({ ...TERMS[verdict], conjunction: 'AND' }), verdict)
  }
})

test('nesting is followed for 32 levels and undecided beyond', async (t) => {
  const nested = (levels: number, core: Condition): Condition => {
    let condition = core
    for (let level = 0; level < levels; level++) {
      condition = joined(level % 2 === 0 ? 'AND' : 'OR', condition)
    }
    return condition
  }
  t.equal(verdictOf(nested(32, TERMS.holds)), 'holds')
  t.equal(verdictOf(nested(32, TERMS.fails)), 'fails')
  t.equal(verdictOf(nested(33, TERMS.holds)), 'undecided')
  t.equal(verdictOf(nested(33, TERMS.fails)), 'undecided')
  t.equal(verdictOf(nested(100_000, TERMS.holds)), 'undecided')
  t.equal(verdictOf(joined('OR', nested(40, TERMS.fails), TERMS.holds)), 'holds')
})

function withVariable(operator: string, variableName: string, other: string): Condition {
  return { variableName, operator, operands: [variable(other)] }
}

test('missing names are those whose values could change the answer', async (t) => {
  const a = where('a', 'EQ', '1')
  const b = where('b', 'EQ', '1')
  const cases: readonly (readonly [Condition, readonly string[], string])[] = [
    [a, ['a'], 'a comparison'],
    [joined('AND', a, b), ['a', 'b'], 'both of two'],
    [joined('AND', a, TERMS.holds), ['a'], 'beside what holds'],
    [joined('AND', a, TERMS.fails), [], 'beside what fails in an AND'],
    [joined('OR', a, TERMS.holds), [], 'beside what holds in an OR'],
    [joined('OR', a, TERMS.fails), ['a'], 'beside what fails in an OR'],
    [joined('AND', joined('OR', a, TERMS.holds), b), ['b'], 'not in a part that is decided'],
    [joined('OR', joined('AND', a, b), joined('AND', b, TERMS.fails)), ['a', 'b'], 'nested'],
    [withVariable('EQ', 'a', 'b'), ['a', 'b'], 'both sides'],
    [withVariable('EQ', 'yes', 'b'), ['b'], 'the right side'],
    [withVariable('IN', 'a', 'yes'), ['a'], 'the left side'],
    [withVariable('GE', 'a', 'b'), ['a', 'b'], 'both sides of an order'],
    [withVariable('GE', 'yes', 'b'), ['b'], 'text has no order: both would be needed'],
    [where('a', 'GE', '5'), ['a'], 'a number could be greater'],
    [where('a', 'GE', 'x'), [], 'nothing has an order with text'],
    [where('a', 'NE', '1'), [], 'an operator that is not understood'],
    [where('a', 'EQ', '1', '2'), [], 'too many operands'],
    [where('a', 'EQ'), [], 'no operand'],
    [{ ...a, operands: [{ type: 'MYSTERY', value: '1' }] }, [], 'an operand not understood'],
    [{ ...a, operands: [{ type: 'VARIABLE', value: null }] }, [], 'a variable without a name'],
    [{ ...a, conjunction: 'AND', terms: [b] }, [], 'a shape not understood'],
    [joined('XOR', a, b), [], 'a conjunction not understood'],
    [TERMS.holds, [], 'what holds'],
    [TERMS.fails, [], 'what fails'],
  ]
  for (const [condition, expected, what] of cases) t.same(missingOf(condition), expected, what)
  t.same(missingOf(a, [{ a: null }]), ['a'], 'null is no value')
})

test('what is given but cannot be compared is told apart from what is missing', async (t) => {
  const inQueues = { ...where('queues', 'IN', 'q1') }
  const cases: readonly (readonly [Condition, AttributeScopes, string[], string[]])[] = [
    [inQueues, [{ queues: ['q1'] }], [], ['queues']],
    [inQueues, [{ queues: { id: 'q1' } }], [], ['queues']],
    [inQueues, [{ queues: 2 ** 60 }], [], ['queues']],
    [inQueues, [{}, { queues: ['q1'] }, { queues: 'q1' }], [], ['queues']],
    [inQueues, [{ queues: null }], ['queues'], []],
    [where('level', 'GE', '5'), [{ level: 'high' }], [], ['level']],
    [where('level', 'GE', 'x'), [{ level: 'high' }], [], []],
    [withVariable('EQ', 'a', 'b'), [{ b: [1] }], ['a'], ['b']],
    [withVariable('LE', 'a', 'b'), [{ a: 1, b: true }], [], ['b']],
    [joined('OR', inQueues, TERMS.holds), [{ queues: [], yes: 'y' }], [], []],
    [joined('AND', inQueues, where('b', 'EQ', '1')), [{ queues: [] }], ['b'], ['queues']],
  ]
  for (const [condition, scopes, missing, unusable] of cases) {
    const what = JSON.stringify([condition, scopes])
    t.same(wantingOf(condition, scopes), { missing, unusable }, what)
  }
})

test('null hides no value of a later scope', async (t) => {
  const queue = where('queue', 'EQ', 'q1')
  t.equal(verdictOf(queue, [{ queue: null }, {}, { queue: 'q1' }]), 'holds')
  t.equal(verdictOf(queue, [{ queue: null }, { queue: 'q2' }, { queue: 'q1' }]), 'fails')
  t.equal(verdictOf(queue, [{ queue: [] }, { queue: 'q1' }]), 'undecided', 'a list does')
})

const TRUTHS: Readonly<Record<Verdict, number>> = { holds: 1, undecided: 0.5, fails: 0 }

test('generated conditions mean what a naive reading of the design says', async (t) => {
  const seen: Record<Verdict, number> = { holds: 0, undecided: 0, fails: 0 }
  const property = fc.property(arbitraryCondition, arbitraryScopes, (condition, scopes) => {
    const verdict = verdictOf(condition, scopes)
    seen[verdict] += 1
    assert.equal(TRUTHS[verdict], naiveTruth(condition, scopes))
  })
  fc.assert(property, { numRuns: 20_000 })
  for (const verdict of VERDICTS) t.ok(seen[verdict] > 200, `${seen[verdict]} ${verdict}`)
})

test('names are missing only while undecided, and no other name changes the answer', async (t) => {
  let undecided = 0
  const property = fc.property(
    arbitraryCondition,
    arbitraryScopes,
    arbitraryScopes,
    (condition, scopes, more) => {
      const { missing: absent, unusable } = wantingOf(condition, scopes)
      const missing = new Set(absent)
      const verdict = verdictOf(condition, scopes)
      const values = scopes.flatMap((scope) => Object.entries(scope))
      const given = new Set(
        values.filter(([, one]) => one !== null && one !== undefined).map(([name]) => name),
      )
      if (verdict !== 'undecided') assert.deepEqual([...absent, ...unusable], [])
      else undecided += 1
      assert.ok(
        absent.every((name) => !given.has(name)) && unusable.every((name) => given.has(name)),
      )
      // Values for every absent name that was not called missing: the answer stays.
      const others = more.map((scope) =>
        Object.fromEntries(
          Object.entries(scope).filter(([name]) => !missing.has(name) && !given.has(name)),
        ),
      )
      assert.equal(verdictOf(condition, [...scopes, ...others]), verdict)
    },
  )
  fc.assert(property, { numRuns: 20_000 })
  t.ok(undecided > 2_000, `${undecided} undecided`)
})
