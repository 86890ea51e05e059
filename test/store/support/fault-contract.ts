import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { until } from '../../end-to-end/support/until.ts'
import { entry, never, numbered, openTestStore } from './store-under-test.ts'
import type { CreateDatabase, TestDatabase } from './test-database.ts'
import type { Told } from './writing-process.ts'

const ROUNDS_BEFORE_KILL = 5

/** What goes wrong with any database. */
export function testFaults(createDatabase: CreateDatabase): void {
  test('services that start at once on an empty database all succeed', async (t) => {
    const database = await createDatabase(t)
    const stores = Array.from({ length: 4 }, (_, index) => {
      const witnessFile = join(database.folder, `witness-${index}.json`)
      return openTestStore(t, database, { witnessFile })
    })
    await Promise.all(stores.map(({ store }) => store.ready()))
    await Promise.all(stores.map(({ store }) => store.audit.append(numbered(2))))
    t.match(await stores[0]?.store.audit.verify(never()), { intact: true, checked: 8 })
    for (const { lines } of stores) t.same(lines, [], 'and none had to try twice')
  })

  test('a database that is newer than the code is refused and left as it is', async (t) => {
    const database = await createDatabase(t)
    const first = openTestStore(t, database)
    await first.store.audit.append([entry()])
    await first.close()
    await database.execute(
      `insert into kysely_migration (name, timestamp)
        values ('9999-later', '2099-01-01T00:00:00.000Z')`,
    )
    const { store, lines, entered, close } = openTestStore(t, database, { openWaitMs: 20 })
    await entered('unavailable')
    const newer = { code: 'store-unavailable', message: /newer than this service.*9999-later/ }
    await t.rejects(store.ready(), newer)
    await t.rejects(store.audit.append([entry()]), newer)
    t.equal(store.state, 'unavailable')
    t.ok(lines.some(({ level, msg }) => level === 50 && /could not be opened/.test(msg)))
    await close()
    t.equal(store.state, 'closed')
    await t.rejects(store.ready(), { code: 'store-unavailable', message: /stopping/ })
    t.match(await database.execute(`select sequence from audit_entries`), { length: 1 })
  })

  test('closing a store leaves what it said was recorded, and refuses the rest', async (t) => {
    const database = await createDatabase(t)
    const { store, close } = openTestStore(t, database)
    const appended = Array.from({ length: 20 }, () => store.audit.append(numbered(10)))
    const ended = Promise.allSettled(appended)
    await appended[0]
    await close()
    const settled = await ended
    const written = settled.filter(({ status }) => status === 'fulfilled').length * 10
    const again = openTestStore(t, database)
    t.match(await again.store.audit.verify(never()), { intact: true, checked: written })
  })

  test('a process that is killed while it writes leaves nothing half done', async (t) => {
    const database = await createDatabase(t)
    const told = await killWriting(database)
    await sessionsEnded(database)
    const { store } = openTestStore(t, database)
    const { intact, checked, broken } = await store.audit.verify(never())
    t.same({ intact, broken }, { intact: true, broken: null })
    t.ok(checked >= told.count, 'what was told to be durable is there')
    let batches = 0
    for await (const { subjectId } of store.audit.stream({})) {
      if (subjectId === null) continue
      batches += 1
      t.match(await store.roleChanges.find(subjectId), { counts: { pending: 1 } })
    }
    t.ok(batches >= told.batches)
    const rows = await database.execute(`select id from role_change_batches`)
    t.equal(rows.length, batches, 'no batch without its entry')
    await store.audit.append([entry()])
    t.match(await store.audit.verify(never()), { intact: true, checked: checked + 1 })
  })
}

/** A server carries out what a client had sent before it was killed, and only then lets go of it. */
async function sessionsEnded(database: TestDatabase): Promise<void> {
  if (database.location.kind !== 'postgres') return
  await until('the sessions of the killed process have ended', async () => {
    const others = await database.execute(
      `select pid from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    )
    return others.length === 0
  })
}

async function killWriting({ location, folder }: TestDatabase): Promise<Told> {
  const where = location.kind === 'sqlite' ? location.path : location.url.reveal()
  const script = join(import.meta.dirname, 'writing-process.ts')
  const child = spawn(
    process.execPath,
    [script, location.kind, where, join(folder, 'audit-head.json')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  let rounds = 0
  let last: Told = { count: 0, batches: 0 }
  for await (const line of createInterface({ input: child.stdout })) {
    last = JSON.parse(line) as Told
    rounds += 1
    if (rounds === ROUNDS_BEFORE_KILL) child.kill('SIGKILL')
  }
  const [, signal] = (await exited) as [number | null, string | null]
  if (signal !== 'SIGKILL') throw new Error('the writing process ended by itself')
  return last
}
