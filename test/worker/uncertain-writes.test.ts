import { test } from 'tap'
import type { NewAuditEntry } from '../../src/domain/audit.ts'
import { Failure } from '../../src/domain/failure.ts'
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
const QUICK = { firstMs: 0, maxMs: 0, boundMs: -1 }
const THREE = [granting(grant('writer')), granting(grant('writer')), granting(grant('writer'))]

function timedWriter(world: ChangeWorld) {
  return { ...grant('writer'), until: new Date(world.time.now() + 3_600_000).toISOString() }
}

/** The world's store, which cannot record what was written while `down` says so. */
function forgetfulStore(world: ChangeWorld, down: () => boolean): RoleChangeRunnerOptions['store'] {
  return new Proxy(world.store.roleChanges, {
    get(target, name) {
      const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
      return async (...args: unknown[]) => {
        const [, step] = args as [unknown, { readonly written?: unknown } | undefined]
        if (name === 'record' && step?.written !== undefined && down()) {
          throw new Failure('store-unavailable', 'the database is gone')
        }
        return await value.apply(target, args)
      }
    },
  })
}

test('what was just written is taken away, and given again, though the platform does not show it', async (t) => {
  const world = await openWorld(t)
  world.platform.staleReads = 100
  const { runner } = openRunner(world, { readBack: QUICK })
  const first = await accept(
    world,
    newBatch([
      granting(grant('writer')),
      granting(grant('writer')),
      revoking(grant('reader')),
      revoking(grant('reader')),
    ]),
  )
  await inState(world, first.id, 'succeeded')
  const replace = { kind: 'replace', roleIds: [ROLES.agent], divisionId: null } as const
  const unforced = await accept(
    world,
    newBatch([replace, revoking(grant('writer')), granting(grant('reader'))]),
  )
  await inState(world, unforced.id, 'failed')
  t.match(
    (await itemsOf(world, unforced.id))[0],
    { state: 'changed-meanwhile', error: { message: /another batch changed the grants/ } },
    'it was made for grants that the first has changed',
  )
  const second = await accept(
    world,
    newBatch([replace, revoking(grant('writer')), granting(grant('reader'))], { force: true }),
  )
  runner.wake()
  await inState(world, second.id, 'succeeded')
  t.same(world.platform.grants.get(FIRST), [grant('employee'), grant('agent')])
  t.same(world.platform.grants.get(SECOND), HELD)
  t.same(world.platform.grants.get(THIRD), HELD)
  t.match((await itemsOf(world, second.id))[0], { found: WITH_WRITER })
})

test('what was written before a death, and is not gone on with, is told, served and can be undone', async (t) => {
  const world = await openWorld(t)
  let down = true
  const { counted, runner } = openRunner(world, { store: forgetfulStore(world, () => down) })
  const { id } = await accept(world, newBatch([granting(timedWriter(world), grant('agent'))]))
  await until(() => world.lines.some(({ msg }) => /interrupted/.test(msg)))
  await until(() => counted.inHand === 0 && world.time.pausing === 1)
  const others = [...WITH_WRITER, grant('reader', NORTH)]
  world.platform.grants.set(FIRST, others)
  down = false
  world.time.pass(60_000)
  await inState(world, id, 'failed')
  t.match(await itemsOf(world, id), [
    {
      state: 'changed-meanwhile',
      step: 'written',
      found: HELD,
      error: { message: /others granted 1 and revoked 0/ },
    },
  ])
  t.same(world.platform.grants.get(FIRST), others, 'nothing more is written')
  t.match(await trail(world, { userId: FIRST }), [
    { outcome: 'started' },
    {
      outcome: 'succeeded',
      before: { grants: HELD },
      after: { grants: WITH_WRITER },
      details: { added: [grant('writer')], addedPermissions: ['writer_permission'] },
    },
    { action: 'sunset_scheduled' },
    { outcome: 'skipped' },
  ])
  t.match(await world.store.roleChanges.writtenSince(0), [{ add: [grant('writer')], remove: [] }])
  t.match(await world.store.roleChanges.pendingSunsets({ limit: 9 }), [grant('writer')])
  await world.store.roleChanges.rollback(id, { force: true }, [])
  runner.wake()
  await inState(world, id, 'rolled-back')
  t.same(world.platform.grants.get(FIRST), HELD)
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 9 }), [])
})

