import { test } from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import type { NewBatch } from '../../src/domain/role-change-store.ts'
import type { MatrixPublisher } from '../../src/worker/matrix-publisher.ts'
import type { RoleChangeRunnerOptions } from '../../src/worker/role-change-runner.ts'
import {
  accept,
  grant,
  granting,
  HELD,
  inState,
  itemsOf,
  newBatch,
  NORTH,
  openRunner,
  openWorld,
  revoking,
  ROLES,
  served,
  trail,
  userId,
} from './support/change-world.ts'
import type { ChangeWorld } from './support/change-world.ts'
import { refusal } from './support/keeping-platform.ts'
import { until } from './support/manual-time.ts'

const [FIRST, SECOND, THIRD] = [userId(1), userId(2), userId(3)]
const WITH_WRITER = [...HELD, grant('writer')]

test('a batch is carried out: recorded, written, read back, served and told', async (t) => {
  const world = await openWorld(t)
  const { platform } = world
  const { counted } = openRunner(world)
  const batch = await accept(
    world,
    newBatch([
      granting(grant('writer')),
      { kind: 'replace', roleIds: [ROLES.agent], divisionId: null },
      revoking(grant('reader')),
    ]),
  )
  platform.before = async ({ kind, userId: id }) => {
    if (kind !== 'write') return
    const item = (await itemsOf(world, batch.id)).find((other) => other.userId === id)
    t.match(item, { state: 'applying', step: 'planned', found: HELD }, 'recorded before it is sent')
    const entries = await trail(world, { subjectId: batch.id, userId: id })
    t.match(entries, [{ outcome: 'started', before: { grants: HELD } }])
  }
  const ended = await inState(world, batch.id, 'succeeded')
  t.match(ended, { error: null, counts: { applied: 3 }, finishedAt: Number })
  t.same(platform.grants.get(FIRST), WITH_WRITER)
  t.same(platform.grants.get(SECOND), [grant('employee'), grant('agent')])
  t.same(platform.grants.get(THIRD), [grant('employee')])
  for (const item of await itemsOf(world, batch.id)) {
    t.match(item, { state: 'applied', step: 'confirmed', visible: true, error: null })
  }
  t.same(served(world, FIRST), WITH_WRITER, 'the served matrix has it when the batch has ended')
  t.same(served(world, THIRD), [grant('employee')])
  t.same(
    platform.calls.map(({ kind }) => kind),
    Array.from({ length: 3 }, () => ['read', 'write', 'read']).flat(),
  )
  t.match(await trail(world, { userId: SECOND, outcome: 'succeeded' }), [
    {
      action: 'role_assignment_change',
      actor: 'anna',
      requestId: 'request-1',
      subjectId: batch.id,
      before: { grants: HELD },
      after: { grants: [grant('employee'), grant('agent')] },
      details: {
        operation: 'apply',
        added: [grant('agent')],
        removed: [grant('reader')],
        addedPermissions: ['agent_permission'],
        removedPermissions: ['reader_permission'],
      },
    },
  ])
  t.match(await trail(world, { action: 'role_changes_ended' }), [
    { actor: 'anna', outcome: 'succeeded', details: { state: 'succeeded' } },
  ])
  await until(() => counted.inHand === 0)
  t.match(counted, { batches: ['succeeded'], items: ['applied', 'applied', 'applied'] })
})

test('what the platform has already is not written', async (t) => {
  const world = await openWorld(t)
  const batch = await accept(world, newBatch([granting(grant('reader'))]))
  openRunner(world)
  t.match(await inState(world, batch.id, 'succeeded'), { counts: { unchanged: 1, applied: 0 } })
  t.same(world.platform.writes, [])
  t.match(await trail(world, { userId: FIRST }), [{ outcome: 'unchanged' }])
})

