import { appendFile, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { ALLOWED, evaluate, UNKNOWN_USER } from '../../src/domain/evaluate.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { MatrixPublisher } from '../../src/worker/matrix-publisher.ts'
import { SnapshotFolder } from '../../src/worker/snapshot-folder.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { ANNA, BORIS, ORGANIZATION, smallFacts, user } from '../support/small-facts.ts'

const ORIGIN = { region: 'mypurecloud.com', clientId: 'client-1' }

function createPublisher(now = () => 1_000_000, monotonicNow = now) {
  const reserved: number[] = []
  const published: number[] = []
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 60,
    now,
    monotonicNow,
    reserveRevision: async (revision) => {
      reserved.push(revision)
    },
    onPublished: (matrix) => published.push(matrix.revision),
  })
  return { publisher, reserved, published }
}

async function folderIn(t: Test, organizationId?: string) {
  const path = await mkdtemp(join(tmpdir(), 'snapshots-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  const { logger, lines } = recordingLogger()
  const results: string[] = []
  const openFolder = async (origin = ORIGIN, organization = organizationId) => {
    const folder = new SnapshotFolder({
      path,
      origin,
      organizationId: organization,
      logger,
      now: () => 1_000_000,
      onWritten: (result) => results.push(result),
    })
    await folder.open()
    return folder
  }
  return { path, lines, results, openFolder }
}

function matrixOf(revision: number, subjects = smallFacts().subjects): Matrix {
  const buffer = buildMatrix(smallFacts({ subjects }))
  const matrix = new Matrix(buffer)
  new Float64Array(buffer)[8] = revision
  return matrix
}

test('a publisher without a matrix is not ready, which is not a denial', (t) => {
  const { publisher } = createPublisher()
  t.throws(() => publisher.current(), { code: 'not-ready' })
  t.throws(() => publisher.at(1), { code: 'not-ready' })
  t.end()
})

test('revisions rise by one with each swap and are reserved before anyone sees them', async (t) => {
  const { publisher, reserved, published } = createPublisher()
  publisher.restore(undefined, 41)
  await publisher.publish(async () => buildMatrix(smallFacts()))
  await publisher.publish(async () => buildMatrix(smallFacts()))
  t.same(reserved, [42, 43])
  t.same(published, [42, 43])
  t.equal(publisher.current().revision, 43)
  t.equal(publisher.at(42).revision, 42, 'the one before can still be paged through')
  t.throws(() => publisher.at(7), { code: 'gone' })
})

async function publishMany(publisher: MatrixPublisher, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await publisher.publish(async () => buildMatrix(smallFacts()))
}

test('a matrix that a token names outlives any number of swaps', async (t) => {
  const { publisher } = createPublisher()
  await publishMany(publisher, 1)
  publisher.hold(publisher.current())
  await publishMany(publisher, 1)
  const slow = publisher.current()
  await publishMany(publisher, 50)
  publisher.hold(slow)
  await publishMany(publisher, 50)
  t.equal(publisher.at(1).revision, 1, 'named while it was served')
  t.equal(publisher.at(2).revision, 2, 'named by a search that began on it')
  t.equal(publisher.at(87).revision, 87, 'the last ones are held without a token')
  t.throws(() => publisher.at(50), { code: 'gone', message: /no longer held/ })
})

test('a matrix is held for fifteen minutes from the last token that names it', async (t) => {
  let now = 1_000_000
  const publisher = new MatrixPublisher({
    ...{ maxAgeSeconds: 3_600, now: () => now, monotonicNow: () => now },
    ...{ reserveRevision: async () => undefined, onPublished: () => undefined },
  })
  await publishMany(publisher, 1)
  const first = publisher.current()
  publisher.hold(first)
  await publishMany(publisher, 1)
  now += 10 * 60_000
  publisher.hold(first)
  now += 15 * 60_000
  t.equal(publisher.at(1), first)
  now += 1
  t.throws(() => publisher.at(1), { code: 'gone' })
})

test('what was discarded is held for nobody', async (t) => {
  const { publisher } = createPublisher()
  await publishMany(publisher, 1)
  const foreign = publisher.current()
  publisher.hold(foreign)
  publisher.discard()
  publisher.hold(foreign)
  await publishMany(publisher, 1)
  t.throws(() => publisher.at(1), { code: 'gone' })
})

test('an old matrix is served no longer than the current one would be', async (t) => {
  let now = 1_000_000
  const { publisher } = createPublisher(() => now)
  await publishMany(publisher, 1)
  publisher.hold(publisher.current())
  now += 30_000
  await publisher.publish(async () => buildMatrix(smallFacts({ takenAt: now })))
  now += 30_000
  t.equal(publisher.at(1).revision, 1)
  now += 1
  t.equal(publisher.current().revision, 2)
  t.throws(() => publisher.at(1), { code: 'gone', message: /too old/ })
})

test('publications stand on each other, whatever order their work ends in', async (t) => {
  const { publisher } = createPublisher()
  const gate = Promise.withResolvers<void>()
  const slow = publisher.publish(async () => {
    await gate.promise
    return buildMatrix(smallFacts())
  })
  const fast = publisher.publish(async (held) => {
    t.equal(held?.revision, 1, 'the second sees what the first published')
    return buildMatrix(smallFacts({ subjects: [user(ANNA), user(BORIS)] }))
  })
  gate.resolve()
  await Promise.all([slow, fast])
  t.equal(publisher.current().userCount, 2)
})

test('a publication that fails changes nothing and does not stop the next', async (t) => {
  const { publisher } = createPublisher()
  await publisher.publish(async () => buildMatrix(smallFacts()))
  await t.rejects(
    publisher.publish(async () => {
      throw new Error('no')
    }),
  )
  t.equal(await publisher.publish(async () => undefined), undefined)
  t.equal(publisher.current().revision, 1)
  await publisher.publish(async () => buildMatrix(smallFacts()))
  t.equal(publisher.current().revision, 2)
})

test('a matrix past its age is held but not served', async (t) => {
  let now = 1_000_000
  const { publisher } = createPublisher(() => now)
  await publisher.publish(async () => buildMatrix(smallFacts()))
  now += 60_000
  t.equal(publisher.ageSeconds(publisher.current()), 60)
  now += 1
  t.throws(() => publisher.current(), { code: 'not-ready', message: /at most 60 s/ })
  t.ok(publisher.held)
})

test('a clock that is set back makes no matrix younger', async (t) => {
  let wall = 1_000_000
  let monotonic = 0
  const { publisher } = createPublisher(
    () => wall,
    () => monotonic,
  )
  await publisher.publish(async () => buildMatrix(smallFacts()))
  wall = 0
  t.equal(publisher.ageSeconds(publisher.current()), 0)
  monotonic = 61_000
  t.throws(() => publisher.current(), { code: 'not-ready' })
})

test('what is built on a discarded matrix is not published', async (t) => {
  const { publisher, published } = createPublisher()
  await publisher.publish(async () => buildMatrix(smallFacts()))
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const merging = publisher.publish(async () => {
    begun.resolve()
    await gate.promise
    return buildMatrix(smallFacts())
  })
  await begun.promise
  publisher.discard()
  gate.resolve()
  t.equal(await merging, undefined)
  t.notOk(publisher.held)
  t.same(published, [1])
  await publisher.publish(async () => buildMatrix(smallFacts()))
  t.equal(publisher.current().revision, 3, 'a revision that was reserved is not used again')
})

test('a snapshot from the future is refused, and those of another organisation go', async (t) => {
  const { openFolder, path } = await folderIn(t)
  const folder = await openFolder()
  folder.save(new Matrix(buildMatrix(smallFacts({ takenAt: 1_000_000 + 301_000 }))))
  await folder.settled()
  t.equal((await folder.restore()).matrix, undefined)
  folder.save(matrixOf(3))
  await folder.settled()
  t.ok((await folder.restore()).matrix)
  await folder.forget()
  t.same(
    (await readdir(path)).filter((name) => name.endsWith('.snapshot')),
    [],
  )
})

test('readers of an old matrix are not disturbed by a swap', async (t) => {
  const { publisher } = createPublisher()
  await publisher.publish(async () => buildMatrix(smallFacts()))
  const old = publisher.current()
  await publisher.publish(async () => buildMatrix(smallFacts({ subjects: [] })))
  t.equal(evaluate(old, ANNA, 'routing:queue:view'), ALLOWED)
  t.equal(evaluate(publisher.current(), ANNA, 'routing:queue:view'), UNKNOWN_USER)
})

test('a snapshot brings back the matrix and its revision', async (t) => {
  const { openFolder, results, path } = await folderIn(t)
  const folder = await openFolder()
  t.same(
    await folder.restore(),
    { matrix: undefined, lastRevision: 0 },
    'an empty folder is no error',
  )
  await folder.reserveRevision(7)
  folder.save(matrixOf(7))
  await folder.settled()
  t.same(results, ['written'])
  const { matrix, lastRevision } = await (await openFolder()).restore()
  t.equal(matrix?.revision, 7)
  t.equal(lastRevision, 7)
  t.equal(matrix && evaluate(matrix, ANNA, 'routing:queue:view'), ALLOWED)
  t.equal(matrix?.takenAt, 1_000_000, 'its age is that of its facts')
  t.same(
    (await readdir(path)).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('a revision that was reserved is not used again after a crash before its snapshot', async (t) => {
  const { openFolder } = await folderIn(t)
  const folder = await openFolder()
  folder.save(matrixOf(7))
  await folder.settled()
  await folder.reserveRevision(8)
  const { matrix, lastRevision } = await (await openFolder()).restore()
  t.equal(matrix?.revision, 7)
  t.equal(lastRevision, 8)
})

test('while one snapshot is written only the latest of those that come is kept, and old ones go', async (t) => {
  const { openFolder, path } = await folderIn(t)
  const folder = await openFolder()
  for (let revision = 1; revision <= 20; revision++) folder.save(matrixOf(revision))
  await folder.settled()
  for (const revision of [21, 22]) {
    folder.save(matrixOf(revision))
    await folder.settled()
  }
  const names = (await readdir(path)).filter((name) => name.startsWith('matrix-'))
  t.same(names.sort(), ['matrix-000000000021.snapshot', 'matrix-000000000022.snapshot'])
})

test('every way of damaging a snapshot is noticed, and the one before it serves', async (t) => {
  const { openFolder, path, lines } = await folderIn(t)
  const folder = await openFolder()
  for (const revision of [1, 2]) {
    folder.save(matrixOf(revision))
    await folder.settled()
  }
  const newest = join(path, 'matrix-000000000002.snapshot')
  const sound = await readFile(newest)
  const restored = async () => (await (await openFolder()).restore()).matrix?.revision
  t.equal(await restored(), 2)
  for (let position = 0; position < sound.length; position += Math.ceil(sound.length / 97)) {
    const damaged = Buffer.from(sound)
    damaged[position] = (damaged[position] ?? 0) ^ 0x10
    await writeFile(newest, damaged)
    t.equal(await restored(), 1, `a bit flipped in byte ${position}`)
  }
  for (const length of [0, 7, 15, 40, sound.length - 1]) {
    await writeFile(newest, sound.subarray(0, length))
    t.equal(await restored(), 1, `cut off after ${length} bytes`)
  }
  await writeFile(newest, sound)
  await appendFile(newest, 'x')
  t.equal(await restored(), 1, 'a byte too many')
  t.ok(lines.some((line) => line.msg === 'a snapshot is not used'))
})

test('a snapshot of another region, client or organisation is refused', async (t) => {
  const { openFolder } = await folderIn(t)
  const folder = await openFolder()
  folder.save(matrixOf(3))
  await folder.settled()
  const restored = async (...args: Parameters<typeof openFolder>) =>
    await (await openFolder(...args)).restore()
  t.equal((await restored(ORIGIN, ORGANIZATION)).matrix?.revision, 3)
  t.same(await restored({ ...ORIGIN, region: 'mypurecloud.ie' }), {
    matrix: undefined,
    lastRevision: 3,
  })
  t.same(await restored({ ...ORIGIN, clientId: 'client-2' }), {
    matrix: undefined,
    lastRevision: 3,
  })
  t.same(await restored(ORIGIN, 'another'), { matrix: undefined, lastRevision: 3 })
})

test('a folder that cannot be written stops the start and says so', async (t) => {
  const { path } = await folderIn(t)
  const file = join(path, 'file')
  await (await open(file, 'w')).close()
  const { logger } = recordingLogger()
  const folder = new SnapshotFolder({
    path: join(file, 'below'),
    origin: ORIGIN,
    organizationId: undefined,
    logger,
    now: () => 1_000_000,
    onWritten: () => undefined,
  })
  await t.rejects(folder.open(), { code: 'invalid', message: /DATA_DIR/ })
})

test('a disk that takes nothing more is logged and counted, and stops nobody', async (t) => {
  const { openFolder, path, results, lines } = await folderIn(t)
  const folder = await openFolder()
  await rm(path, { recursive: true })
  await folder.reserveRevision(1)
  folder.save(matrixOf(1))
  await folder.settled()
  t.same(results, ['failed'])
  t.ok(lines.some((line) => line.msg === 'the snapshot was not written'))
  t.ok(lines.some((line) => line.msg === 'a revision could not be reserved'))
})
