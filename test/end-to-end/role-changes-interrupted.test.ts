import t from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { onBothStores } from './support/both-stores.ts'
import { directGrants, itemStates } from './support/change-desk.ts'
import { Gate, openDesk } from './support/open-desk.ts'
import { until } from './support/until.ts'

// What takes time is waiting: for pauses between publications, for reading back.
t.jobs = 2

const { users, roles, divisions } = SMALL_WORLD
const SUBJECTS = '/api/v2/authorization/subjects'
const WRITES = `POST ${SUBJECTS}/{subjectId}/bulkadd`
const EVALUATOR = `${roles.evaluator} ${divisions.sales}`
const grant = [{ roleId: roles.evaluator, divisionId: divisions.sales }]
const CHANGED = [users.alice, users.olivia, users.heidi]
const updates = CHANGED.map((userId) => ({ userId, grant }))

function holders(simulator: Parameters<typeof directGrants>[0]): string[] {
  const held = Object.entries(directGrants(simulator))
  return held.flatMap(([userId, grants]) => (grants.includes(EVALUATOR) ? [userId] : []))
}

/** Requests that write to one user. */
function writesTo(userId: string) {
  return { method: 'POST', path: `${SUBJECTS}/${userId}/bulkadd` }
}

const REFUSAL = {
  kind: 'status',
  status: 422,
  code: 'max.role.assignments.exceeded',
  message: 'This user has enough roles.',
} as const

onBothStores(
  'a stop waits for the user in hand, and resuming does the rest',
  async (t, database) => {
    const gate = new Gate('before-write')
    const { desk, simulator } = await openDesk(t, database, { onStep: gate.onStep })
    const before = directGrants(simulator)
    const id = await desk.accept({ updates })
    await until('the first user is in hand', () => gate.waiting === 1)
    t.match(await desk.command(id, 'stop'), { status: 202, body: { stopRequested: true } })
    t.match(await desk.find(id), { state: 'applying', counts: { applying: 1, pending: 2 } })
    t.match(await desk.command(id, 'rollback'), { status: 409 })
    gate.open()
    const stopped = await desk.atRest(id)
    t.match(stopped, { state: 'stopped', progress: { done: 1, total: 3 } })
    t.same(itemStates(stopped), ['applied', 'pending', 'pending'])
    t.same(holders(simulator), [users.alice])
    t.match(await desk.command(id, 'resume'), { status: 202 })
    t.equal((await desk.atRest(id)).state, 'succeeded')
    t.same(holders(simulator).toSorted(), CHANGED.toSorted())
    t.equal(simulator.requests.of(WRITES), 3, 'nothing is done twice')
    t.match(await desk.command(id, 'resume'), { status: 409 })
    t.equal((await desk.rollBack(id)).state, 'rolled-back')
    t.same(directGrants(simulator), before)
  },
)

onBothStores('two batches that change one user come one after the other', async (t, database) => {
  const gate = new Gate('before-write')
  const { desk, simulator } = await openDesk(t, database, { onStep: gate.onStep })
  const first = await desk.accept({ updates: updates.slice(0, 2) })
  await until('the first is writing', () => gate.waiting === 1)
  const revoke = grant
  const second = await desk.accept({ updates: [{ userId: users.olivia, revoke }], force: true })
  const other = await desk.accept({ updates: updates.slice(2) })
  await until('the one of others is writing', () => gate.waiting === 2)
  t.match(await desk.find(second), { state: 'pending' }, 'it waits for its user')
  gate.open()
  for (const id of [first, second, other]) t.equal((await desk.atRest(id)).state, 'succeeded')
  t.same(holders(simulator).toSorted(), [users.alice, users.heidi].toSorted())
  const ended = await desk.entries('action=role_changes_ended')
  const order = ended.map(({ subjectId }) => subjectId)
  t.ok(order.indexOf(first) < order.indexOf(second))
})

