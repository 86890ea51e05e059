import { test } from 'tap'
import { MAX_REPORT_LENGTH } from '../../../src/domain/report-store.ts'
import { entry, openTestStore, oversized, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const DAY_MS = 24 * 60 * 60_000

async function allOf(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}

/** Reports, whichever database they are in. */
export function testReports(createDatabase: CreateDatabase): void {
  test('a report is created with its audit entry, finished once, and found', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    const { reports } = store
    const request = { kind: 'changes', from: '2026-01-01' }
    const { id } = await reports.create(request, 'anna', 'request-1', (subjectId) => [
      entry({ action: 'report_created', subjectId }),
    ])
    t.same(await reports.find(id), {
      id,
      state: 'running',
      request,
      requestedBy: 'anna',
      requestId: 'request-1',
      createdAt: START,
      finishedAt: null,
    })
    t.match((await store.audit.list({ subjectId: id }, { limit: 1 })).items, { length: 1 })
    clock.now += 5
    await t.rejects(allOf(reports.content(id)), { code: 'conflict' })
    const content = ['{"a":"é",', '"b":1}']
    await reports.finish(id, { state: 'succeeded', content })
    t.same(await allOf(reports.content(id)), content)
    t.match(await reports.find(id), {
      state: 'succeeded',
      finishedAt: START + 5,
    })
    await t.rejects(reports.finish(id, { state: 'failed', error: 'no' }), { code: 'conflict' })
    await t.rejects(reports.finish('unknown', { state: 'failed', error: '' }), {
      code: 'not-found',
    })
    await t.rejects(reports.find('unknown'), { code: 'not-found' })
    const failed = await reports.create(request, 'anna', '', () => [])
    await reports.finish(failed.id, { state: 'failed', error: 'too much' })
    t.match(await reports.find(failed.id), { state: 'failed', error: 'too much' })
    await t.rejects(allOf(reports.content(failed.id)), { code: 'conflict' })
    await t.rejects(allOf(reports.content('unknown')), { code: 'not-found' })
  })

  test('no report is made whose audit entry is refused, and none beyond its size', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    let given = ''
    await t.rejects(
      store.reports.create({}, 'anna', '', (id) => {
        given = id
        return [oversized()]
      }),
      { code: 'invalid' },
    )
    await t.rejects(store.reports.find(given), { code: 'not-found' })
    const { id } = await store.reports.create({}, 'anna', '', () => [])
    const content = ['x', 'x'.repeat(MAX_REPORT_LENGTH)]
    await t.rejects(store.reports.finish(id, { state: 'succeeded', content }), {
      code: 'too-large',
    })
    t.match(await store.reports.find(id), { state: 'running' })
    await store.reports.finish(id, { state: 'succeeded', content: ['{}'] })
    t.same(await allOf(store.reports.content(id)), ['{}'], 'nothing of it was left')
  })

  test('a report whose process ended is failed', async (t) => {
    const database = await createDatabase(t)
    const first = openTestStore(t, database)
    const { id } = await first.store.reports.create({}, 'anna', '', () => [])
    await database.execute(`insert into report_pieces values ('${id}', 0, 'half of it')`)
    await first.close()
    const clock = { now: START + 31 * 60_000 }
    const { store } = openTestStore(t, database, { clock })
    t.match(await store.reports.find(id), { state: 'failed', error: 'interrupted' })
    await t.rejects(store.reports.finish(id, { state: 'succeeded', content: ['{}'] }), {
      code: 'conflict',
    })
    const left = await database.execute(`select * from report_pieces`)
    t.same(left, [])
  })
  test('reports go after thirty days, and the oldest where they take too much room', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    const { reports } = store
    const made = async (): Promise<string> => {
      const { id } = await reports.create({}, 'anna', '', () => [])
      await reports.finish(id, { state: 'succeeded', content: ['{', '}'] })
      return id
    }
    const old = await made()
    const { id: abandoned } = await reports.create({}, 'anna', '', () => [])
    clock.now += 10 * DAY_MS
    const large = await made()
    const newer = await made()
    t.equal(await reports.removeExpired(), 0)
    const reading = reports.content(old)[Symbol.asyncIterator]()
    t.equal((await reading.next()).value, '{')
    clock.now += 20 * DAY_MS + 1
    t.equal(await reports.removeExpired(), 2)
    await t.rejects(reading.next(), { code: 'gone' })
    for (const id of [old, abandoned]) await t.rejects(reports.find(id), { code: 'not-found' })
    await database.execute(`update reports set length = 1073741824`)
    t.equal(await reports.removeExpired(), 1)
    await t.rejects(reports.find(large), { code: 'not-found' })
    t.match(await reports.find(newer), { state: 'succeeded' }, 'the newest stays')
    await database.execute(`update reports set length = 1073741825`)
    t.equal(await reports.removeExpired(), 0)
  })
}
