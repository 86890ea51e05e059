import { test } from 'tap'
import {
  failureOf,
  openArchitectureUnderTest,
  SETTINGS,
  signal,
} from './architecture-under-test.ts'

const WRITING = { match: { method: 'PATCH', path: SETTINGS } } as const
const PATCH = `PATCH ${SETTINGS}`
const OURS = '203.0.113.0/24'
const NEW = [OURS, '8.8.8.0/24']

test('the list is replaced as a whole and read back', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.world.ipAddressAllowlist = ['203.0.113.7']
  t.same(await architecture.readOrganizationAllowlist(signal), ['203.0.113.7'])
  const expected = ['203.0.113.7/32']
  const replaced = await architecture.replaceOrganizationAllowlist(
    { expected, networks: NEW },
    signal,
  )
  t.match(replaced, { before: ['203.0.113.7'], after: NEW, visible: true, attempts: 1 })
  t.ok(replaced.latencyMs > 0)
  t.same(simulator.world.ipAddressAllowlist, NEW)
  const again = await architecture.replaceOrganizationAllowlist(
    { expected: [], networks: NEW.toReversed() },
    signal,
  )
  t.match(again, { attempts: 0, visible: true })
  t.equal(simulator.requests.of(PATCH), 1)
})

test('a list that somebody changed since it was looked at is left alone', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.world.ipAddressAllowlist = [OURS]
  const work = architecture.replaceOrganizationAllowlist({ expected: [], networks: NEW }, signal)
  t.match(await failureOf(work), { code: 'conflict', message: /somebody changed it/ })
  t.equal(simulator.requests.of(PATCH), 0)
})

test('an answer that was lost is looked for before the list is sent again', async (t) => {
  for (const [fault, attempts] of [
    [{ kind: 'lost-answer' }, 1],
    [{ kind: 'malformed-body' }, 1],
    [{ kind: 'reset' }, 2],
    [{ kind: 'status', status: 500 }, 2],
    [{ kind: 'status', status: 503 }, 2],
    [{ kind: 'status', status: 429, retryAfterSeconds: 1 }, 2],
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add({ ...WRITING, ...fault, times: 1 })
    const replaced = await architecture.replaceOrganizationAllowlist(
      { expected: [], networks: NEW },
      signal,
    )
    t.match(replaced, { visible: true, attempts }, JSON.stringify(fault))
    t.equal(simulator.requests.of(PATCH), attempts)
  }
})

test('the list is not sent a fourth time', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...WRITING, kind: 'reset' })
  const work = architecture.replaceOrganizationAllowlist({ expected: [], networks: NEW }, signal)
  t.match(await failureOf(work), { code: 'upstream-busy' })
  t.equal(simulator.requests.of(PATCH), 3)
})

test('a list that does not show in time is said not to', async (t) => {
  await using context = await openArchitectureUnderTest({ consistencyDelayMs: 1, now: () => 0 })
  const { architecture, simulator } = context
  const replaced = await architecture.replaceOrganizationAllowlist(
    { expected: [], networks: NEW },
    signal,
  )
  t.match(replaced, { before: [], after: [], visible: false, attempts: 1 })
  t.same(context.waited(1_000, 2_000, 4_000), [1_000, 2_000, 4_000])
  t.equal(simulator.requests.of(`GET ${SETTINGS}`), 5)
})

test('a third list, after the write, is somebody else’s', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const { world } = simulator
  const fault = simulator.faults.add({
    match: { method: 'GET', path: SETTINGS },
    kind: 'status',
    status: 429,
    retryAfterSeconds: 1,
    after: 1,
    times: 1,
  })
  const work = failureOf(
    architecture.replaceOrganizationAllowlist({ expected: [], networks: NEW }, signal),
  )
  while (fault.applied === 0) await new Promise((resolve) => setImmediate(resolve))
  world.ipAddressAllowlist = [OURS]
  t.match(await work, { code: 'conflict', message: /neither the old nor the new one/ })
  t.equal(simulator.requests.of(PATCH), 1)
})

test('a list without the address that the platform sees is refused by name', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture } = context
  const networks = ['8.8.8.0/24']
  const work = architecture.replaceOrganizationAllowlist({ expected: [], networks }, signal)
  const failure = await failureOf(work)
  t.match(failure, { code: 'conflict', upstream: { code: 'invalid.issuing.ip.address' } })
  t.match(failure.message, /would shut out .* 203\.0\.113\.10/)
})

test('the right that is missing is named', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ match: { path: SETTINGS }, kind: 'status', status: 403 })
  const failure = await failureOf(architecture.readOrganizationAllowlist(signal))
  t.match(failure.message, 'permission directory:organization:admin')
})