onBothStores('a refusal stops, is passed over, or undoes what was done', async (t, database) => {
  const { desk, simulator } = await openDesk(t, database)
  const before = directGrants(simulator)
  simulator.faults.add({ ...REFUSAL, match: writesTo(users.olivia) })
  const upstream = { status: 422, code: REFUSAL.code, correlationId: /\S/ }
  const refused = { state: 'failed', error: /This user has enough roles\./, upstream }

  const stopped = await desk.carryOut({ updates })
  t.match(stopped, { state: 'stopped', error: /This user has enough roles\./, upstream })
  t.same(itemStates(stopped), ['applied', 'failed', 'pending'])
  t.match(stopped.items[1], refused)
  t.equal((await desk.rollBack(stopped.id)).state, 'rolled-back')
  t.same(directGrants(simulator), before)

  const passed = await desk.carryOut({ updates, onFailure: 'continue' })
  t.match(passed, { state: 'partially-applied', counts: { applied: 2, failed: 1 }, upstream })
  t.match(passed.items[1], refused)
  t.same(holders(simulator).toSorted(), [users.alice, users.heidi].toSorted())
  t.equal((await desk.rollBack(passed.id)).state, 'rolled-back')

  const undone = await desk.carryOut({ updates, onFailure: 'rollback' })
  t.match(undone, { state: 'rolled-back', error: /This user has enough roles\./, upstream })
  t.same(itemStates(undone), ['rolled-back', 'failed', 'pending'])
  t.same(directGrants(simulator), before)

  const failed = await desk.entries('action=role_assignment_change&outcome=failed')
  t.equal(failed.length, 3)
  for (const { userId, details } of failed) {
    t.match({ userId, details }, { userId: users.olivia, details: { upstream } })
  }
  simulator.faults.clear()
  const again = await desk.carryOut({ updates })
  t.equal(again.state, 'succeeded', 'the way is free again')
})

onBothStores('storms, lost answers and lost tokens end in success', async (t, database) => {
  const { desk, simulator } = await openDesk(t, database, {
    overrides: { upstream: { requestTimeoutMs: 3_000 } },
    async onStep(step) {
      if (step === 'after-confirmed') simulator.revokeTokens()
    },
  })
  const busy = { kind: 'status', status: 429 } as const
  const { alice, bob, heidi, olivia } = users
  const struck = [
    simulator.faults.add({ ...busy, times: 2, retryAfterSeconds: 1, match: writesTo(alice) }),
    simulator.faults.add({ ...busy, times: 2, match: writesTo(olivia) }),
    simulator.faults.add({ kind: 'hang', times: 1, match: writesTo(heidi) }),
    simulator.faults.add({ kind: 'lost-answer', times: 1, match: writesTo(bob) }),
    simulator.faults.add({
      ...busy,
      times: 2,
      match: { method: 'GET', path: new RegExp(heidi) },
    }),
  ]
  const more = [...updates, { userId: bob, grant }]
  const batch = await desk.carryOut({ updates: more })
  t.match(batch, { state: 'succeeded', counts: { applied: 4 } })
  for (const { rule, applied } of struck) t.equal(applied, rule.times, JSON.stringify(rule))
  t.same(holders(simulator).toSorted(), [...CHANGED, bob].toSorted())
})

onBothStores(
  'a storm that does not end fails the user, who is resumed after it',
  async (t, database) => {
    const { desk, simulator } = await openDesk(t, database)
    simulator.faults.add({ kind: 'status', status: 429, match: writesTo(users.olivia) })
    const stopped = await desk.carryOut({ updates })
    t.match(stopped, {
      state: 'stopped',
      items: [{}, { state: 'failed', upstream: { status: 429 } }],
    })
    simulator.faults.clear()
    await desk.command(stopped.id, 'resume')
    t.match(await desk.atRest(stopped.id), { state: 'succeeded', counts: { applied: 3 } })
    t.same(holders(simulator).toSorted(), CHANGED.toSorted())
  },
)

