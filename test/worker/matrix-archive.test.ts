import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { Matrix, stampRevision } from '../../src/domain/matrix.ts'
import { contentHash } from '../../src/worker/archive-file.ts'
import { expiredArchives } from '../../src/worker/archive-retention.ts'
import { MatrixArchive } from '../../src/worker/matrix-archive.ts'
import type { MatrixArchiveOptions } from '../../src/worker/matrix-archive.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { ANNA, BORIS, ORGANIZATION, smallFacts, user } from '../support/small-facts.ts'

const NOON = Date.parse('2026-11-21T12:00:00Z')
const HOUR = 60 * 60_000
const DAY = 24 * HOUR

function matrixOf(revision: number, subjectIds: readonly string[], takenAt = NOON): Matrix {
  const subjects = subjectIds.map((id) => user(id))
  const buffer = buildMatrix(smallFacts({ takenAt, subjects }))
  stampRevision(buffer, revision)
  return new Matrix(buffer)
}

async function openArchive(t: Test, more: Partial<MatrixArchiveOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'archive-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { logger, lines } = recordingLogger()
  const clock = { now: NOON }
  const open = (others: Partial<MatrixArchiveOptions> = {}): MatrixArchive => {
    const archive = new MatrixArchive({
      path: join(folder, 'archive'),
      origin: { region: 'us-east-1', clientId: 'client' },
      organizationId: ORGANIZATION,
      retentionDays: 0,
      logger,
      now: () => clock.now,
      ...more,
      ...others,
    })
    t.teardown(() => archive[Symbol.asyncDispose]())
    return archive
  }
  const archive = open()
  const offer = async (matrix: Matrix): Promise<void> => {
    archive.offer(matrix)
    await archive.settled()
  }
  const names = async () => (await readdir(join(folder, 'archive')).catch(() => [])).sort()
  return { archive, open, offer, names, clock, lines, folder: join(folder, 'archive') }
}

t.test('archives what differs, at most once an hour, and finds it by time', async (t) => {
  const { archive, offer, names, clock } = await openArchive(t)
  t.same(await archive.at(NOON), { found: undefined, skipped: [] })
  await offer(matrixOf(1, [ANNA]))
  clock.now += HOUR / 2
  await offer(matrixOf(2, [ANNA, BORIS]))
  t.equal((await names()).length, 1, 'the hour is not over')
  clock.now += HOUR / 2
  await offer(matrixOf(3, [ANNA], NOON + HOUR))
  t.equal((await names()).length, 1, 'nothing but revision and time differ')
  await offer(matrixOf(4, [ANNA, BORIS]))
  t.equal((await names()).length, 2)
  const found = async (time: number) => {
    const { found: past } = await archive.at(time)
    return past && [past.archivedAt, past.matrix.revision, past.matrix.userCount]
  }
  t.same(await found(NOON - 1), undefined)
  t.same(await found(NOON), ['2026-11-21T12:00:00.000Z', 1, 1])
  t.same(await found(NOON + HOUR - 1), ['2026-11-21T12:00:00.000Z', 1, 1])
  t.same(await found(NOON + HOUR), ['2026-11-21T13:00:00.000Z', 4, 2])
  t.same(await found(NOON + 100 * DAY), ['2026-11-21T13:00:00.000Z', 4, 2])
  t.ok(
    (await names()).every((name) => name.endsWith('.gz')),
    'nothing is left beside them',
  )
  const [first = ''] = await names()
  t.match(first, /^matrix-20261121T120000000Z-1-[0-9a-f]{64}\.gz$/)
})

t.test('goes on where the process before it ended', async (t) => {
  const { offer, open, names, clock } = await openArchive(t)
  await offer(matrixOf(1, [ANNA]))
  clock.now += HOUR
  const next = open()
  next.offer(matrixOf(2, [ANNA]))
  await next.settled()
  t.equal((await names()).length, 1, 'it is the same')
  next.offer(matrixOf(3, [BORIS, ANNA]))
  await next.settled()
  t.equal((await names()).length, 2)
})

