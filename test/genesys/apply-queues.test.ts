import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import type { QueueRecord } from '../../simulator/records.ts'
import type { Simulator } from '../../simulator/server.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { readQueueManifest } from '../../src/domain/queue-manifest.ts'
import type { WantedQueue } from '../../src/domain/queue-manifest.ts'
import type { AppliedQueue } from '../../src/genesys/apply-queue.ts'
import { planQueues, runQueues } from '../../src/genesys/apply-queues.ts'
import type { Platform } from '../../src/genesys/platform-client.ts'
import { findQueue, listQueues, readMembers } from '../../src/genesys/read-queues.ts'
import type { Ended } from '../../src/genesys/run-items.ts'
import { openLagging } from './lagging-platform.ts'
import { openUnderTest } from './platform-under-test.ts'
import type { UnderTest } from './platform-under-test.ts'

const { users, queues, divisions } = SMALL_WORLD
const { signal } = new AbortController()

const QUEUES = '/api/v2/routing/queues'
const QUEUE = `${QUEUES}/{queueId}`
const MEMBERS = `${QUEUE}/members`
const WRITES = [`POST ${QUEUES}`, `PUT ${QUEUE}`, `POST ${MEMBERS}`]

const MANIFEST = readQueueManifest({
  queues: [
    { name: 'Sales', description: 'Calls from the shop' },
    { name: 'Support', acwSettings: { timeoutMs: 60_000 }, division: 'Home' },
    {
      name: 'Returns',
      division: 'Sales',
      members: ['alice.adler@small.example', users.bob],
      mediaSettings: { call: { alertingTimeoutSeconds: 12 } },
    },
  ],
})

type Run = { readonly stop?: AbortSignal; readonly allowRemoval?: boolean }

async function apply(
  platform: Platform,
  manifest: readonly WantedQueue[] = MANIFEST,
  { stop = signal, allowRemoval = false }: Run = {},
): Promise<ReadonlyMap<string, Ended<AppliedQueue>>> {
  const planned = await planQueues(platform, manifest, signal)
  const ends = new Map<string, Ended<AppliedQueue>>()
  await runQueues(platform, planned, {
    allowRemoval,
    stop,
    signal,
    onEnd: ({ wanted }, ended) => void ends.set(wanted.name, ended),
  })
  return ends
}

/** Ids of the members of the queue that has this name. */
async function membersOf({ read }: Platform, name: string): Promise<readonly string[]> {
  const queue = await findQueue(read, name, signal)
  if (queue === undefined) throw new Error(`there is no queue ${name}`)
  return (await readMembers(read, queue, signal)).map(({ id }) => id)
}

function outcomesOf(ends: ReadonlyMap<string, Ended<AppliedQueue>>): Record<string, string> {
  return Object.fromEntries(
    [...ends].map(([name, ended]) => {
      return [name, ended.state === 'done' ? ended.value.outcome : ended.state]
    }),
  )
}

/** As an admin at another desk does it. */
function changeSettings(
  { world }: Simulator,
  id: string,
  settings: Readonly<Record<string, unknown>>,
): QueueRecord {
  const before = world.queues.get(id)
  if (before === undefined) throw new Error('the small world has no such queue')
  const queue = { ...before, settings: { ...before.settings, ...settings } }
  world.queues.put(queue)
  return queue
}

function writes({ simulator }: UnderTest): number {
  return WRITES.reduce((sum, operation) => sum + simulator.requests.of(operation), 0)
}

test('queues are created, changed and left alone; a second time nothing is written', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const expected = { Sales: 'unchanged', Support: 'changed', Returns: 'created' }
  t.same(outcomesOf(await apply(platform)), expected)
  const listed = await listQueues(platform.read, signal)
  const byName = new Map(listed.map((queue) => [queue.name, queue]))
  t.match(byName.get('Support'), {
    divisionId: divisions.home,
    body: {
      acwSettings: { timeoutMs: 60_000, wrapupPrompt: 'MANDATORY_TIMEOUT' },
      enableTranscription: true,
      skillEvaluationMethod: 'ALL',
    },
  })
  t.match(byName.get('Returns'), { divisionId: divisions.sales })
  const members = await membersOf(platform, 'Returns')
  t.same(new Set(members), new Set([users.alice, users.bob]))
  simulator.requests.reset()
  t.match(outcomesOf(await apply(platform)), { Support: 'unchanged', Returns: 'unchanged' })
  t.equal(writes(context), 0)
})

