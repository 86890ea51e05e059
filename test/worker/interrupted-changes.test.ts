import { test } from 'tap'
import type { Test } from 'tap'
import type { NewBatch } from '../../src/domain/role-change-store.ts'
import type { BatchState } from '../../src/domain/role-change.ts'
import type { RoleChangeRunnerOptions } from '../../src/worker/role-change-runner.ts'
import { RUN_ACTS } from '../../src/worker/run-steps.ts'
import type { RunAct, RunStep } from '../../src/worker/run-steps.ts'
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
  served,
  trail,
  userId,
} from './support/change-world.ts'
import type { ChangeWorld } from './support/change-world.ts'
import { refusal } from './support/keeping-platform.ts'
import { ManualTime } from './support/manual-time.ts'

const [FIRST, SECOND, THIRD] = [userId(1), userId(2), userId(3)]
const WITH_WRITER = [...HELD, grant('writer')]
const NEVER = new Promise<never>(() => undefined)

/** A process that dies at a step: from then on it does nothing at all, and nothing tells of it. */
function dieAt(world: ChangeWorld, step: RunStep): Promise<void> {
  const died = Promise.withResolvers<void>()
  let dead = false
  const store = new Proxy(world.store.roleChanges, {
    get(target, name) {
      const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
      return (...args: unknown[]) => (dead ? NEVER : value.apply(target, args))
    },
  })
  const onStep: RoleChangeRunnerOptions['onStep'] = async (reached) => {
    if (reached !== step && !dead) return
    dead = true
    died.resolve()
    await NEVER
  }
  // Not the world's: nobody disposes of a process that was killed.
  const disposables = new AsyncDisposableStack()
  openRunner({ ...world, disposables }, { store, onStep, clock: new ManualTime() })
  return died.promise
}

type Scenario = {
  readonly acts: readonly RunAct[]
  readonly batch: NewBatch
  readonly end: BatchState
  /** What the platform took, in order. */
  readonly writes: readonly string[]
  readonly check: (t: Test, world: ChangeWorld, id: string) => Promise<void>
}

const applied: Scenario = {
  acts: ['planned', 'write', 'written', 'confirmed', 'settled', 'ended'],
  batch: newBatch([
    granting(grant('writer')),
    granting(grant('reader')),
    granting(grant('writer')),
  ]),
  end: 'succeeded',
  writes: [FIRST, THIRD],
  async check(t, world, id) {
    t.match(await itemsOf(world, id), [
      { state: 'applied', step: 'confirmed', found: HELD },
      { state: 'unchanged' },
      { state: 'applied', step: 'confirmed', found: HELD },
    ])
    for (const user of [FIRST, THIRD]) {
      t.same(world.platform.grants.get(user), WITH_WRITER)
      t.same(served(world, user), WITH_WRITER)
      t.match(await trail(world, { userId: user }), [
        { outcome: 'started' },
        { outcome: 'succeeded', before: { grants: HELD }, after: { grants: WITH_WRITER } },
      ])
    }
    t.equal((await trail(world, { action: 'role_changes_ended' })).length, 1)
  },
}

const rolledBack: Scenario = {
  acts: ['undo-planned', 'undo-write', 'undo-written', 'undone', 'ended'],
  batch: newBatch(
    [granting(grant('writer')), granting(grant('writer')), granting(grant('agent'))],
    { onFailure: 'rollback' },
  ),
  end: 'rolled-back',
  writes: [FIRST, SECOND, SECOND, FIRST],
  async check(t, world, id) {
    t.match(await itemsOf(world, id), [
      { state: 'rolled-back', step: 'undone' },
      { state: 'rolled-back', step: 'undone' },
      { state: 'failed' },
    ])
    for (const user of [FIRST, SECOND, THIRD]) {
      t.same(world.platform.grants.get(user), HELD)
      t.same(served(world, user), HELD)
    }
    t.equal((await trail(world, { outcome: 'succeeded', userId: FIRST })).length, 2)
  },
}

async function survive(t: Test, scenario: Scenario, step: RunStep): Promise<void> {
  const world = await openWorld(t)
  const taken: string[] = []
  world.platform.before = ({ kind, userId: id, delta }) => {
    if (kind === 'write' && delta?.add.some(({ roleId }) => roleId === grant('agent').roleId)) {
      throw refusal()
    }
    if (kind === 'write') taken.push(id)
  }
  const { id } = await accept(world, scenario.batch)
  await dieAt(world, step)
  t.equal(await world.store.roleChanges.claim('other', 1_000), undefined, 'the lease holds')
  world.time.pass(16_000)
  openRunner(world)
  await inState(world, id, scenario.end)
  t.same(taken, scenario.writes, 'nothing is lost and nothing written twice')
  await scenario.check(t, world, id)
}

for (const [name, scenario] of Object.entries({ applied, 'rolled-back': rolledBack })) {
  test(`a batch that is ${name} survives the death of its process at every step`, async (t) => {
    for (const act of scenario.acts) {
      for (const moment of ['before', 'after'] as const) {
        // After the end nothing is left to be done.
        if (act === 'ended' && moment === 'after') continue
        await t.test(`${moment} ${act}`, (sub) => survive(sub, scenario, `${moment}-${act}`))
      }
    }
  })
}

test('every step of a run is one of those', (t) => {
  const seen = new Set<RunAct>([...applied.acts, ...rolledBack.acts, 'undo-settled'])
  t.same(seen, new Set(RUN_ACTS))
  t.end()
})