t.test('passes over what cannot be read, and says why', async (t) => {
  const { archive, open, offer, folder, clock } = await openArchive(t)
  await offer(matrixOf(1, [ANNA]))
  const name = (hour: string, hash: string) =>
    join(folder, `matrix-20261121T${hour}0000000Z-9-${hash.repeat(64)}.gz`)
  await writeFile(name('13', 'a'), 'no gzip at all')
  await writeFile(name('14', 'b'), gzipSync('no snapshot either, but long enough to be one'))
  await writeFile(name('15', 'c'), gzipSync(''))
  await writeFile(join(folder, 'something-else.gz'), '')
  clock.now += 6 * HOUR
  const { found, skipped } = await archive.at(clock.now)
  t.equal(found?.matrix.revision, 1)
  t.match(skipped, [
    /^the archive of 2026-11-21T15:00:00.000Z: the snapshot is cut off/,
    /^the archive of 2026-11-21T14:00:00.000Z: the snapshot is no snapshot/,
    /^the archive of 2026-11-21T13:00:00.000Z: the snapshot is damaged/,
  ])
  const elsewhere = open({ organizationId: 'another' })
  const { found: none, skipped: reasons } = await elsewhere.at(clock.now)
  t.equal(none, undefined)
  t.match(reasons.at(-1), /of organisation a0000000/)
  const other = open({ origin: { region: 'eu-west-1', clientId: 'client' } })
  t.match((await other.at(NOON)).skipped, [/another region/])
})

t.test('logs a folder that cannot be written, and goes on', async (t) => {
  const { offer, open, folder, lines, names } = await openArchive(t)
  await writeFile(folder, 'a file where the folder should be')
  await offer(matrixOf(1, [ANNA]))
  t.match(lines.at(-1), { level: 50, msg: 'a matrix was not archived', revision: 1 })
  await rm(folder)
  await offer(matrixOf(2, [ANNA]))
  t.equal((await names()).length, 1)
  const ended = open()
  await ended[Symbol.asyncDispose]()
  ended.offer(matrixOf(3, [BORIS]))
  await ended.settled()
  t.equal((await names()).length, 1, 'nothing is written after the end')
})

t.test('removes what is past its time, and what a process that died left behind', async (t) => {
  const { offer, names, clock, folder } = await openArchive(t, { retentionDays: 30, maxBytes: 1 })
  await offer(matrixOf(1, [ANNA]))
  const left = join(folder, 'matrix.gz.1.tmp')
  await writeFile(left, 'x')
  const longAgo = new Date(Date.now() - 2 * HOUR)
  await utimes(left, longAgo, longAgo)
  await writeFile(join(folder, 'matrix.gz.2.tmp'), 'somebody is writing this')
  clock.now += HOUR
  await offer(matrixOf(2, [ANNA, BORIS]))
  t.match(await names(), [/^matrix-20261121T130000000Z-2-/, 'matrix.gz.2.tmp'])
  t.ok((await stat(join(folder, (await names())[0] ?? ''))).size > 100, 'the newest stays always')
})

const archived = (archivedAt: number, bytes = 10) => {
  return {
    name: new Date(archivedAt).toISOString(),
    archivedAt,
    revision: 1,
    contentHash: '',
    bytes,
  }
}

t.test('keeps two days whole, then the last of each day, within time and size', async (t) => {
  const all = Array.from({ length: 10 * 24 }, (_, hour) => archived(NOON - (239 - hour) * HOUR))
  const kept = (rule: { retentionDays: number; maxBytes: number }) => {
    const expired = new Set(expiredArchives(all, rule, NOON))
    return all.filter((archive) => !expired.has(archive)).map(({ name }) => name)
  }
  const whole = kept({ retentionDays: 0, maxBytes: 1e9 })
  t.equal(whole.length, 48 + 8)
  t.same(whole.slice(0, 2), ['2026-11-11T23:00:00.000Z', '2026-11-12T23:00:00.000Z'])
  const recent = kept({ retentionDays: 5, maxBytes: 1e9 })
  t.equal(recent[0], '2026-11-16T23:00:00.000Z')
  const few = kept({ retentionDays: 0, maxBytes: 500 })
  t.equal(few.length, 50, 'the oldest days go first')
  t.equal(few.at(-1), whole.at(-1))
  t.same(kept({ retentionDays: 0, maxBytes: 0 }), [whole.at(-1)])
})

t.test('knows the same content by its hash', async (t) => {
  const hash = await contentHash(matrixOf(1, [ANNA]))
  t.equal(await contentHash(matrixOf(99, [ANNA], NOON + 1)), hash)
  t.not(await contentHash(matrixOf(1, [ANNA, BORIS])), hash)
})
