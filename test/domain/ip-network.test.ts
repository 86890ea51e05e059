import { isIPv4, isIPv6 } from 'node:net'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  contains,
  formatNetwork,
  overlaps,
  parseHostAddress,
  parseNetwork,
  sameNetwork,
} from '../../src/domain/ip-network.ts'
import type { Network } from '../../src/domain/ip-network.ts'
import { reservedRangeOf } from '../../src/domain/reserved-networks.ts'
import { naiveContains, naiveNetwork, naiveOverlaps } from './support/naive-network.ts'

const address = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 255 })))
const withPrefix = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([octets, prefix]) => `${octets.join('.')}/${prefix}`)
/** Two networks that are often related: the second shares the first bits of the first. */
const pair = fc
  .tuple(withPrefix, withPrefix, fc.integer({ min: 0, max: 32 }), fc.boolean())
  .map(([one, other, prefix, related]) => {
    const second = related ? naiveNetwork(`${one.split('/')[0]}/${prefix}`) : naiveNetwork(other)
    return [naiveNetwork(one), second] as const
  })

function networkIn(text: string): Network {
  const { network, faults } = parseNetwork(text)
  if (network === undefined || faults.length > 0) throw new Error(`${text} is no network`)
  return network
}

/** Messages of a text's faults, and what is suggested. */
function told(text: string): readonly (string | undefined)[] {
  return parseNetwork(text).faults.flatMap(({ message, suggestion }) =>
    suggestion === undefined ? [message] : [message, suggestion],
  )
}

test('every address with a prefix is the network that bits say it is, or is corrected to it', async () => {
  fc.assert(
    fc.property(withPrefix, (text) => {
      const { network, faults } = parseNetwork(text)
      const expected = naiveNetwork(text)
      if (network === undefined || formatNetwork(network) !== expected) return false
      if (expected === text) return faults.length === 0
      return faults.length === 1 && faults[0]?.suggestion === expected
    }),
    { numRuns: 2_000 },
  )
})

test('containment, overlap and equality are those of the sets of addresses', async () => {
  fc.assert(
    fc.property(pair, ([one, other]) => {
      const [left, right] = [networkIn(one), networkIn(other)]
      return (
        contains(left, right) === naiveContains(one, other) &&
        contains(right, left) === naiveContains(other, one) &&
        overlaps(left, right) === naiveOverlaps(one, other) &&
        sameNetwork(left, right) === (one === other)
      )
    }),
    { numRuns: 5_000 },
  )
})

test('a text is a host address exactly when Node takes it for one', async () => {
  const nearly = fc.stringMatching(/^[0-9.]{1,4}[0-9.:a-f/ ]{0,12}$/)
  const candidate = fc.oneof(
    address.map((octets) => octets.join('.')),
    nearly,
  )
  fc.assert(
    fc.property(candidate, (text) => (parseHostAddress(text) !== undefined) === isIPv4(text)),
    { numRuns: 3_000 },
  )
})

test('a text with colons is told to be IPv6 exactly when Node takes it for one', async () => {
  const group = fc.stringMatching(/^[0-9a-f]{0,5}$/)
  const dotted = fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3}){2,4}$/)
  const built = fc
    .tuple(fc.array(group, { minLength: 2, maxLength: 9 }), fc.option(dotted))
    .map(([groups, tail]) => [...groups, ...(tail === null ? [] : [tail])].join(':'))
  const text = fc.oneof(fc.ipV6(), built).filter((candidate) => candidate.includes(':'))
  fc.assert(
    fc.property(text, (candidate) => {
      const [message = ''] = told(candidate)
      return message.includes('IPv6') === isIPv6(candidate)
    }),
    { numRuns: 5_000 },
  )
})

test('nothing but a network in its normal form is without fault', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9./: ]{0,20}$/)), (text) => {
      const { network, faults } = parseNetwork(text)
      return (
        (faults.length === 0 && network !== undefined && formatNetwork(network) === text) ||
        faults.length > 0
      )
    }),
  )
})