onBothStores(
  'a write of which nobody knows is found when it is resumed, or undone',
  async (t, database) => {
    const { desk, simulator, caller } = await openDesk(t, database)
    const before = directGrants(simulator)
    const losing = () => {
      simulator.faults.add({ kind: 'lost-answer', times: 3, match: writesTo(users.olivia) })
      return desk.carryOut({ updates: updates.slice(1) })
    }
    const first = await losing()
    t.match(first, { state: 'stopped', error: /may have been written all the same/ })
    t.same(itemStates(first), ['failed', 'pending'])
    t.same(holders(simulator), [users.olivia], 'it was')
    await desk.command(first.id, 'resume')
    t.equal((await desk.atRest(first.id)).state, 'succeeded')
    t.equal(simulator.requests.of(WRITES), 4, 'three times for one, and once for the other')
    t.equal((await desk.rollBack(first.id)).state, 'rolled-back')
    t.same(directGrants(simulator), before)

    const second = await losing()
    t.same(holders(simulator), [users.olivia])
    t.equal((await desk.rollBack(second.id)).state, 'rolled-back')
    t.same(directGrants(simulator), before)
    const question = { userId: users.olivia, permission: 'quality:evaluation:view' }
    t.equal(await caller.outcome(question), 'not_granted')
  },
)

onBothStores(
  'a role that is deleted meanwhile halts the batch, which can be undone',
  async (t, database) => {
    const { desk, simulator, caller } = await openDesk(t, database, {
      async onStep(step) {
        if (step === 'after-confirmed' && simulator.world.roles.has(roles.evaluator)) {
          simulator.deleteRole(roles.evaluator)
        }
      },
    })
    const batch = await desk.carryOut({ updates })
    t.match(batch, { state: 'stopped', upstream: { status: 404 } })
    t.same(itemStates(batch), ['applied', 'failed', 'pending'])
    t.equal((await desk.rebuild({ allowShrink: true })).state, 'succeeded')
    const question = { userId: users.alice, permission: 'quality:evaluation:view' }
    t.equal(await caller.outcome(question), 'not_granted', 'the role is gone for everybody')
    const undone = await desk.rollBack(batch.id)
    t.equal(undone.state, 'rolled-back', JSON.stringify(undone))
    t.same(holders(simulator), [])
  },
)

onBothStores(
  'a batch that waits is stopped at once; what is over is told as it is',
  async (t, database) => {
    const gate = new Gate('before-write')
    const { desk, simulator, caller } = await openDesk(t, database, { onStep: gate.onStep })
    const first = await desk.accept({ updates })
    const second = await desk.accept({ updates: [{ userId: users.heidi, newRoleIds: [] }] })
    t.match(await desk.command(second, 'stop'), { status: 202, body: { state: 'stopped' } })
    t.match(await desk.command(second, 'stop'), { status: 202 }, 'asking twice is no error')
    t.match(await desk.command(second, 'rollback'), { status: 409 }, 'it has applied nothing')
    t.match(await desk.command(second, 'resume'), { status: 202, body: { state: 'pending' } })
    t.match(await desk.command(second, 'stop'), { status: 202, body: { state: 'stopped' } })
    gate.open()
    t.equal((await desk.atRest(first)).state, 'succeeded')
    t.match(await desk.command(first, 'stop'), { status: 409 })
    t.match(await desk.command('none', 'stop'), { status: 404 })
    t.same(itemStates(await desk.find(second)), ['pending'])
    const { revision } = (await caller.ready()).body
    t.match(await desk.submit({ updates, baseRevision: revision + 1 }), { status: 400 })
    t.match(await desk.submit({ updates, baseRevision: 0 }), { status: 410 })
    simulator.deleteUser(users.heidi)
    await desk.command(second, 'resume')
    t.match(await desk.atRest(second), { state: 'failed', error: /no such user/ })
  },
)
