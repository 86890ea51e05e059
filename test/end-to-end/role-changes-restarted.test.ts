import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { startPostgres } from '../store/support/postgres-server.ts'
import { endBatchLeases } from '../store/support/test-database.ts'
import { databaseUrl, onBothStores, postgres } from './support/both-stores.ts'
import { ChangeDesk, directGrants } from './support/change-desk.ts'
import { environment, temporaryFolder } from './support/environment.ts'
import { Gate, openDesk } from './support/open-desk.ts'
import { startServiceProcess } from './support/processes.ts'
import { startPlatform } from './support/service-under-test.ts'
import { until } from './support/until.ts'

const { users, roles, divisions } = SMALL_WORLD
const MORTAL = [process.execPath, 'test/end-to-end/support/mortal-service.ts']
const WRITE = '/api/v2/authorization/subjects/{subjectId}/bulkadd'
const WRITES = `POST ${WRITE}`
const grant = [{ roleId: roles.evaluator, divisionId: divisions.sales }]
const CHANGED = [users.alice, users.bob, users.carol, users.dave, users.heidi, users.olivia]
const updates = CHANGED.map((userId) => ({ userId, grant }))

function holders(simulator: Parameters<typeof directGrants>[0]): string[] {
  const wanted = `${roles.evaluator} ${divisions.sales}`
  const held = Object.entries(directGrants(simulator))
  return held.flatMap(([userId, grants]) => (grants.includes(wanted) ? [userId] : [])).toSorted()
}

onBothStores(
  'a service that is told to stop leaves a batch to the next one',
  async (t, database) => {
    await using folder = await temporaryFolder()
    const simulator = await startPlatform()
    t.teardown(() => simulator.close())
    const env = { ...environment(simulator.url, folder.path), ...databaseUrl(database) }
    const gate = Promise.withResolvers<void>()
    const match = { method: 'POST', path: WRITE }
    simulator.faults.add({ kind: 'slow', until: gate.promise, match, after: 2 })
    let id = ''
    {
      await using service = await startServiceProcess(env)
      await service.caller.untilReady()
      id = await new ChangeDesk(service.caller).accept({ updates })
      await until('it is in the midst of it', () => simulator.requests.of(WRITES) === 3)
      service.child.kill('SIGTERM')
      await until('it stops', () => service.lines().some(({ msg }) => msg === 'stopping'))
      gate.resolve()
      t.same(await service.exited, { code: 0, signal: null })
    }
    t.equal(simulator.requests.of(WRITES), 3, 'no other user was begun')
    t.equal(holders(simulator).length, 3, 'the user in hand was finished')
    await using service = await startServiceProcess(env)
    const desk = new ChangeDesk(service.caller)
    const batch = await desk.atRest(id)
    t.match(batch, { state: 'succeeded', counts: { applied: CHANGED.length } })
    t.same(holders(simulator), CHANGED.toSorted())
    t.equal(simulator.requests.of(WRITES), CHANGED.length, 'nothing is done twice')
    t.match(await desk.verification(), { intact: true })
  },
)

test('two services on one PostgreSQL do no batch twice, and know of each other', async (t) => {
  const database = await (await postgres()).createDatabase(t)
  await using folders = new AsyncDisposableStack()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const start = async () => {
    const { path } = folders.use(await temporaryFolder())
    return startServiceProcess({ ...environment(simulator.url, path), ...databaseUrl(database) })
  }
  await using first = await start()
  await using second = await start()
  for (const { caller } of [first, second]) await caller.untilReady()
  const desks = [first, second].map(({ caller }) => new ChangeDesk(caller))
  // Both are asked for every change at once: by its key only one of them accepts it.
  const accepted = await Promise.all(
    updates.map(async (update) => {
      const headers = { 'idempotency-key': update.userId }
      const answers = desks.map((desk) => desk.accept({ updates: [update] }, headers))
      return new Set(await Promise.all(answers))
    }),
  )
  const ids = accepted.flatMap((each) => [...each])
  t.equal(ids.length, CHANGED.length, 'one batch a key')
  const [desk = new ChangeDesk(first.caller)] = desks
  for (const id of ids) t.equal((await desk.atRest(id)).state, 'succeeded')
  t.same(holders(simulator), CHANGED.toSorted())
  t.equal(simulator.requests.of(WRITES), CHANGED.length)
  t.equal((await desk.get('/admin/v1/role-changes')).items.length, CHANGED.length)
  const ended = await desk.entries('action=role_changes_ended')
  t.same(ended.map(({ subjectId }) => subjectId).toSorted(), ids.toSorted(), 'each ended once')
  for (const { caller } of [first, second]) {
    t.equal((await new ChangeDesk(caller).rebuild()).state, 'succeeded')
    const question = { userId: users.olivia, permission: 'quality:evaluation:view' }
    t.equal(await caller.outcome(question), 'conditional')
  }
  t.same(await desk.entries('action=drift'), [], "the other's changes are no drift")
  t.match(await desk.verification(), { intact: true })
})

