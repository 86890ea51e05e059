import { test } from 'tap'
import { validateAllowlist } from '../../src/domain/ip-allowlist.ts'
import {
  compareOrganizationAllowlists,
  guardOrganizationAllowlist,
  sameOrganizationAllowlist,
  validateOrganizationAllowlist,
} from '../../src/domain/organization-allowlist.ts'

const entriesOf = (...texts: readonly string[]) => texts.map((ipAddress) => ({ ipAddress }))

test('the organisation’s own list takes up to 150 public networks, and none at all', async (t) => {
  const many = Array.from({ length: 150 }, (_, index) => `8.8.${index}.0/24`)
  const { value } = validateOrganizationAllowlist({ entries: entriesOf(...many) })
  t.same(value, { networks: many, callerAddress: undefined })
  const { faults } = validateOrganizationAllowlist({ entries: entriesOf(...many, '9.9.9.0/24') })
  t.match(faults, [{ field: 'entries', message: /0 to 150 entries, not 151/ }])
  t.same(validateOrganizationAllowlist({ entries: [] }).faults, [])
})

test('private ranges are faults there, other reserved ones warnings', async (t) => {
  const entries = entriesOf('10.0.0.0/8', '127.0.0.1/32', '203.0.113.0/24', '172.0.0.0/8')
  const { faults, warnings } = validateOrganizationAllowlist({ entries })
  t.same(faults, [
    { field: 'entries/0/ipAddress', message: 'lies in 10.0.0.0/8, Private-Use' },
    { field: 'entries/1/ipAddress', message: 'lies in 127.0.0.0/8, Loopback' },
  ])
  t.same(warnings, [
    { field: 'entries/2/ipAddress', message: 'lies in 203.0.113.0/24, Documentation (TEST-NET-3)' },
    { field: 'entries/3/ipAddress', message: 'reaches into 172.16.0.0/12, Private-Use' },
  ])
})

test('its entries are addresses alone, each once', async (t) => {
  const { faults } = validateOrganizationAllowlist({
    entries: [
      { ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' },
      { ipAddress: '8.8.8.0/24' },
      { ipAddress: '8.8.8.7/32' },
      { ipAddress: '0.0.0.0/0' },
    ],
    callerAddress: '::1',
  })
  t.match(faults, [
    { field: 'entries/0/direction' },
    { field: 'entries/0/scope' },
    { field: 'entries/0/ipAddress', message: 'is contained in entries/3 (0.0.0.0/0)' },
    { field: 'entries/1/ipAddress', message: 'is the same network as entries/0' },
    { field: 'entries/2/ipAddress', message: 'is contained in entries/0 (8.8.8.0/24)' },
    { field: 'entries/3/ipAddress', message: /allowEverything/ },
    { field: 'callerAddress', message: 'is no IPv4 address' },
  ])
})

function guard(current: readonly string[], networks: readonly string[], callerAddress?: string) {
  return () => guardOrganizationAllowlist(current, { networks, callerAddress })
}

test('what belongs to named lists is a fault there, and the other way about', async (t) => {
  const entries = entriesOf('8.8.8.1/24')
  const { faults } = validateOrganizationAllowlist({ entries, name: '', description: 'x' })
  t.match(faults, [{ field: 'name' }, { field: 'description' }, { field: 'entries/0/ipAddress' }])
  const named = validateAllowlist({ name: 'Office', entries: [], callerAddress: '8.8.8.8' })
  t.match(named.faults, [{ field: 'callerAddress' }, { field: 'entries' }])
})

test('the guard takes single addresses as the platform writes them', async (t) => {
  t.doesNotThrow(guard(['8.8.8.0/24'], ['203.0.113.7'], '203.0.113.7'))
  t.throws(guard(['8.8.8.0/24'], ['203.0.113.7'], '203.0.113.8'), { code: 'conflict' })
})

test('the guard refuses what would shut out the caller or let everybody in', async (t) => {
  t.throws(guard(['8.8.8.0/24'], []), { code: 'conflict', field: 'entries' })
  t.throws(guard([], ['8.8.8.0/24'], '8.8.9.0'), {
    code: 'conflict',
    field: 'callerAddress',
    message: /8\.8\.9\.0/,
  })
  for (const allowed of [
    guard([], []),
    guard(['8.8.8.0/24'], ['9.9.9.0/24']),
    guard(['8.8.8.0/24'], ['9.9.9.0/24', '8.8.9.0/24'], '8.8.9.0'),
    guard([], ['0.0.0.0/0'], '8.8.9.0'),
  ]) {
    t.doesNotThrow(allowed)
  }
})

test('lists are compared by their networks, however they are written', async (t) => {
  const difference = compareOrganizationAllowlists(
    ['8.8.8.8', '9.9.9.7/24', 'unreadable'],
    ['9.9.9.0/24', '7.7.7.0/24'],
  )
  t.same(difference, {
    added: ['7.7.7.0/24'],
    removed: ['8.8.8.8/32', 'unreadable'],
    kept: ['9.9.9.0/24'],
  })
  t.ok(sameOrganizationAllowlist(['8.8.8.8', '9.9.9.0/24'], ['9.9.9.0/24', '8.8.8.8/32']))
  t.notOk(sameOrganizationAllowlist(['8.8.8.8'], []))
})
