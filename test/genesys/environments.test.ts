import { test } from 'tap'
import { ENVIRONMENTS, environment, failureOf } from './architecture-under-test.ts'
import { openArchitectureUnderTest, signal } from './architecture-under-test.ts'

const CREATION = { match: { method: 'POST', path: ENVIRONMENTS } } as const
const POST = `POST ${ENVIRONMENTS}`
const GET = `GET ${ENVIRONMENTS}`

function request(name: string, maxEnvironments = 5) {
  return { draft: environment(name), maxEnvironments }
}

test('an environment is created and listed again', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture } = context
  const created = await architecture.createEnvironment(request('dev'), signal)
  t.match(created, { outcome: 'created', attempts: 1, countBefore: 0, item: environment('dev') })
  t.same(await architecture.listEnvironments(signal), [created.item])
  t.match(await failureOf(architecture.createEnvironment(request('dev'), signal)), {
    code: 'conflict',
    field: 'name',
    message: new RegExp(created.item.id),
  })
})

test('environments are counted over all pages', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const { environments } = simulator.world.architecture
  for (let index = 0; index < 205; index++) {
    const record = environments.reserve(`env-${index}`, {})
    if (record) environments.show(record)
  }
  t.match(await failureOf(architecture.createEnvironment(request('dev', 205), signal)), {
    code: 'conflict',
    message: '205 environments exist, and MAX_ENVIRONMENTS allows 205',
  })
  t.equal(simulator.requests.of(GET), 3)
  t.equal(simulator.requests.of(POST), 0)
  const created = await architecture.createEnvironment(request('dev', 206), signal)
  t.equal(created.countBefore, 205)
  const all = await architecture.listEnvironments(signal)
  t.equal(new Set(all.map(({ id }) => id)).size, 206)
  t.match(all[0], { name: 'env-0', description: null, configSource: null, accessControl: null })
})

test('creations at once do not pass the limit together, however late they are listed', async (t) => {
  for (const consistencyDelayMs of [0, 1_000]) {
    await using context = await openArchitectureUnderTest({ consistencyDelayMs, now: () => 0 })
    const { architecture, simulator } = context
    const names = ['one', 'two', 'three', 'four']
    const settled = await Promise.allSettled(
      names.map((name) => architecture.createEnvironment(request(name, 2), signal)),
    )
    const failures = settled.filter(({ status }) => status === 'rejected')
    t.match(failures, [
      { reason: { code: 'conflict', message: /^2 environments exist/ } },
      { reason: { code: 'conflict' } },
    ])
    t.equal(simulator.requests.of(POST), 2)
  }
})

test('a queue of creations is bounded, and left by those who give up', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const fault = simulator.faults.add({ ...CREATION, kind: 'hang' })
  const controller = new AbortController()
  const waiting = Array.from({ length: 8 }, (_, index) =>
    architecture.createEnvironment(request(`env-${index}`), controller.signal),
  )
  t.equal(
    (await failureOf(architecture.createEnvironment(request('late'), signal))).code,
    'overloaded',
  )
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  controller.abort(new Error('enough'))
  const settled = await Promise.allSettled(waiting)
  t.ok(settled.every(({ status }) => status === 'rejected'))
  simulator.faults.clear()
  t.match(await architecture.createEnvironment(request('next'), signal), { outcome: 'created' })
  t.equal(simulator.requests.of(POST), 2)
})

test('a busy platform is tried three times, after 2 and 4 s, one that is down after twice that', async (t) => {
  for (const [status, pauses] of [
    [429, [2_000, 4_000]],
    [503, [4_000, 8_000]],
  ] as const) {
    await using context = await openArchitectureUnderTest()
    const { architecture, simulator } = context
    simulator.faults.add({ ...CREATION, kind: 'status', status, times: 2 })
    const created = await architecture.createEnvironment(request('dev'), signal)
    t.match(created, { outcome: 'created', attempts: 3 })
    t.same(context.waited(2_000, 4_000, 8_000), pauses)
    simulator.faults.add({ ...CREATION, kind: 'status', status })
    const failure = await failureOf(architecture.createEnvironment(request('test'), signal))
    t.match(failure, { code: 'upstream-busy', undecided: false, upstream: { status } })
    t.match(failure.message, '(3 attempts)')
  }
})

test('a wait beyond the 30 s of a creation is left to the caller', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  const fault = { ...CREATION, kind: 'status', status: 503, retryAfterSeconds: 31 } as const
  simulator.faults.add(fault)
  t.match(await failureOf(architecture.createEnvironment(request('dev'), signal)), {
    code: 'upstream-busy',
    undecided: false,
    retryAfterSeconds: 31,
  })
  t.equal(simulator.requests.of(POST), 1)
})

test('a creation whose answer was lost is found again and not repeated', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'lost-answer', times: 1 })
  const created = await architecture.createEnvironment(request('dev'), signal)
  t.match(created, { outcome: 'recovered', attempts: 1, item: { name: 'dev' } })
  t.equal(simulator.requests.of(POST), 1)
  t.equal(simulator.world.architecture.environments.listed.length, 1)
})

test('a creation that hangs ends with its bound, and says that nothing is listed', async (t) => {
  await using context = await openArchitectureUnderTest({}, {}, 15)
  const { architecture, simulator } = context
  simulator.faults.add({ ...CREATION, kind: 'hang' })
  const failure = await failureOf(architecture.createEnvironment(request('dev'), signal))
  t.match(failure, { code: 'upstream-busy', undecided: true })
  t.match(failure.message, 'was not done within 30 s; and nothing of that name is listed yet')
  t.equal(simulator.requests.of(POST), 1)
})

test('counting that hangs ends with its bound', async (t) => {
  await using context = await openArchitectureUnderTest({}, {}, 15)
  const { architecture, simulator } = context
  simulator.faults.add({ match: { method: 'GET', path: ENVIRONMENTS }, kind: 'hang' })
  const failure = await failureOf(architecture.createEnvironment(request('dev'), signal))
  t.match(failure, { code: 'upstream-busy', unexecuted: true })
  t.match(failure.message, /not done within 15 s/)
  t.equal(simulator.requests.of(POST), 0)
})

test('a name that somebody else took after the count is a conflict', async (t) => {
  await using context = await openArchitectureUnderTest()
  const { architecture, simulator } = context
  simulator.world.architecture.environments.reserve('dev', {})
  const failure = await failureOf(architecture.createEnvironment(request('dev'), signal))
  t.match(failure, { code: 'conflict', upstream: { status: 409 } })
})