test('a plan tells each difference and writes nothing', async (t) => {
  await using context = await openUnderTest()
  const planned = await planQueues(context.platform, MANIFEST, signal)
  t.match(planned, [
    { action: 'none', changes: [] },
    {
      action: 'change',
      changes: [
        { field: 'acwSettings/timeoutMs', before: 300_000, after: 60_000 },
        { field: 'division', before: 'Support', after: 'Home' },
      ],
    },
    { action: 'create' },
  ])
  t.equal(writes(context), 0)
})

test('two at once end in the same state, each queue once, also where reads lag behind', async (t) => {
  await using context = await openLagging(1_000)
  const { platform, simulator } = context
  const manifest = Array.from({ length: 6 }, (_, at) => ({
    name: `Team ${at}`,
    division: undefined,
    members: [users.alice, users.bob],
    settings: { acwSettings: { timeoutMs: 30_000 } },
  }))
  const both = await Promise.all([apply(platform, manifest), apply(platform, manifest)])
  const outcomes = both.flatMap((ends) => Object.values(outcomesOf(ends)))
  t.equal(outcomes.filter((outcome) => outcome === 'created').length, 6)
  t.notOk(outcomes.includes('failed'))
  const listed = await listQueues(platform.read, signal)
  const teams = listed.filter(({ name }) => name.startsWith('Team '))
  t.equal(teams.length, 6)
  for (const { name } of teams) t.equal((await membersOf(platform, name)).length, 2)
  simulator.requests.reset()
  const again = Object.values(outcomesOf(await apply(platform, manifest)))
  t.same(
    again,
    manifest.map(() => 'unchanged'),
  )
  t.equal(writes(context), 0)
})

test('a queue that somebody else has just created is found, also where it shows late', async (t) => {
  await using context = await openLagging(5_000)
  const { platform, simulator } = context
  const manifest = readQueueManifest({ queues: [{ name: 'Returns', members: [users.alice] }] })
  const both = await Promise.all([apply(platform, manifest), apply(platform, manifest)])
  const outcomes = new Set(both.map((ends) => outcomesOf(ends)['Returns']))
  t.ok(outcomes.has('created'))
  t.notOk(outcomes.has('failed'))
  const named = simulator.world.queues.list().filter(({ name }) => name === 'Returns')
  t.equal(named.length, 1)
})

test('an update gives back what nothing here knows of', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const before = simulator.world.queues.get(queues.support)
  if (before === undefined) throw new Error('the small world has no support queue')
  const settings = { ...before.settings, peerId: 'p-1', yetUnknown: { deep: [1, 2] } }
  simulator.world.queues.put({ ...before, settings })
  await apply(platform)
  const after = simulator.world.queues.get(queues.support)
  t.match(after?.settings, { peerId: 'p-1', yetUnknown: { deep: [1, 2] } })
  t.match(after?.settings, { acwSettings: { timeoutMs: 60_000 } })
})

test('members are taken away only when it was asked for', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const manifest = readQueueManifest({
    queues: [{ name: 'Sales', members: [users.alice, users.bob] }],
  })
  const refused = await apply(platform, manifest)
  t.match(refused.get('Sales'), { state: 'failed', failure: { message: /would lose members/ } })
  t.equal(writes(context), 0)
  const asked = await apply(platform, manifest, { allowRemoval: true })
  t.same(outcomesOf(asked), { Sales: 'changed' })
  const members = simulator.world.queues.members(queues.sales)
  t.same(new Set(members.keys()), new Set([users.alice, users.bob]))
})

test('what a manifest names and nobody has is told at once, before anything is written', async (t) => {
  await using context = await openUnderTest()
  const { platform } = context
  const manifest = readQueueManifest({
    queues: [
      { name: 'A', division: 'Nowhere', members: ['nobody@small.example'] },
      { name: 'B', members: [users.frank, SMALL_WORLD.roles.agent] },
    ],
  })
  await t.rejects(apply(platform, manifest), {
    code: 'invalid',
    faults: [
      { field: 'queues/0/division', message: /no division/ },
      { field: 'queues/0/members/0', message: /no active user/ },
      { field: 'queues/1/members/0', message: /no active user/ },
      { field: 'queues/1/members/1', message: /no active user/ },
    ],
  })
  t.equal(writes(context), 0)
})

