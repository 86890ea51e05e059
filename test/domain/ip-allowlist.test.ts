import * as fc from 'fast-check'
import { test } from 'tap'
import { sameAllowlistContent, validateAllowlist } from '../../src/domain/ip-allowlist.ts'
import type { AllowlistEntry, RequestedEntry } from '../../src/domain/ip-allowlist.ts'
import { requireValid, validationOf } from '../../src/domain/validation.ts'
import { naiveNetwork, naiveOverlaps } from './support/naive-network.ts'

function entry(ipAddress: string, direction = 'INBOUND', scope = 'GLOBAL'): RequestedEntry {
  return { ipAddress, direction, scope }
}

function check(...entries: readonly RequestedEntry[]) {
  return validateAllowlist({ name: 'Office', entries })
}

/** `field: message` of each fault. */
function faultsOf(...entries: readonly RequestedEntry[]): readonly string[] {
  return check(...entries).faults.map(({ field, message }) => `${field}: ${message}`)
}

test('what is in order comes back in its normal form', async (t) => {
  const validation = check(entry('8.8.8.0/24'), entry('9.9.9.9/32', 'OUTBOUND', 'RESOURCE'))
  t.same(validation.warnings, [])
  t.same(requireValid(validation), {
    name: 'Office',
    description: '',
    entries: [
      { ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' },
      { ipAddress: '9.9.9.9/32', direction: 'OUTBOUND', scope: 'RESOURCE' },
    ],
  })
})

test('every fault is told at once, at its entry', async (t) => {
  const validation = validateAllowlist({
    name: ' Office',
    description: 'x'.repeat(1_001),
    entries: [
      entry('8.8.8.0/24'),
      entry('8.8.8.9/24', 'OUTBOUND'),
      entry('8.8.300.0/24', 'inbound', 'LOCAL'),
      { ipAddress: '::ffff:9.9.9.9' },
      entry('8.8.8.128/25'),
      entry('0.0.0.0/0', 'OUTBOUND', 'RESOURCE'),
    ],
  })
  t.same(validation.faults, [
    { field: 'name', message: 'must not begin or end with a space', suggestion: 'Office' },
    { field: 'description', message: 'must have at most 1000 characters' },
    {
      field: 'entries/1/ipAddress',
      message: 'has host bits set: the network of this prefix is 8.8.8.0/24',
      suggestion: '8.8.8.0/24',
    },
    { field: 'entries/2/ipAddress', message: 'octet 3 is above 255' },
    {
      field: 'entries/2/direction',
      message: 'must be INBOUND or OUTBOUND',
      suggestion: 'INBOUND',
    },
    { field: 'entries/2/scope', message: 'must be GLOBAL or RESOURCE' },
    {
      field: 'entries/3/ipAddress',
      message: 'is an IPv4-mapped IPv6 address: write the IPv4 network itself',
      suggestion: '9.9.9.9/32',
    },
    { field: 'entries/3/direction', message: 'must be INBOUND or OUTBOUND' },
    { field: 'entries/3/scope', message: 'must be GLOBAL or RESOURCE' },
    { field: 'entries/1/ipAddress', message: 'is the same network as entries/0' },
    { field: 'entries/4/ipAddress', message: 'is contained in entries/0 (8.8.8.0/24)' },
    {
      field: 'entries/5/ipAddress',
      message: 'allows every address: that needs "allowEverything": true',
    },
  ])
  t.throws(() => requireValid(validation), {
    code: 'invalid',
    field: 'name',
    message: 'name: must not begin or end with a space, and 11 more',
    faults: validation.faults,
  })
})

test('the same network is a fault whatever its direction or scope, containment is not', async (t) => {
  t.same(faultsOf(entry('8.8.8.0/24'), entry('8.8.8.0/24', 'OUTBOUND', 'RESOURCE')), [
    'entries/1/ipAddress: is the same network as entries/0',
  ])
  t.same(faultsOf(entry('8.8.8.0/24'), entry('8.8.8.0/25', 'OUTBOUND')), [])
  t.same(faultsOf(entry('8.8.8.0/24'), entry('8.8.8.0/25', 'INBOUND', 'RESOURCE')), [])
})

test('the inner of two networks is at fault, wherever it stands, with the nearest around it', async (t) => {
  t.same(faultsOf(entry('8.8.8.0/26'), entry('8.0.0.0/8'), entry('8.8.0.0/16')), [
    'entries/0/ipAddress: is contained in entries/2 (8.8.0.0/16)',
    'entries/2/ipAddress: is contained in entries/1 (8.0.0.0/8)',
  ])
})

test('there are 1 to 100 entries', async (t) => {
  const many = Array.from({ length: 100 }, (_, index) => entry(`8.8.${index}.0/24`))
  t.same(faultsOf(...many), [])
  t.same(faultsOf(), ['entries: must have 1 to 100 entries, not 0'])
  t.same(faultsOf(...many, entry('8.8.8.0/24')), [
    'entries: must have 1 to 100 entries, not 101; those after 100 were not looked at',
  ])
})

test('every address is allowed only by name', async (t) => {
  const entries = [entry('0.0.0.0/0')]
  t.match(faultsOf(...entries), [/allowEverything/])
  const { faults, warnings } = validateAllowlist({ name: 'All', entries, allowEverything: true })
  t.same([faults, warnings], [[], []])
})

test('private and reserved ranges are warnings', async (t) => {
  const { faults, warnings } = check(entry('10.0.0.0/8'), entry('192.0.0.0/8'))
  t.same(faults, [])
  t.same(warnings, [
    { field: 'entries/0/ipAddress', message: 'lies in 10.0.0.0/8, Private-Use' },
    { field: 'entries/1/ipAddress', message: 'reaches into 192.0.0.0/29, DS-Lite' },
  ])
})

/** Messages of a list's faults that is in order but for its name. */
function messages(name: string): readonly string[] {
  const { faults } = validateAllowlist({ name, entries: [entry('8.8.8.0/24')] })
  return faults.map(({ message }) => message)
}

test('a name is there, short and printable', async (t) => {
  t.same(messages(''), ['must not be empty'])
  t.same(messages('x'.repeat(101)), ['must have at most 100 characters'])
  t.same(messages('a\nb'), ['must not contain control characters'])
  t.same(messages('Büro 1'), [])
})

test('faultless lists are exactly those in which no two entries meet', async () => {
  const arbitrary = fc
    .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 28, max: 32 }), fc.boolean())
    .map(([last, prefix, inbound]) =>
      entry(naiveNetwork(`8.8.8.${last}/${prefix}`), inbound ? 'INBOUND' : 'OUTBOUND'),
    )
  fc.assert(
    fc.property(fc.array(arbitrary, { minLength: 1, maxLength: 5 }), (entries) => {
      const meet = entries.some((one, index) =>
        entries
          .slice(index + 1)
          .some((other) =>
            one.direction === other.direction
              ? naiveOverlaps(one.ipAddress, other.ipAddress)
              : one.ipAddress === other.ipAddress,
          ),
      )
      return check(...entries).faults.length > 0 === meet
    }),
    { numRuns: 1_000 },
  )
})

