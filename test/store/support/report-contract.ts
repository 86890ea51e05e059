import { test } from 'tap'
import { MAX_REPORT_LENGTH } from '../../../src/domain/report-store.ts'
import { entry, openTestStore, oversized, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

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
    await reports.finish(id, { state: 'succeeded', content: '{"a":"é"}' })
    t.match(await reports.find(id), {
      state: 'succeeded',
      finishedAt: START + 5,
      content: '{"a":"é"}',
    })
    await t.rejects(reports.finish(id, { state: 'failed', error: 'no' }), { code: 'conflict' })
    await t.rejects(reports.finish('unknown', { state: 'failed', error: '' }), {
      code: 'not-found',
    })
    await t.rejects(reports.find('unknown'), { code: 'not-found' })
    const failed = await reports.create(request, 'anna', '', () => [])
    await reports.finish(failed.id, { state: 'failed', error: 'too much' })
    t.match(await reports.find(failed.id), { state: 'failed', error: 'too much' })
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
    const content = 'x'.repeat(MAX_REPORT_LENGTH + 1)
    await t.rejects(store.reports.finish(id, { state: 'succeeded', content }), {
      code: 'too-large',
    })
    t.match(await store.reports.find(id), { state: 'running' })
  })

  test('a report whose process ended is failed', async (t) => {
    const database = await createDatabase(t)
    const first = openTestStore(t, database)
    const { id } = await first.store.reports.create({}, 'anna', '', () => [])
    await first.close()
    const clock = { now: START + 31 * 60_000 }
    const { store } = openTestStore(t, database, { clock })
    t.match(await store.reports.find(id), { state: 'failed', error: 'interrupted' })
    await t.rejects(store.reports.finish(id, { state: 'succeeded', content: '{}' }), {
      code: 'conflict',
    })
  })
}
