import { test } from 'tap'
import {
  failureOf,
  openArchitectureUnderTest,
  SETTINGS,
  signal,
} from './architecture-under-test.ts'
import type { ArchitectureUnderTest } from './architecture-under-test.ts'
import type { OrganizationReplacementRequest } from '../../src/domain/architecture-platform.ts'

const WRITING = { match: { method: 'PATCH', path: SETTINGS } } as const
const READING = { match: { method: 'GET', path: SETTINGS } } as const
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
  t.equal((await failureOf(work)).undecided, false)
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
  t.match(await failureOf(work), { code: 'upstream-busy', undecided: true })
  t.equal(simulator.requests.of(PATCH), 3)
})

test('a list that does not show in time is said not to', async (t) => {
  await using context = await openArchitectureUnderTest({ consistencyDelayMs: 1, now: () => 0 })
  const { architecture, simulator } = context
  const replaced = await architecture.replaceOrganizationAllowlist(
    { expected: [], networks: NEW },
    signal,
  )
  t.match(replaced, { before: [], after: [], visible: false, overtaken: false, attempts: 1 })
  t.same(context.waited(1_000, 2_000, 4_000), [1_000, 2_000, 4_000])
  t.equal(simulator.requests.of(`GET ${SETTINGS}`), 5)
})

test('a list that was taken and cannot be read back was taken', async (t) => {
  for (const fault of [
    { kind: 'status', status: 503 },
    { kind: 'status', status: 401, code: 'ip.not.authorized' },
    { kind: 'malformed-body' },
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add({ ...READING, ...fault, after: 1 })
    const request = { expected: [], networks: NEW }
    const replaced = await architecture.replaceOrganizationAllowlist(request, signal)
    t.match(replaced, { before: [], after: NEW, visible: false, overtaken: false, attempts: 1 })
    t.same(simulator.world.ipAddressAllowlist, NEW)
  }
})

test('reading back that hangs ends with its bound, and the list was taken', async (t) => {
  await using context = await openArchitectureUnderTest({}, {}, 200)
  const { architecture, simulator } = context
  simulator.faults.add({ ...READING, kind: 'hang', after: 1 })
  const request = { expected: [], networks: NEW }
  const replaced = await architecture.replaceOrganizationAllowlist(request, signal)
  t.match(replaced, { after: NEW, visible: false, attempts: 1 })
})

test('a write without an answer that cannot be looked for is undecided', async (t) => {
  for (const fault of [
    { ...READING, kind: 'status', status: 503, after: 1 },
    { ...WRITING, kind: 'status', status: 403, after: 1 },
    { ...WRITING, kind: 'status', status: 503, after: 1 },
  ] as const) {
    // Nothing that is written is ever shown.
    await using context = await openArchitectureUnderTest({ consistencyDelayMs: 1, now: () => 0 })
    const { architecture, simulator } = context
    simulator.faults.add({ ...WRITING, kind: 'lost-answer', times: 1 })
    simulator.faults.add(fault)
    const request = { expected: [], networks: NEW }
    const failure = await failureOf(architecture.replaceOrganizationAllowlist(request, signal))
    t.match(failure, { code: 'upstream-busy', undecided: true }, JSON.stringify(fault))
  }
})

test('a write that was never sent, and one that was refused, are decided', async (t) => {
  for (const [fault, end] of [
    [{ ...READING, kind: 'reset' }, {}],
    [{ ...WRITING, kind: 'status', status: 403 }, { code: 'upstream-refused' }],
    [{ ...WRITING, kind: 'status', status: 409 }, { code: 'conflict' }],
    [{ ...WRITING, kind: 'status', status: 503 }, { upstream: { status: 503 } }],
    // Its pause outlasts the bound of the whole.
    [{ ...WRITING, kind: 'status', status: 429, retryAfterSeconds: 600 }, {}],
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add(fault)
    const request = { expected: [], networks: NEW }
    const failure = await failureOf(architecture.replaceOrganizationAllowlist(request, signal))
    t.match(failure, { undecided: false, unexecuted: true, ...end }, JSON.stringify(fault))
  }
})

/** Somebody else’s list comes between a write and the look at what became of it. */
async function overtaken(context: ArchitectureUnderTest, request: OrganizationReplacementRequest) {
  const { architecture, simulator } = context
  const busy = { kind: 'status', status: 429, retryAfterSeconds: 1 } as const
  const fault = simulator.faults.add({ ...READING, ...busy, after: 1, times: 1 })
  const work = architecture.replaceOrganizationAllowlist(request, signal)
  const settled = Promise.allSettled([work])
  while (fault.applied === 0) await new Promise((resolve) => setImmediate(resolve))
  simulator.world.ipAddressAllowlist = [OURS]
  await settled
  return work
}

test('a third list, after a write that was taken, is somebody else’s', async (t) => {
  await using context = await openArchitectureUnderTest()
  const replaced = await overtaken(context, { expected: [], networks: NEW })
  t.match(replaced, { after: [OURS], visible: false, overtaken: true, attempts: 1 })
  t.equal(context.simulator.requests.of(PATCH), 1)
})

test('a third list, after a write without an answer, decides nothing', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { simulator } = context
  simulator.faults.add({ ...WRITING, kind: 'lost-answer', times: 1 })
  const failure = await failureOf(overtaken(context, { expected: [], networks: NEW }))
  t.match(failure, { code: 'conflict', undecided: true, message: /neither the old nor the new/ })
  t.equal(simulator.requests.of(PATCH), 1)
})

test('a list that only seems to be there is sent, and seen by nothing but an answer', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const { world } = simulator
  // What was written before, `NEW`, is not shown yet.
  world.ipAddressAllowlist = [OURS]
  const request = { expected: NEW, networks: [OURS], stale: [[OURS]] }
  const replaced = await architecture.replaceOrganizationAllowlist(request, signal)
  t.match(replaced, { attempts: 1, visible: true })
  simulator.faults.add({ ...WRITING, kind: 'reset', times: 1 })
  t.match(await architecture.replaceOrganizationAllowlist(request, signal), { attempts: 2 })
  simulator.faults.add({ ...WRITING, kind: 'reset' })
  const failure = await failureOf(architecture.replaceOrganizationAllowlist(request, signal))
  t.match(failure, { code: 'upstream-busy', undecided: true })
  t.equal(simulator.requests.of(PATCH), 6)
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
