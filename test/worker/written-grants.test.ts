import { test } from 'tap'
import type { Test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import type { Grant, SubjectFact } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import { mergeSubjects } from '../../src/domain/merge-subjects.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { subjectFacts } from '../../src/domain/matrix-facts.ts'
import type { Written, WrittenGrants } from '../../src/domain/role-change-store.ts'
import { MatrixPublisher } from '../../src/worker/matrix-publisher.ts'
import { RecentlyWrittenGrants } from '../../src/worker/written-grants.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { user } from '../support/small-facts.ts'
import { grant, HELD, ROLES, userId, worldFacts } from './support/change-world.ts'
import { ManualTime, until } from './support/manual-time.ts'

const [FIRST, SECOND, THIRD] = [userId(1), userId(2), userId(3)]
const WITH_WRITER = [...HELD, grant('writer')]
const MINUTE = 60_000

type Surroundings = {
  readonly stored?: () => Promise<readonly WrittenGrants[]>
  /** By how much the clock on the wall was set forward. */
  readonly jump?: { readonly ms: number }
}

function open(t: Test, more: Surroundings = {}) {
  const { logger, lines } = recordingLogger()
  const time = new ManualTime()
  const clock = {
    now: () => time.now() + (more.jump?.ms ?? 0),
    elapsed: () => time.elapsed(),
    pause: (ms: number, signal?: AbortSignal) => time.pause(ms, signal),
  }
  const merges: (readonly SubjectFact[])[] = []
  const faults: Error[] = []
  const gate = { open: Promise.resolve() }
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 36_000,
    now: () => time.now(),
    monotonicNow: () => time.elapsed(),
    reserveRevision: async () => undefined,
    onPublished: () => undefined,
  })
  const written = new RecentlyWrittenGrants({
    store: { writtenSince: more.stored ?? (async () => []) },
    publisher,
    workshop: {
      merge: async (base, subjects) => {
        merges.push(subjects)
        await gate.open
        const fault = faults.shift()
        if (fault) throw fault
        return mergeSubjects(base, subjects)
      },
    },
    logger,
    clock,
  })
  t.teardown(() => written[Symbol.asyncDispose]())
  const publish = () => publisher.publish(async () => buildMatrix(worldFacts()))
  const served = (id: string): readonly Grant[] | undefined => {
    return subjectFacts(publisher.current(), [id])[0]?.grants
  }
  let notes = 0
  const note = (id: string, delta: Partial<Written>): void => {
    notes += 1
    written.note({ id: `own-${notes}`, userId: id, add: [], remove: [], ...delta })
  }
  return { written, time, publisher, publish, served, note, merges, faults, gate, lines }
}

test('what is noted is served at once, and what is noted meanwhile all together', async (t) => {
  const { written, publish, publisher, served, note, merges, gate, time } = open(t)
  await publish()
  const opening = Promise.withResolvers<void>()
  gate.open = opening.promise
  note(FIRST, { add: [grant('writer')] })
  await until(() => merges.length === 1)
  note(SECOND, { remove: [grant('reader')] })
  note(THIRD, { add: [grant('writer')] })
  note(THIRD, { remove: [grant('writer')], add: [grant('agent')] })
  opening.resolve()
  await until(() => publisher.current().revision === 2)
  t.same(served(FIRST), WITH_WRITER)
  t.same(served(SECOND), HELD)
  await until(() => time.pausing === 1)
  time.pass(1_000)
  await written.shown()
  t.same(
    merges.map((subjects) => subjects.map(({ id }) => id)),
    [[FIRST], [SECOND, THIRD]],
  )
  t.same(served(SECOND), [grant('employee')])
  t.same(served(THIRD), [...HELD, grant('agent')])
  t.equal(publisher.current().revision, 3)
})

test('what the served matrix has already is not published again', async (t) => {
  const { written, publish, publisher, note, merges } = open(t)
  await publish()
  note(FIRST, { add: [grant('reader')] })
  note('b0000000-0000-4000-8000-00000000dead', { add: [grant('reader')] })
  await written.shown()
  t.same(merges, [])
  t.equal(publisher.current().revision, 1)
})