test('each fault says what is wrong and what was probably meant', async (t) => {
  const cases: readonly (readonly [string, ...(string | RegExp)[]])[] = [
    ['203.0.113.7/24', /host bits set/, '203.0.113.0/24'],
    ['203.0.113.0', 'has no prefix', '203.0.113.0/32'],
    ['203.0.113.0/', 'has no number after "/"', '203.0.113.0/32'],
    ['203.0.113.9/255.255.255.0', 'has a netmask in place of a prefix', '203.0.113.0/24'],
    ['203.0.113.0/255.0.255.0', 'has a netmask in place of a prefix'],
    ['203.0.113.0/0.0.0.0', 'has a netmask in place of a prefix', '0.0.0.0/0'],
    ['203.0.113.0/33', 'has a prefix above 32'],
    ['203.0.113.0/08', 'has a prefix with leading zeros', '203.0.0.0/8'],
    ['203.0.113.0/-1', 'has a prefix that is not a decimal number'],
    ['203.0.113.0/24/24', 'has more than one "/"'],
    ['203.0.113/24', 'is not four octets with dots between'],
    ['203.0.113.0.0/24', 'is not four octets with dots between'],
    ['203.0..0/24', 'octet 3 is missing'],
    ['203.0.0x71.0/24', 'octet 3 is not a decimal number'],
    ['203.0.0113.0/24', 'octet 3 has leading zeros, which some take for octal'],
    ['203.0.113.256/33', 'octet 4 is above 255', 'has a prefix above 32'],
    ['300.0.400.0/24', 'octet 1 is above 255', 'octet 3 is above 255'],
    [' 203.0.113.0/24', 'has spaces around it', '203.0.113.0/24'],
    ['::ffff:203.0.113.7', /IPv4-mapped IPv6/, '203.0.113.7/32'],
    ['::ffff:cb00:7100/120', /IPv4-mapped IPv6/, '203.0.113.0/24'],
    ['0:0:0:0:0:FFFF:203.0.113.0/120', /IPv4-mapped IPv6/, '203.0.113.0/24'],
    ['::ffff:0:0/95', /IPv4-mapped IPv6/],
    ['2001:db8::/32', 'is an IPv6 address: only IPv4 networks are taken'],
    ['fe80::1%eth0', /is an IPv6 address/],
    ['::ffff:203.0.113.256', 'is no IPv4 network'],
    ['::1/129', 'is no IPv4 network'],
    ['example.org:80', 'is no IPv4 network'],
    ['', 'must not be empty'],
    ['1'.repeat(100_000), 'is longer (100000 characters) than any IPv4 network'],
  ]
  for (const [text, ...expected] of cases) {
    const name = text.slice(0, 40)
    const found = told(text)
    t.match(found, expected, name)
    t.equal(found.length, expected.length, name)
  }
})

/** Name of the reserved range, whether the network lies in it, whether it is private. */
function reserved(text: string): readonly unknown[] {
  const found = reservedRangeOf(networkIn(text))
  return found ? [found.range.name, found.within, found.range.private] : []
}

test('a reserved range is known by its name, inside and across its border', async (t) => {
  t.same(reserved('10.1.0.0/16'), ['Private-Use', true, true])
  t.same(reserved('172.16.0.0/12'), ['Private-Use', true, true])
  t.same(reserved('172.0.0.0/8'), ['Private-Use', false, true])
  t.same(reserved('100.64.0.0/24'), ['Shared Address Space', true, true])
  t.same(reserved('192.0.0.0/30'), ['DS-Lite', true, false])
  t.same(reserved('192.0.0.128/25'), ['IETF Protocol Assignments', true, false])
  t.same(reserved('203.0.113.0/24'), ['Documentation (TEST-NET-3)', true, false])
  t.same(reserved('255.255.255.255/32'), ['Limited Broadcast', true, false])
  t.same(reserved('250.0.0.0/8'), ['Reserved', true, false])
  for (const text of ['8.8.8.0/24', '172.32.0.0/12', '11.0.0.0/8', '192.167.0.0/16']) {
    t.same(reserved(text), [], text)
  }
})