function same(
  left: readonly AllowlistEntry[],
  right: readonly AllowlistEntry[],
  description = '',
): boolean {
  return sameAllowlistContent({ description: '', entries: left }, { description, entries: right })
}

test('content is the same whatever the order of entries', async (t) => {
  const one: AllowlistEntry = { ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }
  const two: AllowlistEntry = { ...one, ipAddress: '9.9.9.0/24' }
  t.ok(same([one, two], [two, one]))
  t.notOk(same([one, two], [one]))
  t.notOk(same([one], [{ ...one, direction: 'OUTBOUND' }]))
  t.notOk(same([one], [{ ...one, scope: 'RESOURCE' }]))
  t.notOk(same([one], [one], 'other'))
})

test('of a hundred bad entries every fault is told, and they are counted', async (t) => {
  const bad = { ipAddress: '300.300.300.300/99', direction: 'x', scope: 'y' }
  const entries = Array.from({ length: 100 }, () => bad)
  const validation = validateAllowlist({ name: 'Bad', entries })
  const { faults } = validation
  const [, index] = /^entries\/(\d+)/.exec(faults.at(-1)?.field ?? '') ?? []
  t.equal(index, '99')
  t.ok(faults.length >= 300)
  const more = new RegExp(`, and ${faults.length - 1} more$`)
  t.throws(() => requireValid(validation), { code: 'invalid', message: more })
})

test('what is too much to be told is counted all the same', async (t) => {
  const faults = Array.from({ length: 2_000 }, () => ({ field: 'entries', message: 'is bad' }))
  const validation = validationOf({ faults, warnings: [] }, undefined)
  t.equal(validation.faults.length, 1_500)
  t.throws(() => requireValid(validation), { message: 'entries: is bad, and 1999 more' })
})