test('a user whose grants others changed is left alone, unless the batch is forced', async (t) => {
  const world = await openWorld(t)
  const changed = [...HELD, grant('reader', NORTH)]
  world.platform.grants.set(FIRST, changed)
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch([granting(grant('writer')), granting(grant('agent'))]))
  const ended = await inState(world, batch.id, 'partially-applied')
  t.match(ended.error?.message, /^1 user had been changed meanwhile$/)
  t.match(await itemsOf(world, batch.id), [
    {
      state: 'changed-meanwhile',
      found: changed,
      error: { message: /since revision 1 others granted 1 and revoked 0/ },
    },
    { state: 'applied' },
  ])
  t.match(await trail(world, { userId: FIRST }), [
    { outcome: 'skipped', after: { grants: changed } },
  ])
  const forced = await accept(world, newBatch([granting(grant('writer'))], { force: true }))
  runner.wake()
  await inState(world, forced.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), [...changed, grant('writer')])
})

test('a change that would break a rule skips the user; what was broken before blocks nothing', async (t) => {
  const world = await openWorld(t)
  const both = [...HELD, grant('agent'), grant('supervisor')]
  world.platform.grants.set(SECOND, both)
  openRunner(world)
  const batch = await accept(world, {
    ...newBatch([]),
    items: [
      { userId: FIRST, intent: granting(grant('agent'), grant('supervisor')), before: HELD },
      { userId: SECOND, intent: granting(grant('writer')), before: both },
    ],
  })
  const ended = await inState(world, batch.id, 'partially-applied')
  t.match(ended.error?.message, /1 user would have broken a rule/)
  t.match(await itemsOf(world, batch.id), [
    {
      state: 'skipped-conflict',
      conflicts: [{ rule: 'supervisor-excludes-agent', status: 'new' }],
    },
    { state: 'applied', conflicts: [{ status: 'existing' }] },
  ])
  t.same(world.platform.grants.get(FIRST), HELD)
  t.match(await trail(world, { userId: FIRST }), [
    { outcome: 'skipped', details: { conflicts: [{ rule: 'supervisor-excludes-agent' }] } },
  ])
})

function refuseOnce(world: ChangeWorld, id: string): void {
  let refused = false
  world.platform.before = ({ kind, userId: user }) => {
    if (kind !== 'write' || user !== id || refused) return
    refused = true
    throw refusal()
  }
}

const THREE = [granting(grant('writer')), granting(grant('writer')), granting(grant('writer'))]

test('a refusal halts a batch with the platform’s own words; resumed it does the rest, then what failed', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, SECOND)
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  const halted = await inState(world, batch.id, 'stopped')
  t.match(halted.error, {
    message: `user ${SECOND} failed: the role cannot be assigned`,
    upstream: { status: 422, code: 'role.not.assignable', correlationId: 'corr-1' },
  })
  t.match(await itemsOf(world, batch.id), [
    { state: 'applied' },
    { state: 'failed', step: 'planned', error: { message: 'the role cannot be assigned' } },
    { state: 'pending', step: 'none' },
  ])
  t.match(await trail(world, { outcome: 'failed' }), [
    { userId: SECOND, details: { upstream: { correlationId: 'corr-1' } } },
    { action: 'role_changes_ended', details: { state: 'stopped' } },
  ])
  await world.store.roleChanges.resume(batch.id, [])
  runner.wake()
  await inState(world, batch.id, 'succeeded')
  t.same(
    world.platform.writes.map(({ userId: id }) => id),
    [FIRST, SECOND, THIRD, SECOND],
  )
})

test('a batch that is to go on goes on after a failure', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, FIRST)
  world.platform.grants.delete(SECOND)
  openRunner(world)
  const batch = await accept(world, newBatch(THREE, { onFailure: 'continue' }))
  const ended = await inState(world, batch.id, 'partially-applied')
  t.match(ended.error, {
    message: '2 users failed: the role cannot be assigned',
    upstream: { correlationId: 'corr-1' },
  })
  t.match(await itemsOf(world, batch.id), [
    { state: 'failed', step: 'planned' },
    { state: 'failed', step: 'none', error: { message: /has no user/ } },
    { state: 'applied' },
  ])
})

test('a batch in which nothing was applied failed', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, FIRST)
  openRunner(world)
  const batch = await accept(
    world,
    newBatch([granting(grant('writer')), granting(grant('reader'))], { onFailure: 'continue' }),
  )
  t.match(await inState(world, batch.id, 'failed'), { counts: { failed: 1, unchanged: 1 } })
})