test('a publication that fails is tried again, and given up after a while', async (t) => {
  const { written, publish, served, note, merges, faults, time } = open(t)
  await publish()
  faults.push(new Error('the thread died'))
  note(FIRST, { add: [grant('writer')] })
  await until(() => time.pausing === 1)
  time.pass(1_000)
  await written.shown()
  t.same(served(FIRST), WITH_WRITER)
  faults.push(...Array.from({ length: 9 }, () => new Error('the thread died')))
  note(SECOND, { add: [grant('writer')] })
  for (let tries = 2; tries <= 6; tries++) {
    await until(() => time.pausing === 1)
    time.pass(1_000)
    await until(() => merges.length > tries || time.pausing === 0)
  }
  await written.shown()
  t.equal(merges.length, 7, 'five times')
  t.same(served(SECOND), HELD)
})

function stored(id: string, more: Partial<WrittenGrants>): WrittenGrants {
  return { id, userId: FIRST, add: [], remove: [], writtenAt: 0, ...more }
}

function matrixRead(takenAt: number, subjects?: SubjectFact[]): Matrix {
  return new Matrix(buildMatrix(worldFacts({ takenAt, ...(subjects ? { subjects } : {}) })))
}

test('a rebuild that begins within five minutes of a write does not take it back', async (t) => {
  const { written, note, time } = open(t)
  note(FIRST, { add: [grant('writer')], remove: [grant('reader')] })
  note(FIRST, { add: [grant('agent')] })
  const writtenAt = time.now()
  time.pass(30 * MINUTE)
  for (const minutes of [-10, 0, 4]) {
    const [corrected, ...others] = written.over(matrixRead(writtenAt + minutes * MINUTE), [])
    t.match(corrected, { id: FIRST, grants: [grant('employee'), grant('writer'), grant('agent')] })
    t.same(others, [])
  }
  t.same(written.over(matrixRead(writtenAt + 5 * MINUTE), []), [], 'then the platform is right')
  const caughtUp = user(FIRST, { grants: [grant('employee'), grant('writer'), grant('agent')] })
  t.same(written.over(matrixRead(writtenAt, [caughtUp]), []), [], 'nothing to correct')
  const gone = user(FIRST, { grants: [], state: 'inactive' })
  t.same(
    written.over(matrixRead(writtenAt, [gone]), []),
    [],
    'who was deactivated has lost all roles',
  )
})

test('users that were read one by one are corrected too', async (t) => {
  const { written, publish, note, time, publisher } = open(t)
  await publish()
  note(FIRST, { add: [grant('writer')] })
  const lagging = user(FIRST, { grants: HELD })
  const other = user(SECOND, { grants: HELD })
  const readAt = time.now()
  const over = written.over(publisher.current(), [
    { ...lagging, readAt },
    { ...other, readAt },
  ])
  t.match(over, [
    { id: FIRST, grants: WITH_WRITER },
    { id: SECOND, grants: HELD },
  ])
  t.match(
    written.over(publisher.current(), [{ ...lagging, readAt: readAt + 5 * MINUTE }]),
    [{ id: FIRST, grants: HELD }],
    'by their own time of reading',
  )
  const read = (readAt: number) => written.corrected(publisher.current(), [lagging], readAt)
  t.match(read(time.now()), [{ grants: WITH_WRITER }])
  t.match(read(time.now() + 5 * MINUTE), [{ grants: HELD }])
})

test('a role that is gone since the write is not brought back', async (t) => {
  const { written, note } = open(t)
  note(FIRST, { add: [grant('writer'), grant('agent', 'no-such-division')] })
  const facts = worldFacts()
  const roles = facts.roles.filter(({ id }) => id !== ROLES.writer)
  t.same(written.over(new Matrix(buildMatrix({ ...facts, roles })), []), [])
})

