import { test } from 'tap'
import { batchOf, entry, never, numbered, openTestStore, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const DAY_MS = 24 * 60 * 60_000

async function endedBatch({ store }: StoreUnderTest, user: string, until?: string) {
  const idempotency = { key: user, bodyHash: 'h' }
  const batch = batchOf([user], { idempotency })
  const accepted = await store.roleChanges.accept(batch, () => [])
  const claim = await store.roleChanges.claim('one', 1_000)
  if (claim === undefined) throw new Error('nothing was claimed')
  const grant = { userId: user, roleId: 'r', divisionId: '*' }
  await store.roleChanges.record(claim, {
    batch: { state: 'succeeded' },
    ...(until === undefined ? {} : { sunsets: [{ ...grant, until }] }),
    audit: [],
  })
  return accepted.batch.id
}

/** What retention removes and leaves, whichever database it works on. */
export function testRetention(createDatabase: CreateDatabase): void {
  test('pruning removes old entries and leaves a chain that verifies', async (t) => {
    const database = await createDatabase(t)
    const opened = openTestStore(t, database)
    const { store, clock } = opened
    await store.audit.append(numbered(6))
    clock.now = START + 10 * DAY_MS
    await store.audit.append(numbered(4))
    const removed = await store.pruneAudit(new Date(START + 5 * DAY_MS))
    t.match(removed, { entries: 6 })
    const { items } = await store.audit.list({}, { limit: 20 })
    t.same(
      items.map(({ sequence }) => sequence),
      [7, 8, 9, 10, 11],
    )
    t.match(items.at(-1), { action: 'audit_pruned', details: { through: 6, removed: 6 } })
    t.match(await store.audit.verify(never()), { intact: true, checked: 5, prunedThrough: 6 })
    t.match(await store.pruneAudit(new Date(START + 5 * DAY_MS)), { entries: 0 })
    t.equal((await store.audit.head()).count, 11, 'with nothing to remove nothing is recorded')

    clock.now += DAY_MS
    await store.audit.append([entry()])
    t.match(await store.pruneAudit(new Date(clock.now - 1)), { entries: 5 })
    t.match(await store.audit.verify(never()), { intact: true, checked: 2, prunedThrough: 11 })
    await opened.close()
    const again = openTestStore(t, database)
    t.match(await again.store.audit.verify(never()), { intact: true }, 'also after a restart')
    await t.rejects(
      database.execute(`delete from audit_entries where sequence = 12`),
      /append-only/,
    )
    await database.dropGuards()
    await database.execute(`delete from audit_entries where sequence = 12`)
    t.match(await again.store.audit.verify(never()), { intact: false, broken: { sequence: 12 } })
  })

  test('a verification that another service prunes under begins anew', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    await store.audit.append(numbered(1_500))
    clock.now += DAY_MS
    await store.audit.append(numbered(500))
    const witnessFile = `${database.folder}/other.json`
    const other = openTestStore(t, database, { clock, witnessFile }).store
    const [found] = await Promise.all([
      store.audit.verify(never()),
      other.pruneAudit(new Date(clock.now)),
    ])
    t.match(found, { intact: true, broken: null })
    t.match(await store.audit.verify(never()), { intact: true, prunedThrough: 1_500, checked: 501 })
  })

  test('the last entry is never removed', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(3))
    clock.now += 30 * DAY_MS
    t.match(await store.pruneAudit(new Date(clock.now)), { entries: 2 })
    t.match(await store.audit.verify(never()), { intact: true, checked: 2, prunedThrough: 2 })
  })

  test('a checkpoint that was edited is found out', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    await store.audit.append(numbered(3))
    clock.now += DAY_MS
    await store.audit.append(numbered(1))
    await store.pruneAudit(new Date(clock.now))
    await t.rejects(database.execute(`update audit_checkpoints set through = 1`), /append-only/)
    await t.rejects(database.execute(`delete from audit_checkpoints`), /append-only/)
    await database.dropGuards()
    await database.execute(`delete from audit_checkpoints`)
    t.match(await store.audit.verify(never()), { intact: false, broken: { sequence: 1 } })
  })

  test('batches and reports that have ended go too, others stay', async (t) => {
    const opened = openTestStore(t, await createDatabase(t))
    const { store, clock } = opened
    const ended = await endedBatch(opened, 'u1')
    const withSunset = await endedBatch(opened, 'u2', '2027-01-01T00:00:00Z')
    const waiting = await store.roleChanges.accept(batchOf(['u3']), () => [])
    const done = await store.reports.create({}, 'anna', '', () => [])
    await store.reports.finish(done.id, { state: 'succeeded', content: '{}' })
    const running = await store.reports.create({}, 'anna', '', () => [])
    clock.now += 6 * DAY_MS
    const olderThan = new Date(clock.now)
    t.match(await store.pruneAudit(olderThan), { batches: 0, reports: 1 })
    t.match(await store.roleChanges.find(ended), { id: ended }, 'its key may still be asked for')
    clock.now += 2 * DAY_MS
    t.match(await store.pruneAudit(olderThan), { batches: 1, reports: 0 })
    await t.rejects(store.roleChanges.find(ended), { code: 'not-found' })
    t.match(await store.roleChanges.find(withSunset), { id: withSunset })
    t.match(await store.roleChanges.find(waiting.batch.id), { state: 'pending' })
    await t.rejects(store.reports.find(done.id), { code: 'not-found' })
    t.match(await store.reports.find(running.id), { id: running.id })
    const idempotency = { key: 'u1', bodyHash: 'another' }
    const again = await store.roleChanges.accept(batchOf(['u1'], { idempotency }), () => [])
    t.equal(again.created, true, 'after seven days the key is free')
  })
}
