import { test } from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { SunsetSchedule } from '../../src/worker/sunset-schedule.ts'
import {
  accept,
  grant,
  granting,
  HELD,
  inState,
  itemsOf,
  newBatch,
  openRunner,
  openWorld,
  revoking,
  trail,
  userId,
} from './support/change-world.ts'
import type { ChangeWorld } from './support/change-world.ts'
import { refusal } from './support/keeping-platform.ts'
import { until } from './support/manual-time.ts'

const [FIRST, SECOND] = [userId(1), userId(2)]
const WITH_WRITER = [...HELD, grant('writer')]
const HOUR = 3_600_000

function timed(world: ChangeWorld, role: 'writer' | 'reader', ms = HOUR) {
  return { ...grant(role), until: new Date(world.time.now() + ms).toISOString() }
}

function openSchedule(world: ChangeWorld) {
  const { store, publisher, logger, time, runners, disposables } = world
  const seen: { pending: number; overdue: number }[] = []
  const schedule = disposables.use(
    new SunsetSchedule({
      store: store.roleChanges,
      matrix: () => publisher.held,
      onQueued: () => {
        for (const runner of runners) runner.wake()
      },
      metrics: { sunsetsSeen: (counts) => seen.push(counts) },
      logger,
      clock: time,
    }),
  )
  schedule.begin()
  return { schedule, seen }
}

/** Lets time pass, and with it one look at what is due. */
async function tick(world: ChangeWorld, seen: readonly unknown[], ms = 20_000): Promise<void> {
  const looks = seen.length
  await until(() => world.time.pausing > 0)
  world.time.pass(ms)
  await until(() => seen.length > looks, 'a look at what is due')
}

function sunsetBatches(world: ChangeWorld) {
  return world.store.roleChanges
    .list({ limit: 100 })
    .then(({ items }) => items.filter(({ requestedBy }) => requestedBy === 'sunset'))
}

async function applied(world: ChangeWorld, ...batch: Parameters<typeof newBatch>) {
  const { id } = await accept(world, newBatch(...batch))
  return await inState(world, id, 'succeeded')
}

test('a grant is taken back when its time is over, also one that was held already', async (t) => {
  const world = await openWorld(t)
  openRunner(world)
  const { seen } = openSchedule(world)
  const { id } = await applied(world, [
    granting(timed(world, 'writer')),
    granting(timed(world, 'reader')),
  ])
  t.match(await itemsOf(world, id), [{ state: 'applied' }, { state: 'unchanged' }])
  t.match(await trail(world, { action: 'sunset_scheduled', userId: SECOND }), [
    { actor: 'anna', details: { sunsets: [grant('reader')] } },
  ])
  await tick(world, seen)
  t.same(seen.at(-1), { pending: 2, overdue: 0 })
  t.same(await sunsetBatches(world), [])
  await tick(world, seen, HOUR)
  const batches = await sunsetBatches(world)
  t.equal(batches.length, 2, 'each user has a batch of their own')
  for (const batch of batches) await inState(world, batch.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), HELD)
  t.same(world.platform.grants.get(SECOND), [grant('employee')])
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 10 }), [])
  t.match(await trail(world, { actor: 'sunset', userId: FIRST }), [
    { action: 'role_changes_accepted', details: { sunsets: [{ setBy: id, requestedBy: 'anna' }] } },
    { action: 'role_assignment_change', outcome: 'started' },
    { action: 'role_assignment_change', outcome: 'succeeded', after: { grants: HELD } },
  ])
})

test('what came due while nobody was there is taken back at the start', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  await applied(world, [granting(timed(world, 'writer'))])
  await runner[Symbol.asyncDispose]()
  world.time.pass(2 * HOUR)
  openRunner(world)
  const { seen } = openSchedule(world)
  await until(() => seen.length > 0)
  const [batch] = await sunsetBatches(world)
  await inState(world, batch!.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), HELD)
})

test('a grant that was prolonged, revoked or given for good meanwhile is not taken back', async (t) => {
  const world = await openWorld(t)
  openRunner(world)
  const { seen } = openSchedule(world)
  await applied(world, [granting(timed(world, 'writer')), granting(timed(world, 'writer'))])
  const held = { force: true }
  await applied(
    world,
    [granting(timed(world, 'writer', 3 * HOUR)), granting(grant('writer'))],
    held,
  )
  await tick(world, seen, HOUR)
  t.same(await sunsetBatches(world), [])
  t.match(await world.store.roleChanges.pendingSunsets({ limit: 10 }), [{ userId: FIRST }])
  await applied(world, [revoking(grant('writer'))], held)
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 10 }), [])
})