test('a batch that is to be rolled back on failure restores exactly what was there', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, THIRD)
  openRunner(world)
  const replace = { kind: 'replace', roleIds: [], divisionId: null } as const
  const batch = await accept(
    world,
    newBatch([granting(grant('writer')), replace, ...THREE], { onFailure: 'rollback' }),
  )
  const ended = await inState(world, batch.id, 'rolled-back')
  t.match(ended.error, { message: `user ${THIRD} failed: the role cannot be assigned` })
  t.match(await itemsOf(world, batch.id), [
    { state: 'rolled-back', step: 'undone' },
    { state: 'rolled-back', step: 'undone', undo: { add: [grant('reader')], remove: [] } },
    { state: 'failed', error: { message: 'the role cannot be assigned' } },
    { state: 'pending' },
    { state: 'pending' },
  ])
  for (const id of [FIRST, SECOND, THIRD]) {
    t.same(new Set(world.platform.grants.get(id)), new Set(HELD))
    t.same(served(world, id), HELD)
  }
  t.same(
    world.platform.writes.map(({ userId: id }) => id),
    [FIRST, SECOND, THIRD, SECOND, FIRST],
    'last item first; what was refused is not taken back',
  )
  t.match(await trail(world, { action: 'role_changes_rollback' }), [{ outcome: 'started' }])
  t.match(await trail(world, { userId: SECOND }), [
    { outcome: 'started', details: { operation: 'apply' } },
    { outcome: 'succeeded', details: { operation: 'apply' } },
    { outcome: 'started', details: { operation: 'rollback', added: [grant('reader')] } },
    { outcome: 'succeeded', after: { grants: [grant('employee'), grant('reader')] } },
  ])
})

test('an ended batch is rolled back; what others changed since is left, unless it is forced', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  await inState(world, batch.id, 'succeeded')
  const others = [...WITH_WRITER, grant('reader', NORTH)]
  world.platform.grants.set(SECOND, others)
  await world.store.roleChanges.rollback(batch.id, { force: false }, [])
  runner.wake()
  const left = await inState(world, batch.id, 'partially-applied')
  t.match(
    left.error?.message,
    /1 could not be rolled back; user .*: others changed the grants since/,
  )
  t.match(await itemsOf(world, batch.id), [
    { state: 'rolled-back' },
    { state: 'applied', error: { message: /left as they are/ } },
    { state: 'rolled-back' },
  ])
  t.same(world.platform.grants.get(SECOND), others)
  await world.store.roleChanges.rollback(batch.id, { force: true }, [])
  runner.wake()
  await inState(world, batch.id, 'rolled-back')
  t.same(world.platform.grants.get(SECOND), HELD)
})

test('a rollback that the platform refuses for one user undoes the others', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  await inState(world, batch.id, 'succeeded')
  refuseOnce(world, SECOND)
  await world.store.roleChanges.rollback(batch.id, { force: false }, [])
  runner.wake()
  t.match(await inState(world, batch.id, 'partially-applied'), {
    error: { upstream: { correlationId: 'corr-1' } },
    counts: { applied: 1, 'rolled-back': 2 },
  })
  await world.store.roleChanges.rollback(batch.id, { force: false }, [])
  runner.wake()
  await inState(world, batch.id, 'rolled-back')
  t.same(world.platform.grants.get(SECOND), HELD)
})

test('what may have been written is taken back as well', async (t) => {
  const world = await openWorld(t)
  world.platform.after = ({ userId: id, delta }) => {
    if (id === SECOND && delta?.add.length === 1) {
      throw new Failure('upstream-busy', 'POST bulkadd was not answered')
    }
  }
  // Nor does the platform show it yet.
  world.platform.staleReads = 1
  openRunner(world, { readBack: QUICK })
  const batch = await accept(world, newBatch(THREE, { onFailure: 'rollback' }))
  await inState(world, batch.id, 'rolled-back')
  t.match(await itemsOf(world, batch.id), [
    { state: 'rolled-back' },
    { state: 'failed', step: 'undone', error: { message: /may have been written/ } },
    { state: 'pending' },
  ])
  for (const id of [FIRST, SECOND]) t.same(world.platform.grants.get(id), HELD)
})

