import tap, { test } from 'tap'
import { Secret } from '../../src/domain/secret.ts'
import { testBackupOrder } from './support/backup-contract.ts'
import { testFaults } from './support/fault-contract.ts'
import { POSTGRES_PASSWORD, startPostgres } from './support/postgres-server.ts'
import { testStore } from './support/store-contract.ts'
import {
  batchOf,
  entry,
  never,
  numbered,
  openTestStore,
  START,
} from './support/store-under-test.ts'

const server = await startPostgres()
tap.teardown(() => server[Symbol.asyncDispose]())

testStore((t) => server.createDatabase(t))
testFaults((t) => server.createDatabase(t))
testBackupOrder(
  'PostgreSQL',
  /^pg_dump /,
  (t) => server.createDatabase(t),
  (t, source) => server.copyDatabase(t, source),
)

/** Everything that could be shown or logged of an error, causes included. */
function tellAll(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.message} ${JSON.stringify(error)} ${error.stack} ${tellAll(error.cause)}`
}

test('connections that the server ends are replaced, and nothing else ends', async (t) => {
  const database = await server.createDatabase(t)
  const { store } = openTestStore(t, database)
  await store.audit.append(numbered(2))
  let failures = 0
  const writing = (async () => {
    for (let index = 0; index < 40; index += 1) {
      await store.audit.append([entry()]).catch(({ code }: { code: string }) => {
        t.equal(code, 'store-unavailable')
        failures += 1
      })
    }
  })()
  for (let index = 0; index < 5; index += 1) {
    await database.execute(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    )
  }
  await writing
  // The last ones may end only now: each costs what it was used for, and no more.
  for (let appended = false; !appended;) {
    appended = await store.audit.append([entry()]).then(
      () => true,
      (error: unknown) => {
        t.match(error, { code: 'store-unavailable' })
        return false
      },
    )
  }
  const { intact, checked } = await store.audit.verify(never())
  t.equal(intact, true)
  t.ok(checked >= 43 - failures)
})

test('a server that stops is told of without its password, and found again', async (t) => {
  const database = await server.createDatabase(t)
  const states: string[] = []
  const { store, lines } = openTestStore(t, database, { onState: (state) => states.push(state) })
  await store.audit.append([entry()])
  await server.stop()
  try {
    for (const call of [
      () => store.audit.append([entry()]),
      () => store.audit.head(),
      () => store.ready(),
      () => store.roleChanges.claim('one', 1_000),
    ]) {
      const error: unknown = await call().catch((thrown: unknown) => thrown)
      t.match(error, { name: 'Failure', code: 'store-unavailable' })
      t.notMatch(tellAll(error), POSTGRES_PASSWORD)
    }
    t.equal(store.state, 'unavailable')
  } finally {
    await server.start()
  }
  await store.ready()
  await store.audit.append([entry()])
  t.match(await store.audit.verify(never()), { intact: true, checked: 2 })
  t.same(states, ['ready', 'unavailable', 'ready'])
  t.notMatch(JSON.stringify(lines), POSTGRES_PASSWORD)
})

test('a store whose server is not there opens once it is', async (t) => {
  const database = await server.createDatabase(t)
  await server.stop()
  const { store, lines, entered } = openTestStore(t, database, { openWaitMs: 30 })
  try {
    await t.rejects(store.ready(), { code: 'store-unavailable' })
    await entered('unavailable')
  } finally {
    await server.start()
  }
  const patient = openTestStore(t, database, {
    openWaitMs: 60_000,
    witnessFile: `${database.folder}/patient.json`,
  })
  await patient.store.ready()
  t.ok(lines.some(({ msg }) => /could not be opened/.test(msg)))
})

test('leases go by the clock of the server, whatever those of the services say', async (t) => {
  const database = await server.createDatabase(t)
  const { store } = openTestStore(t, database)
  const ahead = openTestStore(t, database, {
    clock: { now: START + 60 * 60_000 },
    witnessFile: `${database.folder}/ahead.json`,
  }).store
  const { batch } = await store.roleChanges.accept(batchOf(['u1']), () => [])
  const claim = await store.roleChanges.claim('one', 60_000)
  t.ok(claim)
  t.equal(await ahead.roleChanges.claim('two', 60_000), undefined)
  t.match(await ahead.roleChanges.requestStop(batch.id, []), { state: 'applying' })
  t.equal(claim && (await store.roleChanges.renew(claim, 60_000)), true)
  t.equal(await ahead.roleChanges.claim('two', 60_000), undefined)
})

test('operations and deliveries go by the clock of the server too', async (t) => {
  const database = await server.createDatabase(t)
  const { store } = openTestStore(t, database, { eventTargets: ['callback'] })
  const ahead = openTestStore(t, database, {
    clock: { now: START + 60 * 60_000 },
    witnessFile: `${database.folder}/ahead.json`,
  }).store
  const lease = { owner: 'one', leaseMs: 60_000 }
  const operation = {
    kind: 'environment',
    name: 'dev',
    payload: {},
    requestedBy: 'anna',
    requestId: '',
  } as const
  const begun = await store.operations.begin(operation, lease, () => [])
  if (!begun) throw new Error('it was refused')
  t.equal(await ahead.operations.claimAbandoned({ owner: 'two', leaseMs: 1 }), undefined)
  await ahead.operations.renew([begun.id], lease)
  t.equal(await store.operations.claimAbandoned({ owner: 'two', leaseMs: 1 }), undefined)
  await store.operations.end(begun.id, { state: 'succeeded', resultId: 'e1' }, [])
  const minute = 60_000
  for (const [each, now] of [
    [store, START],
    [ahead, START + 60 * minute],
  ] as const) {
    t.same(await each.operations.environmentsSince(now - minute), [{ id: 'e1', name: 'dev' }])
    t.same(await each.operations.environmentsSince(now + minute), [])
  }
  await store.audit.append([entry({ action: 'role_changes_ended', subjectId: 'a' })])
  const claim = { limit: 1, leaseMs: minute }
  const [claimed] = await store.deliveries.claim('callback', claim)
  if (!claimed) throw new Error('nothing was claimed')
  t.same(await ahead.deliveries.claim('callback', claim), [])
  const failed = { state: 'failed', pauseMs: minute, error: 'no' } as const
  t.equal(await ahead.deliveries.settle(claimed, failed), 'pending')
  t.same(await ahead.deliveries.claim('callback', claim), [])
})

test('a refused password reaches no message and no log', async (t) => {
  const database = await server.createDatabase(t)
  const wrong = 'not-the-password'
  const url = new Secret(`postgres://postgres:${wrong}@127.0.0.1:${server.port}/test_1`)
  const location = { kind: 'postgres', url } as const
  const options = { openWaitMs: 20 }
  const { store, lines, entered } = openTestStore(t, { ...database, location }, options)
  await entered('unavailable')
  const error: unknown = await store.ready().catch((thrown: unknown) => thrown)
  t.match(error, { code: 'store-unavailable' })
  t.notMatch(tellAll(error), wrong)
  t.ok(lines.length > 0)
  t.notMatch(JSON.stringify(lines), wrong)
})

test('what is no URL is refused at once, without showing it', async (t) => {
  const database = await server.createDatabase(t)
  const location = { kind: 'postgres', url: new Secret('postgres//hunter2@x') } as const
  t.throws(() => openTestStore(t, { ...database, location }), {
    code: 'invalid',
    message: 'DATABASE_URL is not a URL',
  })
})