test('a timed grant whose write failed has its end all the same, until it is rolled back', async (t) => {
  const world = await openWorld(t)
  world.platform.after = () => {
    throw new Failure('upstream-busy', 'POST bulkadd was not answered')
  }
  const { runner } = openRunner(world)
  const { id } = await accept(world, newBatch([granting(timedWriter(world))]))
  await inState(world, id, 'failed')
  t.same(world.platform.grants.get(FIRST), WITH_WRITER)
  t.match(await world.store.roleChanges.pendingSunsets({ limit: 9 }), [grant('writer')])
  t.match(await trail(world, { action: 'sunset_scheduled' }), [{ userId: FIRST }])
  world.platform.after = () => undefined
  await world.store.roleChanges.rollback(id, { force: false }, [])
  runner.wake()
  await inState(world, id, 'rolled-back')
  t.same(world.platform.grants.get(FIRST), HELD)
  t.same(await world.store.roleChanges.pendingSunsets({ limit: 9 }), [])
})

function asked(action: 'stop' | 'resume' | 'rollback', actor: string): NewAuditEntry {
  return {
    action: `role_changes_${action}`,
    outcome: 'started',
    actor,
    requestId: `request-of-${actor}`,
    userId: null,
    subjectId: null,
    before: null,
    after: null,
    details: {},
  }
}

test('what follows a stop, a resumption or a rollback is the deed of who asked for it', async (t) => {
  const world = await openWorld(t)
  const { roleChanges } = world.store
  const writing = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  world.platform.before = async ({ kind }) => {
    if (kind !== 'write') return
    writing.resolve()
    await gate.promise
  }
  const { runner } = openRunner(world)
  const { id } = await accept(world, newBatch(THREE))
  await writing.promise
  await roleChanges.requestStop(id, [asked('stop', 'bob')])
  gate.resolve()
  await inState(world, id, 'stopped')
  await roleChanges.resume(id, [asked('resume', 'carol')])
  runner.wake()
  await inState(world, id, 'succeeded')
  await roleChanges.rollback(id, { force: false }, [asked('rollback', 'dave')])
  runner.wake()
  t.match(await inState(world, id, 'rolled-back'), { requestedBy: 'anna' })
  const told = async (filter: Parameters<typeof trail>[1]) =>
    (await trail(world, filter)).map(({ actor, requestId }) => [actor, requestId])
  const bob = ['bob', 'request-of-bob']
  const carol = ['carol', 'request-of-carol']
  const dave = ['dave', 'request-of-dave']
  t.same(await told({ action: 'role_changes_ended' }), [bob, carol, dave])
  const anna = ['anna', 'request-1']
  t.same(await told({ userId: FIRST }), [anna, anna, dave, dave])
  t.same(await told({ userId: SECOND }), [carol, carol, dave, dave])
})

test('what failed is tried again after a resumption, not after an interruption', async (t) => {
  const world = await openWorld(t)
  const gate = Promise.withResolvers<void>()
  world.platform.before = async ({ kind, userId: id }) => {
    if (kind === 'write' && id === FIRST) throw refusal()
    if (kind === 'write' && id === SECOND) await gate.promise
  }
  const { runner } = openRunner(world, { graceMs: 0 })
  const { id } = await accept(world, newBatch(THREE, { onFailure: 'continue' }))
  await until(() => world.platform.writes.length === 2)
  const disposed = runner[Symbol.asyncDispose]()
  gate.resolve()
  await disposed
  openRunner(world)
  t.match(await inState(world, id, 'partially-applied'), { counts: { failed: 1, applied: 2 } })
  t.equal(world.platform.writes.filter(({ userId: user }) => user === FIRST).length, 1)
})

test('a reading back that hangs ends with its bound', async (t) => {
  const world = await openWorld(t)
  let hung = 0
  world.platform.before = async ({ kind }, signal) => {
    if (kind !== 'read' || world.platform.writes.length === 0) return
    hung += 1
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  openRunner(world, { leaseMs: 3_600_000 })
  const { id } = await accept(world, newBatch([granting(grant('writer'))]))
  await until(() => hung === 1)
  world.time.pass(60_000)
  await inState(world, id, 'succeeded')
  t.match(await itemsOf(world, id), [{ state: 'applied', visible: false }])
  t.equal(hung, 1)
})

test('a store that is well again is asked as often as ever', async (t) => {
  const world = await openWorld(t)
  let asked = 0
  const store = new Proxy(world.store.roleChanges, {
    get(target, name) {
      const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
      return async (...args: unknown[]) => {
        if (name === 'claim') asked += 1
        if (name === 'claim' && asked <= 3) throw new Failure('store-unavailable', 'gone')
        return await value.apply(target, args)
      }
    },
  })
  openRunner({ ...world, runners: [] }, { store })
  for (const [done, ms] of [6_000, 12_000, 24_000].entries()) {
    await until(() => asked === done + 1 && world.time.pausing === 1)
    world.time.pass(ms)
  }
  await until(() => asked === 4 && world.time.pausing === 1)
  const { batch } = await world.store.roleChanges.accept(newBatch(THREE), () => [])
  world.time.pass(3_000)
  await inState(world, batch.id, 'succeeded')
  t.same(served(world, FIRST), WITH_WRITER)
})
