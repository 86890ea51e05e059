import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { SqliteLink } from '../../src/store/sqlite-link.ts'
import { testFaults } from './support/fault-contract.ts'
import { batchOf, entry, never, numbered, openTestStore } from './support/store-under-test.ts'
import { createSqliteDatabase, temporaryFolder } from './support/test-database.ts'

testFaults(createSqliteDatabase)

test('a full disk: nothing is recorded, all is still read, and it goes on with room', async (t) => {
  const database = await createSqliteDatabase(t)
  if (database.location.kind !== 'sqlite') throw new Error('not SQLite')
  const small = { ...database.location, maxPages: 90 }
  const { store, close } = openTestStore(t, { ...database, location: small })
  const text = 'x'.repeat(20_000)
  const large = entry({ details: { text } })
  const accepted = await store.roleChanges.accept(batchOf(['u1']), () => [entry()])
  const claim = await store.roleChanges.claim('one', 60_000)
  if (claim === undefined) throw new Error('nothing was claimed')
  let count = 1
  const full = { code: 'store-unavailable' }
  await t.rejects(async () => {
    for (; count < 100; count += 1) await store.audit.append([large])
  }, full)
  t.ok(count > 1 && count < 100, 'there was room for some')
  t.equal(store.state, 'unavailable')
  const step = { item: { position: 0, patch: { state: 'applied' as const } }, audit: [large] }
  await t.rejects(store.roleChanges.record(claim, step), full)
  t.match(await store.roleChanges.find(accepted.batch.id), { counts: { pending: 1, applied: 0 } })
  t.match(await store.audit.verify(never()), { intact: true, checked: count })
  await close()
  const again = openTestStore(t, database)
  await again.store.roleChanges.record(claim, step)
  t.match(await again.store.audit.verify(never()), { intact: true, checked: count + 1 })
})

test('a store without its database waits for it in the background', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'data', 'store.db')
  await writeFile(join(folder, 'data'), 'a file where the folder should be')
  const database = {
    ...(await createSqliteDatabase(t)),
    location: { kind: 'sqlite', path } as const,
  }
  const states: string[] = []
  const { store, entered } = openTestStore(t, database, {
    openWaitMs: 20,
    onState: (state) => states.push(state),
  })
  t.equal(store.state, 'connecting')
  await t.rejects(store.audit.head(), { code: 'store-unavailable' })
  await t.rejects(store.roleChanges.claim('one', 1_000), { code: 'store-unavailable' })
  await entered('unavailable')
  await rm(join(folder, 'data'))
  await mkdir(join(folder, 'data'))
  await entered('ready')
  await store.audit.append([entry()])
  t.same(states, ['unavailable', 'ready'])
  t.equal((await stat(path)).mode & 0o777, 0o600, 'for nobody else to read')
})

test('a store that is closed before its database was there lets go at once', async (t) => {
  const database = await createSqliteDatabase(t)
  const path = join(database.folder, 'file', 'store.db')
  await writeFile(join(database.folder, 'file'), '')
  const { store, close } = openTestStore(t, { ...database, location: { kind: 'sqlite', path } })
  const waiting = store.audit.append([entry()])
  await Promise.all([t.rejects(waiting, { code: 'store-unavailable' }), close()])
})

test('writers of another process are waited for', async (t) => {
  const database = await createSqliteDatabase(t)
  const { store } = openTestStore(t, database)
  const other = openTestStore(t, database, { witnessFile: join(database.folder, 'other.json') })
  await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      (index % 2 ? store : other.store).audit.append(numbered(3)),
    ),
  )
  t.match(await store.audit.verify(never()), { intact: true, checked: 90 })
})

test('the thread: what is pending when it dies is rejected, and another is started', async (t) => {
  const entry = new URL('./support/mortal-thread.ts', import.meta.url)
  const events: string[] = []
  const link = new SqliteLink({ path: '', entry, onThread: (state) => events.push(state) })
  const first = link.session()
  t.same((await link.run(first, 'select 1', [])).rows, ['select 1'])
  const silent = link.run(first, 'silence', [])
  await t.rejects(link.run(first, 'throw', []), /died/)
  await t.rejects(silent, /died/)
  await t.rejects(link.run(first, 'select 2', []), /died/, 'a session ends with its thread')
  t.same((await link.run(link.session(), 'select 3', [])).rows, ['select 3'])
  for (let deaths = 2; deaths <= 5; deaths += 1) {
    await t.rejects(link.run(link.session(), 'exit', []))
  }
  t.throws(() => link.session(), /keeps dying/, 'not again and again')
  t.same(
    events.filter((state) => state === 'crashed'),
    Array.from({ length: 5 }, () => 'crashed'),
  )
  await link[Symbol.asyncDispose]()
  t.throws(() => link.session(), /closed/)
})