test('a user whom others changed after the write was begun is left alone at the resumption', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, FIRST)
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  await inState(world, batch.id, 'stopped')
  const others = [...HELD, grant('reader', NORTH)]
  world.platform.grants.set(FIRST, others)
  await world.store.roleChanges.resume(batch.id, [])
  runner.wake()
  await inState(world, batch.id, 'partially-applied')
  t.match((await itemsOf(world, batch.id))[0], { state: 'changed-meanwhile', found: HELD })
  t.same(world.platform.grants.get(FIRST), others)
})

test('a forced batch that is resumed finishes what it began on what others made of the grants', async (t) => {
  const world = await openWorld(t)
  refuseOnce(world, FIRST)
  const { runner } = openRunner(world)
  const replace = { kind: 'replace', roleIds: [ROLES.writer], divisionId: null } as const
  const batch = await accept(world, newBatch([replace, granting(grant('writer'))], { force: true }))
  await inState(world, batch.id, 'stopped')
  world.platform.grants.set(FIRST, [...HELD, grant('reader', NORTH)])
  await world.store.roleChanges.resume(batch.id, [])
  runner.wake()
  await inState(world, batch.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), [grant('employee'), grant('writer')])
  t.match((await itemsOf(world, batch.id))[0], {
    found: HELD,
    delta: { add: [grant('writer')], remove: [grant('reader'), grant('reader', NORTH)] },
  })
})

test('an error of our own is told without what it says', async (t) => {
  const world = await openWorld(t)
  world.platform.before = () => {
    throw new TypeError('a bug with a token in it')
  }
  openRunner(world)
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  const ended = await inState(world, batch.id, 'failed')
  t.match(ended.error?.message, '1 user failed: an internal error; see the log')
})

test('a batch whose matrix is discarded is given back until there is one again', async (t) => {
  const world = await openWorld(t)
  let matrix = world.publisher.held
  world.platform.before = () => {
    matrix = undefined
  }
  const { counted } = openRunner(world, { matrix: () => matrix })
  const batch = await accept(world, newBatch(THREE))
  await until(() => world.platform.calls.length === 1)
  await until(() => counted.inHand === 0)
  t.match(await itemsOf(world, batch.id), [{ state: 'pending', error: null }, {}, {}])
  world.platform.before = () => undefined
  matrix = world.publisher.held
  world.time.pass(3_000)
  await inState(world, batch.id, 'succeeded')
})

test('a stop waits for the item in hand; resuming does what is left', async (t) => {
  const world = await openWorld(t)
  const writing = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  world.platform.before = async ({ kind }) => {
    if (kind !== 'write') return
    writing.resolve()
    await gate.promise
  }
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  await writing.promise
  t.match(await world.store.roleChanges.requestStop(batch.id, []), { state: 'applying' })
  gate.resolve()
  t.match(await inState(world, batch.id, 'stopped'), {
    error: null,
    counts: { applied: 1, pending: 2 },
  })
  t.same(world.platform.grants.get(FIRST), WITH_WRITER)
  await world.store.roleChanges.resume(batch.id, [])
  runner.wake()
  await inState(world, batch.id, 'succeeded')
  t.equal(world.platform.writes.length, 3)
})

test('a write of which nobody knows is finished, and not done twice, when the batch is resumed', async (t) => {
  const world = await openWorld(t)
  let lost = true
  world.platform.after = () => {
    if (!lost) return
    lost = false
    throw new Failure('upstream-busy', 'POST bulkadd was not answered')
  }
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  t.match(await inState(world, batch.id, 'stopped'), {
    error: { message: /was not answered; it may have been written all the same/ },
  })
  t.match(await itemsOf(world, batch.id), [{ state: 'failed', step: 'planned' }, {}, {}])
  await world.store.roleChanges.resume(batch.id, [])
  runner.wake()
  await inState(world, batch.id, 'succeeded')
  t.equal(world.platform.writes.length, 3)
  t.equal((await trail(world, { userId: FIRST, outcome: 'succeeded' })).length, 1)
  t.same(served(world, FIRST), WITH_WRITER)
})