test('a sunset whose turn comes after the grant was prolonged takes nothing back', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  const { seen } = openSchedule(world)
  await applied(world, [granting(timed(world, 'writer'))])
  await runner[Symbol.asyncDispose]()
  // Both are queued while nobody carries anything out; the longer time comes first.
  const later = await accept(
    world,
    newBatch([granting(timed(world, 'writer', 3 * HOUR))], { force: true }),
  )
  await tick(world, seen, HOUR)
  const [due] = await sunsetBatches(world)
  openRunner(world)
  await inState(world, later.id, 'succeeded')
  t.match(await inState(world, due!.id, 'succeeded'), { counts: { unchanged: 1 } })
  t.same(world.platform.grants.get(FIRST), WITH_WRITER)
  t.equal((await world.store.roleChanges.pendingSunsets({ limit: 10 })).length, 1)
})

test('a sunset that fails becomes due again, and is told as overdue', async (t) => {
  const world = await openWorld(t)
  openRunner(world)
  const { seen } = openSchedule(world)
  await applied(world, [granting(timed(world, 'writer'))])
  world.platform.before = ({ kind }) => {
    if (kind === 'write') throw refusal()
  }
  await tick(world, seen, HOUR)
  const [first] = await sunsetBatches(world)
  await inState(world, first!.id, 'failed')
  world.platform.before = () => undefined
  await tick(world, seen, 61_000)
  t.same(seen.at(-1), { pending: 1, overdue: 1 })
  const batches = await sunsetBatches(world)
  t.equal(batches.length, 2)
  await inState(world, batches[0]!.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), HELD)
})

test('no rule keeps a grant beyond its time', async (t) => {
  const world = await openWorld(t)
  openRunner(world, {
    rules: [
      {
        name: 'writer-reads',
        kind: 'requires',
        role: 'writer',
        requires: ['reader'],
        scope: 'overall',
      },
    ],
  })
  const { seen } = openSchedule(world)
  await applied(world, [granting(grant('writer'), timed(world, 'reader'))])
  await tick(world, seen, HOUR)
  const [batch] = await sunsetBatches(world)
  await inState(world, batch!.id, 'succeeded')
  t.match(await itemsOf(world, batch!.id), [
    { state: 'applied', conflicts: [{ rule: 'writer-reads' }] },
  ])
})

test('rolling a batch back calls its sunsets off', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  const { id } = await applied(world, [
    granting(timed(world, 'writer')),
    granting(timed(world, 'reader')),
  ])
  await world.store.roleChanges.rollback(id, { force: false }, [])
  runner.wake()
  await inState(world, id, 'rolled-back')
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 10 }), [])
  t.match(await trail(world, { userId: SECOND, outcome: 'succeeded' }), [
    { action: 'sunset_scheduled' },
    { details: { operation: 'rollback', sunsetsCancelled: [grant('reader')] } },
  ])
})

test('rolling a batch back gives grants back with the time that they had', async (t) => {
  const world = await openWorld(t)
  const { runner } = openRunner(world)
  const untils = [timed(world, 'writer'), timed(world, 'reader'), timed(world, 'writer')]
  await applied(
    world,
    untils.map((until) => granting(until)),
  )
  const set = await world.store.roleChanges.pendingSunsets({ limit: 10 })
  const { id } = await applied(
    world,
    [
      revoking(grant('writer')),
      granting(grant('reader')),
      { kind: 'replace', roleIds: [], divisionId: null },
    ],
    { force: true },
  )
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 10 }), [])
  await world.store.roleChanges.rollback(id, { force: false }, [])
  runner.wake()
  await inState(world, id, 'rolled-back')
  const told = (sunsets: typeof set) =>
    new Set(sunsets.map((one) => `${one.userId} ${one.roleId} ${one.until}`))
  t.same(told(await world.store.roleChanges.pendingSunsets({ limit: 10 })), told(set))
  t.same(new Set(world.platform.grants.get(FIRST)), new Set(WITH_WRITER))
})

test('a store that is down is told of once, and asked again', async (t) => {
  const world = await openWorld(t)
  let asked = 0
  const { roleChanges } = world.store
  const dueSunsets = roleChanges.dueSunsets.bind(roleChanges)
  roleChanges.dueSunsets = async (...args) => {
    asked += 1
    if (asked <= 2) throw new Failure('store-unavailable', 'the database is gone')
    return await dueSunsets(...args)
  }
  const { seen } = openSchedule(world)
  await until(() => world.time.pausing === 1)
  world.time.pass(20_000)
  await until(() => asked === 2 && world.time.pausing === 1)
  await tick(world, seen)
  t.equal(world.lines.filter(({ msg }) => msg === 'due sunsets cannot be taken up').length, 1)
})