test('after a lost answer the queue is looked for before anything is sent again', async (t) => {
  for (const kind of ['lost-answer', 'malformed-body', 'reset'] as const) {
    await using context = await openUnderTest()
    const { platform, simulator } = context
    simulator.faults.add({ match: { method: 'POST', path: QUEUES }, kind, times: 1 })
    simulator.faults.add({ match: { method: 'PUT', path: QUEUE }, kind, times: 1 })
    const expected = { Sales: 'unchanged', Support: 'changed', Returns: 'created' }
    t.same(outcomesOf(await apply(platform)), expected, kind)
    t.equal(simulator.requests.of(`POST ${QUEUES}`), kind === 'reset' ? 2 : 1, kind)
    const listed = await listQueues(platform.read, signal)
    t.equal(listed.filter(({ name }) => name === 'Returns').length, 1, kind)
  }
})

test('a queue that somebody creates in between is compared and changed', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const manifest = readQueueManifest({ queues: [{ name: 'Returns', description: 'ours' }] })
  const planned = await planQueues(platform, manifest, signal)
  t.match(planned, [{ action: 'create' }])
  const model = simulator.world.queues.get(queues.sales)
  if (model === undefined) throw new Error('the small world has no sales queue')
  simulator.world.queues.put({ ...model, id: '0'.repeat(8) + model.id.slice(8), name: 'Returns' })
  const ends: Ended<AppliedQueue>[] = []
  await runQueues(platform, planned, {
    allowRemoval: false,
    stop: signal,
    signal,
    onEnd: (_, ended) => void ends.push(ended),
  })
  t.match(ends, [{ state: 'done', value: { outcome: 'changed' } }])
  const named = simulator.world.queues.list().filter(({ name }) => name === 'Returns')
  t.match(named, [{ settings: { description: 'ours', callingPartyName: 'Small World' } }])
  t.equal(named.length, 1)
})

test('a name that differs in its case alone is told in the plan, with the right one', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const manifest = readQueueManifest({ queues: [{ name: 'SALES' }, { name: 'returns' }] })
  const message = 'the platform calls it Sales: write it so'
  await t.rejects(planQueues(platform, manifest, signal), {
    code: 'invalid',
    faults: [{ field: 'queues/0/name', message }],
  })
  const other = readQueueManifest({ queues: [{ name: 'returns' }] })
  const planned = await planQueues(platform, other, signal)
  const model = simulator.world.queues.get(queues.sales)
  if (model === undefined) throw new Error('the small world has no sales queue')
  simulator.world.queues.put({ ...model, id: '0'.repeat(8) + model.id.slice(8), name: 'Returns' })
  const ends: Ended<AppliedQueue>[] = []
  const onEnd = (_: unknown, ended: Ended<AppliedQueue>): void => void ends.push(ended)
  await runQueues(platform, planned, { allowRemoval: false, stop: signal, signal, onEnd })
  t.match(ends, [{ state: 'failed', failure: { code: 'conflict', message: /calls it Returns/ } }])
})

test('what cannot be given back is not updated', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  for (const field of ['mediaSettings', 'acwSettings', 'division']) {
    simulator.faults.clear()
    simulator.faults.add({ match: { path: QUEUES }, kind: 'drop-field', field })
    await t.rejects(apply(platform), { code: 'upstream-broken', message: field })
  }
  t.equal(writes(context), 0)
})