test('a change is read back until it shows', async (t) => {
  const world = await openWorld(t)
  world.platform.staleReads = 3
  openRunner(world)
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  for (const [done, ms] of [1_000, 2_000, 4_000].entries()) {
    await until(() => world.platform.calls.length === 3 + done)
    t.match(await itemsOf(world, batch.id), [{ state: 'applying', step: 'written' }])
    await until(() => world.time.pausing > 2)
    world.time.pass(ms)
  }
  await inState(world, batch.id, 'succeeded')
  t.match(await itemsOf(world, batch.id), [{ state: 'applied', visible: true }])
})

const QUICK = { firstMs: 0, maxMs: 0, boundMs: -1 }

test('a change that does not show within the bound is applied all the same, and said to be unseen', async (t) => {
  const world = await openWorld(t)
  world.platform.staleReads = 100
  openRunner(world, { readBack: QUICK })
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  await inState(world, batch.id, 'succeeded')
  t.match(await itemsOf(world, batch.id), [{ state: 'applied', visible: false }])
  t.same(served(world, FIRST), WITH_WRITER)
})

test('a platform that cannot be read back fails nothing', async (t) => {
  const world = await openWorld(t)
  world.platform.before = ({ kind }) => {
    if (kind === 'read' && world.platform.writes.length > 0) {
      throw new Failure('upstream-busy', 'GET subjects answered 503')
    }
  }
  openRunner(world, { readBack: QUICK })
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  await inState(world, batch.id, 'succeeded')
})

type ChangeStore = RoleChangeRunnerOptions['store']

/** The world's store, of which some operations are the test's. */
function storeWith({ store }: ChangeWorld, own: Partial<ChangeStore>): ChangeStore {
  return new Proxy(store.roleChanges, {
    get(target, name) {
      const value = Reflect.get(name in own ? own : target, name) as (...args: unknown[]) => unknown
      return value.bind(target)
    },
  })
}

test('without a record nothing more is sent; the batch is gone on with by itself later', async (t) => {
  const world = await openWorld(t)
  let down = true
  const { roleChanges } = world.store
  const store = storeWith(world, {
    async record(claim, step) {
      if (down && step.written) throw new Failure('store-unavailable', 'the database is gone')
      return await roleChanges.record(claim, step)
    },
  })
  const { counted } = openRunner(world, { store })
  const batch = await accept(world, newBatch(THREE))
  await until(() => world.lines.some(({ msg }) => /interrupted/.test(msg)))
  await until(() => counted.inHand === 0)
  t.same(
    world.platform.calls.map(({ kind }) => kind),
    ['read', 'write'],
  )
  t.match(await itemsOf(world, batch.id), [{ state: 'applying', step: 'planned' }, {}, {}])
  t.same(served(world, FIRST), WITH_WRITER, 'what the platform took is served')
  down = false
  world.time.pass(60_000)
  await inState(world, batch.id, 'succeeded')
  t.equal(world.platform.writes.length, 3, 'what was written is not written again')
})