test('what a killed service leaves is gone on with by another one', async (t) => {
  const database = await (await postgres()).createDatabase(t)
  await using folders = new AsyncDisposableStack()
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  const start = async (KILL_FILE: string) => {
    const { path } = folders.use(await temporaryFolder())
    const env = { ...environment(simulator.url, path), ...databaseUrl(database), KILL_FILE }
    return startServiceProcess(env, MORTAL)
  }
  const { path: folder } = folders.use(await temporaryFolder())
  const killFile = join(folder, 'kill-at')
  await using first = await start(killFile)
  await first.caller.untilReady()
  await writeFile(killFile, 'after-write')
  const id = await new ChangeDesk(first.caller).accept({ updates })
  t.match(await first.exited, { signal: 'SIGKILL' })
  t.equal(holders(simulator).length, 1, 'one user has it, and nobody has recorded that')
  await endBatchLeases(database)
  await using second = await start('')
  const desk = new ChangeDesk(second.caller)
  t.match(await desk.atRest(id), { state: 'succeeded', counts: { applied: CHANGED.length } })
  t.same(holders(simulator), CHANGED.toSorted())
  t.equal(simulator.requests.of(WRITES), CHANGED.length, 'nothing is done twice')
  t.match(await desk.verification(), { intact: true })
})

test('without its database checks go on, and nothing is changed that is not recorded', async (t) => {
  const server = await startPostgres()
  t.teardown(() => server[Symbol.asyncDispose]())
  const { desk, caller, simulator } = await openDesk(t, await server.createDatabase(t))
  const question = { userId: users.alice, permission: 'routing:queue:view' }
  const update = updates.slice(0, 1)
  await server.stop()
  const refused = await until('the loss is noticed', async () => {
    const answer = await desk.submit({ updates: update })
    return answer.status !== 500 && answer
  })
  t.match(refused, { status: 503, body: { type: /:store-unavailable$/ } })
  t.equal(await caller.outcome(question), 'allowed')
  t.equal((await caller.ready()).status, 200)
  for (const path of ['/admin/v1/role-changes', '/admin/v1/audit/verification']) {
    t.match(await desk.ask(path), { status: 503, body: { type: /:store-unavailable$/ } }, path)
  }
  const simulated = await desk.simulate(update)
  t.match(simulated, { blastRadius: { users: 1 } }, 'a simulation needs no database')
  t.same(holders(simulator), [], 'nothing was written')
  await server.start()
  const accepted = await until('it is there again', async () => {
    const answer = await desk.submit({ updates: update })
    return answer.status === 202 && answer
  })
  t.equal((await desk.atRest(accepted.body.id)).state, 'succeeded')
  t.same(holders(simulator), [users.alice])
  t.match(await desk.verification(), { intact: true })
})

test('a batch whose database goes away in the midst is gone on with when it is back', async (t) => {
  const server = await startPostgres()
  t.teardown(() => server[Symbol.asyncDispose]())
  const gate = new Gate('before-written')
  const { onStep } = gate
  const database = await server.createDatabase(t)
  const { desk, simulator } = await openDesk(t, database, { onStep })
  const id = await desk.accept({ updates: updates.slice(0, 3) })
  await until('the platform has taken the first change', () => gate.waiting === 1)
  await server.stop()
  gate.open()
  t.equal((await desk.ask(`/admin/v1/role-changes/${id}`)).status, 503)
  t.equal(holders(simulator).length, 1, 'without a record nothing more is sent')
  await server.start()
  await endBatchLeases(database)
  const batch = await until('the batch has come to rest', async () => {
    const { status, body } = await desk.ask(`/admin/v1/role-changes/${id}`)
    return status === 200 && body.finishedAt !== undefined && body
  })
  t.match(batch, { state: 'succeeded', counts: { applied: 3 } })
  t.equal(simulator.requests.of(WRITES), 3, 'nothing is done twice')
  t.match(await desk.verification(), { intact: true })
})