test('pages that end early are never the whole', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  simulator.faults.add({ match: { path: QUEUES }, kind: 'truncate-page' })
  await t.rejects(listQueues(platform.read, signal), { code: 'upstream-broken' })
  simulator.faults.clear()
  for (const user of Array.from({ length: 150 }, (_, at) => at)) {
    const { id } = simulator.addUser({ name: `User ${user}`, divisionId: divisions.home })
    simulator.world.queues.putMember(queues.escalation, id, { ringNumber: 1, joined: true })
  }
  t.equal((await membersOf(platform, 'Support Escalation')).length, 150)
  simulator.faults.add({ match: { path: MEMBERS }, kind: 'truncate-page', times: 1 })
  t.equal((await membersOf(platform, 'Support Escalation')).length, 150)
  simulator.faults.add({ match: { path: MEMBERS }, kind: 'truncate-page' })
  const long = membersOf(platform, 'Support Escalation')
  await t.rejects(long, { code: 'upstream-broken', message: /members and a next/ })
  const short = membersOf(platform, 'Sales')
  await t.rejects(short, { code: 'upstream-broken', message: /came with 1 of 3/ })
})

test('members are added in chunks of a hundred', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const members = Array.from({ length: 201 }, (_, at) => {
    return simulator.addUser({ name: `User ${at}`, divisionId: divisions.home }).id
  })
  const manifest = readQueueManifest({ queues: [{ name: 'Support Escalation', members }] })
  t.same(outcomesOf(await apply(platform, manifest)), { 'Support Escalation': 'changed' })
  t.equal(simulator.requests.of(`POST ${MEMBERS}`), 3)
  t.equal(simulator.world.queues.members(queues.escalation).size, 201)
})

test('what somebody else changes while the members are read stays', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const members = [...simulator.world.queues.members(queues.sales).keys()]
  const manifest = readQueueManifest({
    queues: [{ name: 'Sales', description: 'ours', members }],
  })
  const planned = await planQueues(platform, manifest, signal)
  const pages = simulator.requests.of(`GET ${MEMBERS}`)
  simulator.faults.add({ match: { path: MEMBERS }, kind: 'slow', delayMs: 300, times: 1 })
  const ends: Ended<AppliedQueue>[] = []
  const onEnd = (_: unknown, ended: Ended<AppliedQueue>): void => void ends.push(ended)
  const run = runQueues(platform, planned, { allowRemoval: false, stop: signal, signal, onEnd })
  while (simulator.requests.of(`GET ${MEMBERS}`) === pages) await setImmediate()
  changeSettings(simulator, queues.sales, { callingPartyName: 'theirs' })
  await run
  t.match(ends, [{ state: 'done', value: { outcome: 'changed' } }])
  const settings = { description: 'ours', callingPartyName: 'theirs' }
  t.match(simulator.world.queues.get(queues.sales), { settings })
})

test('an update that was turned away is made anew from what is read then', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const put = { method: 'PUT', path: QUEUE }
  const fault = simulator.faults.add({
    ...{ match: put, kind: 'status', status: 429, retryAfterSeconds: 30, times: 1 },
  })
  const run = apply(platform, readQueueManifest({ queues: [{ name: 'Sales', description: 'o' }] }))
  while (fault.applied === 0) await setImmediate()
  changeSettings(simulator, queues.sales, { callingPartyName: 'theirs' })
  t.same(outcomesOf(await run), { Sales: 'changed' })
  const settings = { description: 'o', callingPartyName: 'theirs' }
  t.match(simulator.world.queues.get(queues.sales), { settings })
})

test('a field that a later answer leaves out is never written away', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const before = changeSettings(simulator, queues.sales, {
    routingRules: [{ operator: 'ANY', waitSeconds: 20 }],
  })
  const manifest = readQueueManifest({ queues: [{ name: 'Sales', description: 'ours' }] })
  const fault = { match: { method: 'GET', path: QUEUE }, kind: 'drop-field' } as const
  simulator.faults.add({ ...fault, field: 'routingRules' })
  const message = /no "routingRules", which it had before/
  const ends = await apply(platform, manifest)
  t.match(ends.get('Sales'), { failure: { code: 'upstream-broken', message }, changes: [] })
  t.same(simulator.world.queues.get(queues.sales), before)
  simulator.faults.clear()
  // One that comes with the next answer does no harm.
  simulator.faults.add({ ...fault, field: 'routingRules', times: 1, after: 1 })
  t.same(outcomesOf(await apply(platform, manifest)), { Sales: 'changed' })
  t.match(simulator.world.queues.get(queues.sales), { settings: { routingRules: [{}] } })
})