test('a batch whose lease ran out is let go of at once, and nothing is recorded', async (t) => {
  const world = await openWorld(t)
  const writing = Promise.withResolvers<AbortSignal>()
  world.platform.before = async ({ kind }, signal) => {
    if (kind !== 'write') return
    writing.resolve(signal)
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  const signal = await writing.promise
  await until(() => world.time.pausing > 0)
  world.platform.before = () => undefined
  world.time.pass(16_000)
  await until(() => signal.aborted)
  t.match(signal.reason, { code: 'conflict' })
  await inState(world, batch.id, 'succeeded')
  t.same(await trail(world, { outcome: 'failed' }), [])
})

test('a lease is renewed while a batch is in hand', async (t) => {
  const world = await openWorld(t)
  const gate = Promise.withResolvers<void>()
  const writing = Promise.withResolvers<void>()
  world.platform.before = async ({ kind }) => {
    if (kind !== 'write') return
    writing.resolve()
    await gate.promise
  }
  const { roleChanges } = world.store
  let renewals = 0
  const store = storeWith(world, {
    async renew(claim, leaseMs) {
      const renewed = await roleChanges.renew(claim, leaseMs)
      renewals += 1
      return renewed
    },
  })
  openRunner(world, { store })
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  await writing.promise
  for (let i = 1; i <= 5; i++) {
    await until(() => world.time.pausing > 1)
    world.time.pass(5_000)
    await until(() => renewals === i)
  }
  t.equal(await world.store.roleChanges.claim('other', 1_000), undefined)
  gate.resolve()
  await inState(world, batch.id, 'succeeded')
})

test('a service that stops gives its batches back, at whatever they wait for', async (t) => {
  const world = await openWorld(t)
  world.platform.staleReads = 100
  const { runner } = openRunner(world)
  const batch = await accept(world, newBatch(THREE))
  await until(() => world.platform.calls.length === 3)
  await runner[Symbol.asyncDispose]()
  t.match(await itemsOf(world, batch.id), [{ state: 'applying', step: 'written' }, {}, {}])
  world.platform.staleReads = 0
  openRunner(world, { readBack: QUICK })
  await inState(world, batch.id, 'succeeded')
  t.equal(world.platform.writes.length, 3)
})

test('a platform that hangs keeps no service from stopping', async (t) => {
  const world = await openWorld(t)
  world.platform.before = async (_call, signal) => {
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  const { runner } = openRunner(world, { graceMs: 10 })
  const batch = await accept(world, newBatch(THREE))
  await until(() => world.platform.calls.length === 1)
  const disposed = runner[Symbol.asyncDispose]()
  world.time.pass(10)
  await disposed
  t.match(await world.store.roleChanges.claim('other', 1_000), { batch: { id: batch.id } })
})

test('nothing is begun before there is a matrix to go by', async (t) => {
  const world = await openWorld(t)
  let matrix: MatrixPublisher['held']
  openRunner(world, { matrix: () => matrix })
  const batch = await accept(world, newBatch(THREE))
  await until(() => world.time.pausing > 0)
  t.match(await world.store.roleChanges.find(batch.id), { state: 'pending' })
  matrix = world.publisher.held
  world.time.pass(3_000)
  await inState(world, batch.id, 'succeeded')
})

function batchOf(number: number): NewBatch {
  const item = { userId: userId(number), intent: granting(grant('writer')), before: HELD }
  return { ...newBatch([]), items: [item] }
}

function batchOfMany(first: number): NewBatch {
  const items = Array.from({ length: 6 }, (_, i) => batchOf(first + i).items[0]!)
  return { ...newBatch([]), items }
}

test('four batches at a time are in hand, and places beside them for small ones', async (t) => {
  const world = await openWorld(t)
  const gate = Promise.withResolvers<void>()
  world.platform.before = () => gate.promise
  for (const first of [100, 200, 300, 400, 500]) await accept(world, batchOfMany(first))
  for (const number of [1, 2, 3]) await accept(world, batchOf(number))
  const { counted } = openRunner(world)
  await until(() => world.platform.calls.length === 6)
  t.same(
    world.platform.calls.map(({ userId: id }) => id),
    [100, 200, 300, 400, 1, 2].map(userId),
  )
  t.equal(counted.inHand, 6)
  gate.resolve()
  await until(() => world.platform.calls.some(({ userId: id }) => id === userId(3)))
})

test('of two batches of one user the second waits for the first', async (t) => {
  const world = await openWorld(t)
  const gate = Promise.withResolvers<void>()
  world.platform.before = () => gate.promise
  const batches = []
  for (const number of [1, 1, 2]) batches.push(await accept(world, batchOf(number)))
  const { counted } = openRunner(world)
  await until(() => world.platform.calls.length === 2)
  t.equal(counted.inHand, 2)
  gate.resolve()
  for (const { id } of batches.filter((_, i) => i !== 1)) await inState(world, id, 'succeeded')
  // It was made for grants that the first has changed.
  t.match(await inState(world, batches[1]!.id, 'failed'), { counts: { 'changed-meanwhile': 1 } })
})