test('what other instances wrote is asked of the store, which need not answer', async (t) => {
  const answers: (() => Promise<readonly WrittenGrants[]>)[] = []
  const { written, publish, publisher, served, time, lines } = open(t, {
    stored: () => answers.shift()!(),
  })
  await publish()
  const theirs = stored('theirs', { add: [grant('writer')], writtenAt: time.now() })
  answers.push(async () => [theirs])
  await written.refresh()
  t.same(served(FIRST), WITH_WRITER, 'also what was written before the start')
  answers.push(() => Promise.reject(new Failure('store-unavailable', 'the database is gone')))
  await written.refresh()
  answers.push(() => new Promise(() => undefined))
  const late = written.refresh()
  await until(() => time.pausing > 0)
  time.pass(10_000)
  await late
  t.equal(lines.filter(({ level }) => level === 40).length, 2)
  const candidate = new Matrix(buildMatrix(worldFacts()))
  t.match(written.over(candidate, []), [{ id: FIRST, grants: WITH_WRITER }], 'nothing is forgotten')
  t.ok(publisher.current())
})

test('old writes are forgotten, and no more than so many are kept', async (t) => {
  const { written, note, time } = open(t)
  note(FIRST, { add: [grant('writer')] })
  time.pass(66 * MINUTE)
  note(SECOND, { add: [grant('writer')] })
  const candidate = new Matrix(buildMatrix(worldFacts({ takenAt: 0 })))
  t.match(written.over(candidate, []), [{ id: SECOND }])
  for (let i = 0; i < 20_001; i++) note(THIRD, { add: [grant('writer')] })
  t.match(written.over(candidate, []), [{ id: THIRD }])
})

test('who waits for a publication when the service stops is let go', async (t) => {
  const { written, publish, note, merges, time } = open(t)
  await publish()
  note(FIRST, { add: [grant('writer')] })
  await until(() => time.pausing === 1)
  note(SECOND, { add: [grant('writer')] })
  const shown = written.shown()
  await written[Symbol.asyncDispose]()
  await shown
  note(THIRD, { add: [grant('writer')] })
  await written.shown()
  t.equal(merges.length, 1)
})

test('the order of the store decides, whatever clocks say', async (t) => {
  const told: WrittenGrants[] = []
  const { written, note, publish, served, time } = open(t, { stored: async () => [...told] })
  await publish()
  note(FIRST, { add: [grant('writer')] })
  // Another instance, whose clock is behind, took it back afterwards.
  const theirs = { remove: [grant('writer')], writtenAt: time.now() - MINUTE }
  told.push(
    stored('own-1', { add: [grant('writer')], writtenAt: time.now() }),
    stored('theirs', theirs),
  )
  await until(() => time.pausing === 1)
  time.pass(1_000)
  await written.refresh()
  t.same(served(FIRST), HELD)
  t.same(written.over(matrixRead(time.now()), []), [])
  note(FIRST, { add: [grant('agent')] })
  t.match(
    written.over(matrixRead(time.now()), []),
    [{ id: FIRST, grants: [...HELD, grant('agent')] }],
    'what the store did not tell yet is newer',
  )
})

test('a clock that is set does not age a write', async (t) => {
  const jump = { ms: 0 }
  const told = [stored('theirs', { add: [grant('writer')], writtenAt: 1_000_000 + 60 * MINUTE })]
  const { written, publish, time } = open(t, { stored: async () => told, jump })
  await publish()
  await written.refresh()
  const lasts = () => written.over(matrixRead(time.now() + jump.ms), []).length
  t.equal(lasts(), 1, 'a time to come is now')
  jump.ms = 60 * MINUTE
  await written.refresh()
  t.equal(lasts(), 1)
  time.pass(5 * MINUTE)
  await written.refresh()
  t.equal(lasts(), 0)
})

test('who waits is not kept by what is noted later', async (t) => {
  const { written, publish, note, merges, gate, time, served } = open(t)
  await publish()
  note(FIRST, { add: [grant('writer')] })
  const shown = written.shown()
  const opening = Promise.withResolvers<void>()
  await until(() => time.pausing === 1)
  gate.open = opening.promise
  note(SECOND, { add: [grant('writer')] })
  const later = written.shown()
  await shown
  t.same(served(FIRST), WITH_WRITER)
  time.pass(1_000)
  await until(() => merges.length === 2)
  let isOver = false
  const ended = later.then(() => (isOver = true))
  t.notOk(isOver)
  note(THIRD, { add: [grant('writer')] })
  opening.resolve()
  await ended
  t.same(served(SECOND), WITH_WRITER)
  t.same(served(THIRD), HELD)
})
