import { mock } from 'node:test'
import t from 'tap'
import type { ReportHead, ReportRow } from '../../src/domain/report.ts'
import { openReportText, writeReportText } from '../../src/domain/report-text.ts'
import { startStoredPlane } from '../http/support/stored-plane.ts'

const HEAD = { kind: 'conflicts', title: 'A title', notes: [] as string[] } as unknown as ReportHead

async function read(pieces: readonly string[]) {
  const { head, rows } = await openReportText(
    (async function* all() {
      yield* pieces
    })(),
  )
  const found: ReportRow[] = []
  for await (const part of rows) found.push(...part)
  return { head, rows: found }
}

t.test('a report goes through text in pieces of whole lines', async (t) => {
  for (const lengths of [[], [1], [10, 20, 30], [300_000], [200_000, 200_000, 1, 400_000, 2]]) {
    const rows: ReportRow[] = lengths.map((length) => ({ message: ']}\n'.repeat(length / 3) }))
    const pieces = [
      ...writeReportText(
        HEAD,
        rows.map((row) => JSON.stringify(row)),
      ),
    ]
    t.same(await read(pieces), { head: HEAD, rows })
    t.same(JSON.parse(pieces.join('')), { ...HEAD, rows }, 'and is JSON')
    t.same(await read([pieces.join('')]), { head: HEAD, rows }, 'however it is cut')
  }
  const many = Array.from({ length: 20_000 }, () => JSON.stringify({ message: 'x'.repeat(50) }))
  const pieces = [...writeReportText(HEAD, many)]
  t.equal(pieces.length, 6)
  t.ok(pieces.every(({ length }) => length <= 256 * 1024 + 16))
  await t.rejects(read(['no report']), SyntaxError)
})

t.test('removes reports whose time is over every hour, and after each', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { store, reports, clock } = await startStoredPlane(t)
  const old = await store.reports.create({}, 'anna', '', () => [])
  clock.now += 31 * 24 * 60 * 60_000
  mock.timers.tick(60 * 60_000)
  await reports.settled()
  await t.rejects(store.reports.find(old.id), { code: 'not-found' })
  const older = await reports.start({ kind: 'conflicts' }, { requestedBy: 'anna', requestId: '' })
  await reports.settled()
  t.match(await store.reports.find(older.id), { state: 'succeeded' })
  clock.now += 31 * 24 * 60 * 60_000
  const { id } = await reports.start({ kind: 'conflicts' }, { requestedBy: 'ben', requestId: '' })
  await reports.settled()
  t.match(await store.reports.find(id), { state: 'succeeded' })
  await t.rejects(store.reports.find(older.id), { code: 'not-found' })
})
