import { test } from 'tap'
import { changesOf, compareQueue, isAsWanted } from '../../src/domain/plan-queue.ts'
import type { PlatformQueue, ResolvedQueue } from '../../src/domain/plan-queue.ts'
import { readQueueManifest } from '../../src/domain/queue-manifest.ts'

const HELD: PlatformQueue = {
  id: 'q1',
  name: 'Sales',
  divisionId: 'home',
  divisionName: 'Home',
  body: { name: 'Sales', acwSettings: { wrapupPrompt: 'OPTIONAL' }, peerId: 'p' },
}
const WANTED: ResolvedQueue = {
  name: 'Sales',
  divisionId: undefined,
  members: undefined,
  settings: {},
}

test('a manifest is read with all its faults, by path', async (t) => {
  const queues = [
    { name: 'Sales', acwSettings: { timeoutMs: -1, wrapUpPrompt: 'OPTIONAL' } },
    { name: 'sales', mediaSettings: { call: { serviceLevel: { percentage: 80 } } } },
    { description: 5, members: ['a@example.com', 7], skillEvaluationMethod: 'WORST' },
    'Support',
  ]
  const faults = [
    ['queues/0/acwSettings/timeoutMs', 'must be a whole number from 0 to 86400000'],
    ['queues/0/acwSettings/wrapUpPrompt', 'is not known here; did you mean wrapupPrompt?'],
    ['queues/1/mediaSettings/call/serviceLevel/percentage', 'must be a number from 0 to 1'],
    ['queues/2/name', 'is missing'],
    ['queues/2/description', 'must be a text'],
    ['queues/2/members/1', 'must be a text'],
    ['queues/2/skillEvaluationMethod', 'must be one of NONE, BEST, ALL'],
    ['queues/3', 'must be an object'],
  ]
  t.throws(() => readQueueManifest({ queues }), {
    code: 'invalid',
    faults: faults.map(([field, message]) => ({ field, message })),
  })
  t.throws(() => readQueueManifest([]), { code: 'invalid' })
  t.throws(() => readQueueManifest({ queue: [] }), { message: /queues: is missing/ })
})

test('a name stands in a manifest once, whatever its case', async (t) => {
  t.throws(() => readQueueManifest({ queues: [{ name: 'Sales' }, { name: 'SALES' }] }), {
    code: 'invalid',
    faults: [{ field: 'queues/1/name', message: 'is the name of queues/0 as well' }],
  })
})

test('what a manifest names is told apart from what it leaves alone', async (t) => {
  const value = { queues: [{ name: 'Sales', division: 'Home', members: [], description: 'd' }] }
  const expected = { name: 'Sales', division: 'Home', members: [], settings: { description: 'd' } }
  t.same(readQueueManifest(value), [expected])
  t.match(readQueueManifest({ queues: [{ name: 'Sales' }] }), [{ members: undefined }])
})

test('members are a set, and count only where the manifest names them', async (t) => {
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map((id) => ({ id, name: id })) as [
    { id: string; name: string },
    { id: string; name: string },
    { id: string; name: string },
  ]
  t.ok(isAsWanted(compareQueue(WANTED, HELD, [ann])))
  t.ok(isAsWanted(compareQueue({ ...WANTED, members: [bob, ann] }, HELD, [ann, bob])))
  const difference = compareQueue({ ...WANTED, members: [ann, bob] }, HELD, [bob, eve])
  t.same(changesOf(difference), [
    { field: 'members/added', before: null, after: ['ann'] },
    { field: 'members/removed', before: ['eve'], after: null },
  ])
})

test('a queue is compared in what the manifest names, its division by id', async (t) => {
  const settings = { acwSettings: { wrapupPrompt: 'OPTIONAL' } }
  t.ok(isAsWanted(compareQueue({ ...WANTED, settings, divisionId: 'home' }, HELD, undefined)))
  const moved = compareQueue({ ...WANTED, division: 'Sales', divisionId: 'sales' }, HELD, undefined)
  t.same(changesOf(moved), [{ field: 'division', before: 'Home', after: 'Sales' }])
})

test('what can be cleared is cleared with null; what is long is passed on as it is', async (t) => {
  const settings = {
    queueFlow: null,
    bullseye: { rings: [{ expansionCriteria: [{ type: 'TIMEOUT_SECONDS', threshold: 10 }] }] },
    memberGroups: [{ id: 'g1', type: 'GROUP' }],
    defaultScripts: { CALL: { id: 's1' }, CHAT: null },
    outboundMessagingAddresses: { smsAddress: { id: 'a1' } },
  }
  t.match(readQueueManifest({ queues: [{ name: 'Sales', ...settings }] }), [{ settings }])
  const wrong = { description: null, mediaSettings: null, bullseye: { rings: [5] } }
  t.throws(() => readQueueManifest({ queues: [{ name: 'Sales', ...wrong }] }), {
    code: 'invalid',
    faults: [
      { field: 'queues/0/description', message: 'must be a text' },
      { field: 'queues/0/mediaSettings', message: 'must be an object' },
      { field: 'queues/0/bullseye/rings/0', message: 'must be an object' },
    ],
  })
})
