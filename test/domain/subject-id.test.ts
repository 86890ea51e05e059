import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { hashPacked, hashText, packed, packUuid, unpackUuid } from '../../src/domain/subject-id.ts'

const UUID = '0f4b6a52-9d3e-4c1a-8b7f-00c0ffee0a1b'
const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Any 128 bits written as a UUID: the version and variant that RFC 9562 wants are not asked for. */
const anyUuid = fc
  .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: 32, maxLength: 32 })
  .map((digits) => digits.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'))

/** A UUID with one character put in place of another, or put in, or taken out. */
const nearUuid = fc
  .tuple(
    anyUuid,
    fc.nat(36),
    fc.oneof(
      fc.constantFrom(
        '-',
        'g',
        'G',
        'A',
        'F',
        ' ',
        '/',
        ':',
        '@',
        '`',
        '\u0000',
        '\u00B0',
        '\u0130',
      ),
      // Units whose low byte is that of a hex digit.
      fc.constantFrom('\u0130', '\u0161', '\u0230', '\uFF10', '\uFF41', '\u{10061}', '\uD830'),
      fc.string({ unit: 'binary', maxLength: 2 }),
    ),
    fc.constantFrom(0, 1),
  )
  .map(([uuid, at, put, taken]) => uuid.slice(0, at) + put + uuid.slice(at + taken))

test('every canonical UUID is packed, and comes back as it was', async (t) => {
  const property = fc.property(anyUuid, (uuid) => {
    assert.ok(packUuid(uuid))
    assert.equal(unpackUuid(packed, 0), uuid)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 20_000 }))
  for (const uuid of [UUID, UUID.replaceAll(/[0-9a-f]/g, '0'), UUID.replaceAll(/[0-9a-f]/g, 'f')]) {
    t.ok(packUuid(uuid))
    t.equal(unpackUuid(Int32Array.from([7, ...packed]), 1), uuid)
  }
})

test('nothing but a canonical UUID is packed', async (t) => {
  let refused = 0
  const property = fc.property(nearUuid, (text) => {
    const isPacked = packUuid(text)
    assert.equal(isPacked, CANONICAL.test(text), text)
    if (isPacked) assert.equal(unpackUuid(packed, 0), text)
    else refused += 1
  })
  fc.assert(property, { numRuns: 20_000 })
  t.ok(refused > 10_000, `${refused} refused`)
})

test('near misses of a UUID are not packed', async (t) => {
  const misses = [
    '',
    UUID.toUpperCase(),
    UUID.replace('f', 'F'),
    UUID.replaceAll('-', ''),
    `{${UUID}}`,
    `urn:uuid:${UUID}`,
    ` ${UUID.slice(1)}`,
    `${UUID}\n`,
    UUID.slice(0, -1),
    `${UUID}0`,
    UUID.replace('0f4b6a52-9d3e', '0f4b6a5-29d3e'),
    UUID.replace('-', '\u2010'),
    UUID.replace('-', '0'),
    UUID.replace('0', 'o'),
    UUID.replace('0', '\uFF10'),
    UUID.replace('0', '\u0130'),
    UUID.replace('0', '-'),
    '-'.repeat(36),
    'g'.repeat(36),
    '\u0000'.repeat(36),
  ]
  for (const miss of misses) t.notOk(packUuid(miss), JSON.stringify(miss))
})

test('one character that is no hex digit spoils a UUID, wherever it stands', async (t) => {
  const packedAnyway: string[] = []
  for (let at = 0; at < UUID.length; at++) {
    for (let code = 0; code < 0x180; code++) {
      const text = UUID.slice(0, at) + String.fromCharCode(code) + UUID.slice(at + 1)
      if (packUuid(text) !== CANONICAL.test(text)) packedAnyway.push(JSON.stringify(text))
    }
  }
  t.same(packedAnyway, [])
})

test('hashes are unsigned words, the same for the same id', async (t) => {
  const property = fc.property(anyUuid, fc.string({ unit: 'binary' }), (uuid, text) => {
    packUuid(uuid)
    const hash = hashPacked()
    packUuid(uuid)
    assert.equal(hashPacked(), hash)
    assert.equal(hashText(text), hashText(text))
    for (const word of [hash, hashText(text)]) assert.equal(word, word >>> 0)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
})
