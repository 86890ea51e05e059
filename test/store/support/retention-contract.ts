import { test } from 'tap'
import { Database } from '../../../src/store/database.ts'
import { createDialect } from '../../../src/store/dialect.ts'
import { verifyChain } from '../../../src/store/verify-chain.ts'
import { recordingLogger } from '../../support/recording-logger.ts'
import { batchOf, entry, never, numbered, openTestStore, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const DAY_MS = 24 * 60 * 60_000

async function endedBatch(
  { store }: Pick<StoreUnderTest, 'store'>,
  user = 'u1',
  until?: string,
): Promise<string> {
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
    clock.now = START + 9 * DAY_MS
    await store.audit.append(numbered(1))
    clock.now = START + 10 * DAY_MS
    await store.audit.append(numbered(3))
    const removed = await store.pruneAudit(new Date(START + 5 * DAY_MS), never())
    t.match(removed, { entries: 6 })
    const { items } = await store.audit.list({}, { limit: 20 })
    t.same(
      items.map(({ sequence }) => sequence),
      [7, 8, 9, 10, 11],
    )
    t.match(items.at(-1), { action: 'audit_pruned', details: { through: 6, removed: 6 } })
    t.match(await store.audit.verify(never()), { intact: true, checked: 5, prunedThrough: 6 })
    t.match(await store.pruneAudit(new Date(START + 5 * DAY_MS), never()), { entries: 0 })
    t.equal((await store.audit.head()).count, 11, 'with nothing to remove nothing is recorded')

    clock.now += DAY_MS
    await store.audit.append([entry()])
    t.match(await store.pruneAudit(new Date(clock.now - 1), never()), { entries: 5 })
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
      other.pruneAudit(new Date(clock.now), never()),
    ])
    t.match(found, { intact: true, broken: null })
    t.match(await store.audit.verify(never()), { intact: true, prunedThrough: 1_500, checked: 501 })
  })

  test('the last entry is never removed', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(3))
    clock.now += DAY_MS
    t.match(await store.pruneAudit(new Date(clock.now + DAY_MS), never()), { entries: 2 })
    t.match(await store.audit.verify(never()), { intact: true, checked: 2, prunedThrough: 2 })
  })

  test('a checkpoint that was edited is found out', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    await store.audit.append(numbered(3))
    clock.now += DAY_MS
    await store.audit.append(numbered(1))
    await store.pruneAudit(new Date(clock.now), never())
    await t.rejects(database.execute(`update audit_checkpoints set through = 1`), /append-only/)
    await t.rejects(database.execute(`delete from audit_checkpoints`), /append-only/)
    await database.dropGuards()
    await database.execute(`delete from audit_checkpoints`)
    t.match(await store.audit.verify(never()), { intact: false, broken: { sequence: 1 } })
  })

  test('ended operations and deliveries that were given up go too, others stay', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const { operations, deliveries } = store
    const begin = async (before: string[]) => {
      const operation = {
        kind: 'organization-allowlist',
        name: '',
        payload: { before, after: [] },
        requestedBy: 'anna',
        requestId: '',
      } as const
      return await operations.begin(operation, { owner: 'one', leaseMs: 1 }, () => [])
    }
    const ended = await begin(['8.8.8.0/24'])
    await operations.end(ended?.id ?? '', { state: 'succeeded', resultId: null }, [])
    const underWay = await begin([])
    await store.audit.append(
      ['a', 'b'].map((subjectId) => entry({ action: 'role_changes_ended', subjectId })),
    )
    const [letter] = await deliveries.claim('callback', { limit: 1, leaseMs: 1 })
    await database.passLeaseTime(DAY_MS, clock)
    if (!letter) throw new Error('nothing was claimed')
    await deliveries.settle(letter, { state: 'failed', pauseMs: 0, error: 'answered 500' })
    await database.passLeaseTime(DAY_MS, clock)
    const olderThan = new Date(clock.now)
    t.match(await store.pruneAudit(olderThan, never()), { operations: 1, deadLetters: 1 })
    t.equal(await operations.undoable(), undefined)
    t.match(await operations.claimAbandoned({ owner: 'two', leaseMs: 1 }), { id: underWay?.id })
    t.match((await deliveries.list({ limit: 5 })).items, [{ subject: /b$/, state: 'pending' }])
  })

  test('batches and reports that have ended go too, others stay', async (t) => {
    const opened = openTestStore(t, await createDatabase(t))
    const { store, clock } = opened
    const ended = await endedBatch(opened, 'u1')
    const withSunset = await endedBatch(opened, 'u2', '2027-01-01T00:00:00Z')
    const waiting = await store.roleChanges.accept(batchOf(['u3']), () => [])
    const done = await store.reports.create({}, 'anna', '', () => [])
    await store.reports.finish(done.id, { state: 'succeeded', content: ['{}'] })
    const running = await store.reports.create({}, 'anna', '', () => [])
    clock.now += 6 * DAY_MS
    const olderThan = new Date(clock.now)
    t.match(await store.pruneAudit(olderThan, never()), { batches: 0, reports: 1 })
    t.match(await store.roleChanges.find(ended), { id: ended }, 'its key may still be asked for')
    clock.now += 2 * DAY_MS
    t.match(await store.pruneAudit(olderThan, never()), { batches: 1, reports: 0 })
    await t.rejects(store.roleChanges.find(ended), { code: 'not-found' })
    t.match(await store.roleChanges.find(withSunset), { id: withSunset })
    t.match(await store.roleChanges.find(waiting.batch.id), { state: 'pending' })
    await t.rejects(store.reports.find(done.id), { code: 'not-found' })
    t.match(await store.reports.find(running.id), { id: running.id })
    const idempotency = { key: 'u1', bodyHash: 'another' }
    const again = await store.roleChanges.accept(batchOf(['u1'], { idempotency }), () => [])
    t.equal(again.created, true, 'after seven days the key is free')
  })

  test('services that prune at once leave one chain, and none fails', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    await store.audit.append(numbered(300))
    clock.now += DAY_MS
    await store.audit.append(numbered(2))
    const others = [1, 2, 3].map((number) => {
      const witnessFile = `${database.folder}/other-${number}.json`
      return openTestStore(t, database, { clock, witnessFile }).store
    })
    await Promise.all(others.map((other) => other.ready()))
    const pruned = await Promise.all(
      [store, ...others].map((each) => each.pruneAudit(new Date(clock.now), never())),
    )
    t.same(
      pruned.map(({ entries }) => entries).toSorted((a, b) => a - b),
      [0, 0, 0, 300],
    )
    for (const each of [store, ...others]) {
      await each.audit.append([entry()])
      t.match(await each.audit.verify(never()), { intact: true, prunedThrough: 300 })
    }
  })

  test('a clock that is years ahead removes nothing, whatever it wrote before', async (t) => {
    for (const starts of [[], [entry()]]) {
      const { store, clock } = openTestStore(t, await createDatabase(t))
      await store.audit.append(numbered(4))
      const batch = await endedBatch({ store })
      clock.now += 10 * 365 * DAY_MS
      await store.audit.append(starts)
      const year = 365 * DAY_MS
      for (let attempts = 0; attempts < 3; attempts += 1) {
        const { withheld, ...removed } = await store.pruneAudit(new Date(clock.now - year), never())
        t.match(withheld, /clock/)
        t.match(removed, { entries: 0, batches: 0, reports: 0 })
      }
      t.match(await store.roleChanges.find(batch), { id: batch })
      const { items } = await store.audit.list({}, { limit: 10 })
      t.equal(items.length, 5, 'it is told once, where no entry has that time yet')
      if (starts.length === 0) {
        t.match(items.at(-1), { action: 'audit_pruned', outcome: 'refused' })
        t.match(items.at(-1)?.details, { clock: new Date(clock.now).toISOString() })
      }
      clock.now += DAY_MS
      t.match(
        await store.pruneAudit(new Date(clock.now - year), never()),
        { entries: 4, withheld: undefined },
        'a time that the trail has lived through for a day is the time',
      )
      t.match(await store.audit.verify(never()), { intact: true, prunedThrough: 4 })
    }
  })

  test('nothing is removed from a trail that contradicts its witness', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    await store.audit.append(numbered(4))
    clock.now += DAY_MS
    await store.audit.append(numbered(4))
    await database.dropGuards()
    await database.execute(
      `delete from audit_entries where sequence > 6`,
      `update audit_head set count = 6, hash = (select hash from audit_entries where sequence = 6)`,
    )
    const { withheld, entries } = await store.pruneAudit(new Date(clock.now), never())
    t.match([withheld, entries], [/witness/, 0])
    t.match(await store.audit.list({}, { limit: 10 }), { items: { length: 6 } })
  })

  test('pruning ends where it is told to', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(4))
    clock.now += DAY_MS
    await store.audit.append(numbered(1))
    const stopping = new AbortController()
    const reason = new Error('the service is stopping')
    const pruning = store.pruneAudit(new Date(clock.now), stopping.signal)
    stopping.abort(reason)
    await t.rejects(pruning, reason)
    t.equal((await store.audit.head()).count, 5)
    t.match(await store.pruneAudit(new Date(clock.now), never()), { entries: 4 })
  })

  test('a verification whose beginning keeps moving says so, and blames no entry', async (t) => {
    const database = await createDatabase(t)
    const opened = openTestStore(t, database)
    const { store, clock } = opened
    for (let day = 0; day < 12; day += 1) {
      await store.audit.append([entry()])
      clock.now += DAY_MS
    }
    await store.audit.append([entry()])
    let day = 0
    const { logger } = recordingLogger()
    const dialect = createDialect(database.location, logger)
    await using direct = new Database({ dialect, logger, onState: () => undefined })
    direct.open(async () => undefined)
    const verifying = verifyChain(
      {
        database: {
          read: async (work) => {
            day += 1
            await store.pruneAudit(new Date(START + day * DAY_MS), never())
            return direct.read(work)
          },
        },
        witness: { head: null, disputed: undefined },
        now: () => clock.now,
      },
      never(),
    )
    await t.rejects(verifying, { name: 'Failure', code: 'overloaded' })
    t.match(await store.audit.verify(never()), { intact: true, prunedThrough: day })
  })
}
