import { test } from 'tap'
import type { Simulator } from '../../simulator/server.ts'
import {
  ALLOWLISTS,
  failureOf,
  OFFICE,
  openArchitectureUnderTest,
} from './architecture-under-test.ts'
import { signal } from './architecture-under-test.ts'

const CREATION = { match: { method: 'POST', path: ALLOWLISTS } } as const
const POST = `POST ${ALLOWLISTS}`

test('an allowlist is created with the prefixes as numbers, and listed again', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const created = await architecture.createIpAllowlist(OFFICE, signal)
  t.match(created, { outcome: 'created', attempts: 1, item: OFFICE })
  t.ok(created.latencyMs > 0)
  const [record] = simulator.world.architecture.ipAllowlists.listed
  t.match(record, { id: created.item.id, content: { entries: [{ cidr: 24 }] } })
  t.same(await architecture.listIpAllowlists(signal), [created.item])
})

test('what is there already is answered, unless it has other content', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const { item } = await architecture.createIpAllowlist(OFFICE, signal)
  const again = await architecture.createIpAllowlist(OFFICE, signal)
  t.match(again, { outcome: 'existing', attempts: 0, item })
  t.equal(simulator.requests.of(POST), 1)
  const other = { ...OFFICE, description: 'Branch' }
  t.match(await failureOf(architecture.createIpAllowlist(other, signal)), {
    code: 'conflict',
    field: 'name',
    message: new RegExp(`"Office" with other content exists: ${item.id}`),
  })
})

test('too many requests wait 1, 2, 4 and 8 s, in five attempts', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'status', status: 429, times: 4 })
  const created = await architecture.createIpAllowlist(OFFICE, signal)
  t.match(created, { outcome: 'created', attempts: 5 })
  t.ok(created.latencyMs >= 15_000, 'the pauses are part of the latency')
  t.same(
    context.waited(1_000, 2_000, 4_000, 8_000).filter((ms) => ms > 1_000),
    [2000, 4000, 8000],
  )
  t.equal(simulator.requests.of(POST), 5)
})

test('a sixth attempt is not made', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'status', status: 429 })
  const failure = await failureOf(architecture.createIpAllowlist(OFFICE, signal))
  t.match(failure, { code: 'upstream-busy', upstream: { status: 429 } })
  t.match(failure.message, '(5 attempts)')
  t.equal(simulator.requests.of(POST), 5)
})

test('a wait that the platform asks for is kept, unless it outlasts the bound', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const told = { ...CREATION, kind: 'status', status: 429, times: 1 } as const
  simulator.faults.add({ ...told, retryAfterSeconds: 3 })
  t.match(await architecture.createIpAllowlist(OFFICE, signal), { attempts: 2 })
  t.ok(context.waited(3_000).length > 0)
  simulator.faults.add({ ...told, retryAfterSeconds: 3_000 })
  const failure = await failureOf(
    architecture.createIpAllowlist({ ...OFFICE, name: 'Branch' }, signal),
  )
  t.match(failure, { code: 'upstream-busy', retryAfterSeconds: 3_000 })
})

test('a creation whose answer was lost is found again by its name', async (t) => {
  for (const fault of [
    { kind: 'lost-answer' },
    { kind: 'malformed-body' },
    { kind: 'close-mid-body' },
    { kind: 'drop-field', field: 'id' },
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add({ ...CREATION, ...fault, times: 1 })
    const created = await architecture.createIpAllowlist(OFFICE, signal)
    t.match(created, { outcome: 'recovered', attempts: 1, item: OFFICE }, fault.kind)
    t.equal(simulator.requests.of(POST), 1)
    t.equal(simulator.world.architecture.ipAllowlists.listed.length, 1)
  }
})

test('a creation that left nothing is sent again', async (t) => {
  for (const fault of [
    { kind: 'reset' },
    { kind: 'html-error' },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503 },
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add({ ...CREATION, ...fault, times: 2 })
    const created = await architecture.createIpAllowlist(OFFICE, signal)
    t.match(created, { outcome: 'created', attempts: 3 }, JSON.stringify(fault))
    t.equal(simulator.world.architecture.ipAllowlists.listed.length, 1)
  }
})

test('a creation that hangs is looked for and sent again', async (t) => {
  await using context = await openArchitectureUnderTest({}, { requestTimeoutMs: 20_000 }, 20)
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'hang', times: 1 })
  const created = await architecture.createIpAllowlist(OFFICE, signal)
  t.match(created, { outcome: 'created', attempts: 2 })
  t.ok(created.latencyMs >= 20_000)
})

test('a lost creation that is listed late is found behind its taken name', async (t) => {
  let running: Simulator | undefined
  await using context = await openArchitectureUnderTest({
    consistencyDelayMs: 1_000,
    now: () => ((running?.requests.of(POST) ?? 0) > 1 ? 1_000 : 0),
  })
  const { architecture, simulator } = context
  running = simulator
  simulator.faults.add({ ...CREATION, kind: 'lost-answer', times: 1 })
  const created = await architecture.createIpAllowlist(OFFICE, signal)
  t.match(created, { outcome: 'recovered', attempts: 2 })
  t.equal(simulator.world.architecture.ipAllowlists.listed.length, 1)
})

test('a creation that cannot be looked for is not sent again', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'lost-answer' })
  simulator.faults.add({ match: { method: 'GET', path: ALLOWLISTS }, kind: 'reset', after: 1 })
  const failure = await failureOf(architecture.createIpAllowlist(OFFICE, signal))
  t.match(failure, { code: 'upstream-busy', undecided: true })
  t.match(failure.message, /POST .*; and whether it was done cannot be told: GET /)
  t.equal(simulator.requests.of(POST), 1)
})

test('a name that is taken, by what cannot be told, is no content of its own', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'status', status: 409 })
  t.match(await failureOf(architecture.createIpAllowlist(OFFICE, signal)), {
    code: 'conflict',
    message: /409 .*; what has the name is not listed/,
    upstream: { status: 409 },
  })
  simulator.faults.add({ match: { method: 'GET', path: ALLOWLISTS }, kind: 'reset', after: 1 })
  t.match(await failureOf(architecture.createIpAllowlist(OFFICE, signal)), {
    code: 'upstream-busy',
    message: /409 .*cannot be told/,
    unexecuted: true,
  })
})

test('an abort ends a creation at once', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const fault = simulator.faults.add({ ...CREATION, kind: 'hang' })
  const controller = new AbortController()
  const creating = architecture.createIpAllowlist(OFFICE, controller.signal)
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const reason = new Error('enough')
  controller.abort(reason)
  await t.rejects(creating, reason)
})