test('members that the queue does not count are not the whole', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const field = 'userMemberCount'
  simulator.faults.add({ match: { path: QUEUES }, kind: 'drop-field', field })
  simulator.faults.add({ match: { path: MEMBERS }, kind: 'truncate-page' })
  const message = /came with 1 of 3/
  await t.rejects(membersOf(platform, 'Sales'), { code: 'upstream-broken', message })
  simulator.faults.clear()
  simulator.faults.add({ match: { path: QUEUES }, kind: 'drop-field', field })
  t.equal((await membersOf(platform, 'Sales')).length, 3)
  simulator.faults.add({ match: { path: QUEUE }, kind: 'drop-field', field })
  await t.rejects(membersOf(platform, 'Sales'), { code: 'upstream-broken', message: field })
})

test('what was done before a failure is told beside it', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const refuse = { match: { method: 'POST', path: MEMBERS }, kind: 'status', status: 400 } as const
  simulator.faults.add(refuse)
  const manifest = readQueueManifest({
    queues: [
      { name: 'Returns', members: [users.alice] },
      { name: 'Sales', description: 'ours', members: [users.alice] },
    ],
  })
  const ends = await apply(platform, manifest, { allowRemoval: true })
  const made = simulator.world.queues.named('Returns')
  t.match(ends.get('Returns'), { state: 'failed', created: true, id: made?.id ?? 'none' })
  t.match(ends.get('Returns'), { changes: [{ field: 'name', after: 'Returns' }] })
  t.match(ends.get('Sales'), { state: 'failed', created: false, id: queues.sales })
  t.match(ends.get('Sales'), { changes: [{ field: 'description', after: 'ours' }] })
  const told = [...ends.values()].flatMap((end) => (end.state === 'failed' ? end.changes : []))
  t.equal(told.length, 2)
})

test('members whom one call took are told, though the next one fails', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const members = Array.from({ length: 120 }, (_, at) => {
    return simulator.addUser({ name: `User ${at}`, divisionId: divisions.home }).id
  })
  const match = { method: 'POST', path: MEMBERS }
  simulator.faults.add({ match, kind: 'status', status: 403, after: 1 })
  const manifest = readQueueManifest({ queues: [{ name: 'Support Escalation', members }] })
  const [ended] = (await apply(platform, manifest)).values()
  t.match(ended, {
    state: 'failed',
    failure: { message: /routing:queue:edit or routing:queueMember:manage/ },
    changes: [{ field: 'members/added', after: { length: 100 } }],
  })
})

test('all that was written counts as written, though it cannot be read afterwards', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const match = { method: 'GET', path: QUEUE }
  simulator.faults.add({ match, kind: 'status', status: 404, after: 2 })
  simulator.faults.add({ match, kind: 'status', status: 400, after: 2 })
  const manifest = readQueueManifest({ queues: [{ name: 'Sales', description: 'ours' }] })
  const [ended] = (await apply(platform, manifest)).values()
  t.match(ended, { value: { outcome: 'unconfirmed', changes: [{ field: 'description' }] } })
})

test('who became a member after the plan was made is not removed unseen', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const manifest = readQueueManifest({ queues: [{ name: 'Sales', members: [users.alice] }] })
  const planned = await planQueues(platform, manifest, signal)
  const late = simulator.addUser({ name: 'Lena Late', divisionId: divisions.home })
  simulator.world.queues.putMember(queues.sales, late.id, { ringNumber: 1, joined: true })
  const ends: Ended<AppliedQueue>[] = []
  const onEnd = (_: unknown, ended: Ended<AppliedQueue>): void => void ends.push(ended)
  await runQueues(platform, planned, { allowRemoval: true, stop: signal, signal, onEnd })
  t.match(ends, [{ state: 'failed', failure: { code: 'conflict', message: /for: Lena Late/ } }])
  t.equal(simulator.world.queues.members(queues.sales).size, 4)
})

test('a platform that is busy is waited for', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const busy = { kind: 'status', status: 429, retryAfterSeconds: 1, times: 1 } as const
  for (const path of [QUEUES, QUEUE, MEMBERS]) simulator.faults.add({ match: { path }, ...busy })
  t.match(outcomesOf(await apply(platform)), { Support: 'changed', Returns: 'created' })
})
