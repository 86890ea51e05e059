import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { differences, merged } from '../../src/domain/json-difference.ts'
import { isObject } from '../../src/domain/json-shape.ts'
import type { JsonObject } from '../../src/domain/json-shape.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd')
const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.constantFrom('', 'x', 'y'))

const { object } = fc.letrec<{ object: JsonObject; value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(name, tie('value'), { maxKeys: 4 }) as fc.Arbitrary<JsonObject>,
}))

/** Paths of everything that is no object, with its value. */
function leaves(value: JsonObject, path = ''): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>()
  for (const [key, item] of Object.entries(value)) {
    const inner = isObject(item)
      ? leaves(item, `${path}/${key}`)
      : [[`${path}/${key}`, item] as const]
    for (const [place, leaf] of inner) found.set(place, leaf)
  }
  return found
}

test('what was laid over differs in nothing, and a second time changes nothing', async () => {
  fc.assert(
    fc.property(object, object, (held, wanted) => {
      const result = merged(held, wanted)
      assert.deepEqual(differences(wanted, result), [])
      assert.deepEqual(merged(result, wanted), result)
    }),
  )
})

test('what is not named stays as it is', async () => {
  fc.assert(
    fc.property(object, object, (held, wanted) => {
      const result = leaves(merged(held, wanted))
      const touched = new Set(Object.keys(wanted))
      for (const [path, value] of leaves(held)) {
        const [, top = ''] = path.split('/')
        if (!touched.has(top)) assert.deepEqual(result.get(path), value)
      }
    }),
  )
})

test('without a difference all that is wanted is there', async () => {
  fc.assert(
    fc.property(object, object, (held, wanted) => {
      fc.pre(differences(wanted, held).length === 0)
      const found = leaves(held)
      for (const [path, value] of leaves(wanted)) {
        if (Array.isArray(value) || value === '' || value === false) continue
        assert.deepEqual(found.get(path), value)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('differences tell the path, what was and what is to be', async (t) => {
  const wanted = {
    acwSettings: { timeoutMs: 1_000, wrapupPrompt: 'OPTIONAL' },
    routingRules: [{ operator: 'ANY' }],
    description: '',
    autoAnswerOnly: false,
    queueFlow: { id: 'f' },
  }
  const held = {
    acwSettings: { timeoutMs: 5_000, wrapupPrompt: 'OPTIONAL' },
    routingRules: [{ operator: 'ANY' }, { operator: 'ANY' }],
    queueFlow: { id: 'f', name: 'Flow' },
  }
  t.same(differences(wanted, held), [
    { field: 'acwSettings/timeoutMs', before: 5_000, after: 1_000 },
    { field: 'routingRules', before: held.routingRules, after: wanted.routingRules },
  ])
  t.same(differences({ description: 'x' }, {}), [
    { field: 'description', before: null, after: 'x' },
  ])
})

test('items of a list are compared by what is named of them', async (t) => {
  const held = { rules: [{ operator: 'ANY', id: 1 }] }
  t.same(differences({ rules: [{ operator: 'ANY' }] }, held), [])
  t.equal(differences({ rules: [{ operator: 'ALL' }] }, held).length, 1)
})

test('a reference is replaced whole, and null takes a field away', async (t) => {
  const held = { flow: { id: 'f1', name: 'Old', selfUri: '/f1' }, prompt: { id: 'p1' }, rest: 1 }
  t.same(merged(held, { flow: { id: 'f2' }, prompt: null }), { flow: { id: 'f2' }, rest: 1 })
  t.same(differences({ flow: { id: 'f1' } }, held), [])
  t.same(differences({ prompt: null }, held), [
    { field: 'prompt', before: { id: 'p1' }, after: null },
  ])
  t.same(differences({ other: null }, held), [])
})

test('things that have ids are equal in any order', async (t) => {
  const held = { groups: [{ id: 'a', name: 'A' }, { id: 'b' }] }
  t.same(differences({ groups: [{ id: 'b' }, { id: 'a' }] }, held), [])
  t.equal(differences({ groups: [{ id: 'b' }, { id: 'c' }] }, held).length, 1)
  t.equal(differences({ groups: [{ id: 'a' }, { id: 'a' }] }, held).length, 1)
})
