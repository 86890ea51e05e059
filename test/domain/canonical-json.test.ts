import { assert, jsonValue, property } from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { test } from 'tap'
import type { Json } from '../../src/domain/audit.ts'
import { canonicalJson } from '../../src/domain/canonical-json.ts'

test('the example of RFC 8785 comes out as printed there', (t) => {
  const value: Json = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
    literals: [null, true, false],
  }
  t.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
  t.end()
})

test('members stand in the order of their UTF-16 code units, as in RFC 8785', (t) => {
  const value: Json = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  }
  const order = ['Carriage Return', 'One', 'Control', 'Latin', 'Euro', 'Emoji', 'Hebrew']
  const text = canonicalJson(value)
  const places = order.map((name) => text.indexOf(`"${name}`))
  t.notOk(places.includes(-1))
  t.same(
    places,
    places.toSorted((a, b) => a - b),
  )
  t.end()
})

test('numbers are written as in appendix B of RFC 8785', (t) => {
  const samples: [bits: bigint, text: string][] = [
    [0x0000000000000000n, '0'],
    [0x8000000000000000n, '0'],
    [0x0000000000000001n, '5e-324'],
    [0x7fefffffffffffffn, '1.7976931348623157e+308'],
    [0x4340000000000000n, '9007199254740992'],
    [0x4430000000000000n, '295147905179352830000'],
    [0x44b52d02c7e14af5n, '9.999999999999997e+22'],
    [0x44b52d02c7e14af6n, '1e+23'],
    [0x444b1ae4d6e2ef50n, '1e+21'],
    [0x3eb0c6f7a0b5ed8dn, '0.000001'],
    [0x41b3de4355555557n, '333333333.33333343'],
  ]
  for (const [bits, text] of samples) {
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, bits)
    t.equal(canonicalJson(view.getFloat64(0)), text)
  }
  t.end()
})

test('what has no JSON text is refused', (t) => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\uDEAD', { '\uD800': 1 }]) {
    t.throws(() => canonicalJson(value), TypeError)
  }
  t.end()
})

test('the text means the same value, in whatever order its members came', (t) => {
  const values = jsonValue({ stringUnit: 'grapheme-composite' }) as Arbitrary<Json>
  assert(
    property(values, (value) => {
      const text = canonicalJson(value)
      t.same(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      t.equal(canonicalJson(reversed(value)), text)
    }),
  )
  t.end()
})

function reversed(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return (value as readonly Json[]).map(reversed)
  const members = Object.entries(value).toReversed()
  return Object.fromEntries(members.map(([name, each]) => [name, reversed(each)]))
}
