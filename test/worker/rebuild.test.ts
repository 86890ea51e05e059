import { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { compareMatrices } from '../../src/domain/compare-matrices.ts'
import type { Directory, Preflight, ReadMatrixOptions } from '../../src/domain/directory.ts'
import { ALLOWED, evaluate } from '../../src/domain/evaluate.ts'
import type { Facts, SubjectFact } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import { mergeSubjects } from '../../src/domain/merge-subjects.ts'
import type { Rebuild } from '../../src/domain/rebuild.ts'
import { MatrixPublisher } from '../../src/worker/matrix-publisher.ts'
import { Rebuilder } from '../../src/worker/rebuilder.ts'
import { RebuildSchedule } from '../../src/worker/schedule.ts'
import { StartCheck } from '../../src/worker/start-check.ts'
import { UnknownUsers } from '../../src/worker/unknown-users.ts'
import type { ReadSubject } from '../../src/worker/written-grants.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import {
  AGENT,
  ANNA,
  BORIS,
  ORGANIZATION,
  SALES,
  smallFacts,
  user,
} from '../support/small-facts.ts'

const PREFLIGHT: Preflight = {
  organizationId: ORGANIZATION,
  organizationName: 'Acme',
  missing: [],
  permissionsKnown: true,
}

const workshop = {
  merge: async (base: SharedArrayBuffer, subjects: readonly SubjectFact[]) =>
    mergeSubjects(base, subjects),
  compare: async (before: SharedArrayBuffer, after: SharedArrayBuffer) =>
    compareMatrices(before, after),
}

type ReadMatrix = (options: ReadMatrixOptions) => Promise<SharedArrayBuffer>

/** A rebuilder over a platform that answers what the test says. */
function createRebuilder(readMatrix: ReadMatrix, more: { maxShrinkPercent?: number } = {}) {
  const { logger, lines } = recordingLogger()
  const counted = { results: [] as string[], drift: {} as Record<string, number> }
  const state = { now: 2_000_000, newer: [] as ReadSubject[] }
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 3_600,
    now: () => state.now,
    reserveRevision: async () => undefined,
    onPublished: () => undefined,
  })
  const directory: Directory = {
    preflight: async () => PREFLIGHT,
    readMatrix,
    readSubjects: async () => ({ found: [], absent: [] }),
  }
  const rebuilder = new Rebuilder({
    directory,
    workshop,
    publisher,
    maxShrinkPercent: more.maxShrinkPercent ?? 30,
    confirmOrganization: async () => PREFLIGHT,
    subjectsReadSince: () => state.newer,
    metrics: {
      rebuildStarted: () => undefined,
      rebuildEnded: (result) => counted.results.push(result),
      drifted: (counts) => {
        for (const [kind, count] of Object.entries(counts)) {
          counted.drift[kind] = (counted.drift[kind] ?? 0) + count
        }
      },
    },
    logger,
    now: () => state.now,
  })
  const run = async (request: { allowShrink?: boolean } = {}): Promise<Rebuild> => {
    const { rebuild } = rebuilder.start({ requestedBy: 'test', allowShrink: false, ...request })
    return await rebuilder.ended(rebuild.id)
  }
  return { rebuilder, publisher, run, counted, lines, state, directory }
}

const reads = (facts: Facts) => async () => buildMatrix(facts)

function usersNumbered(count: number): SubjectFact[] {
  return Array.from({ length: count }, (_, i) =>
    user(`b0000000-0000-4000-8000-${String(i).padStart(12, '0')}`),
  )
}

test('a rebuild publishes what it read and tells its progress and its end', async (t) => {
  const gate = Promise.withResolvers<void>()
  const reading = Promise.withResolvers<void>()
  const { rebuilder, publisher, counted } = createRebuilder(async ({ onProgress }) => {
    onProgress({ done: 3, total: 10 })
    reading.resolve()
    await gate.promise
    return buildMatrix(smallFacts())
  })
  const { rebuild, started } = rebuilder.start({ requestedBy: 'anna', allowShrink: false })
  t.equal(started, true)
  await reading.promise
  t.match(rebuilder.find(rebuild.id), { state: 'running', progress: { done: 3, total: 10 } })
  gate.resolve()
  const ended = await rebuilder.ended(rebuild.id)
  t.match(ended, { state: 'succeeded', revision: 1, requestedBy: 'anna', finishedAt: String })
  t.equal(rebuilder.last?.id, rebuild.id)
  t.equal(publisher.current().revision, 1)
  t.same(counted.results, ['succeeded'])
})

test('while one rebuild runs another request joins it', async (t) => {
  const gate = Promise.withResolvers<void>()
  let calls = 0
  const { rebuilder } = createRebuilder(async () => {
    calls += 1
    await gate.promise
    return buildMatrix(smallFacts())
  })
  const first = rebuilder.start({ requestedBy: 'schedule', allowShrink: false })
  const second = rebuilder.start({ requestedBy: 'anna', allowShrink: false })
  t.equal(second.started, false)
  t.equal(second.rebuild.id, first.rebuild.id)
  t.throws(() => rebuilder.start({ requestedBy: 'anna', allowShrink: true }), { code: 'conflict' })
  gate.resolve()
  await rebuilder.ended(first.rebuild.id)
  t.equal(calls, 1)
  t.equal(rebuilder.start({ requestedBy: 'anna', allowShrink: true }).started, true)
})

test('a platform that cannot be read leaves the old matrix and says why', async (t) => {
  const answers: ReadMatrix[] = [
    reads(smallFacts()),
    async () => {
      throw new Failure('upstream-busy', 'GET /api/v2/users answered 503')
    },
    async () => {
      throw new TypeError('a bug with token abc in it')
    },
  ]
  const { run, publisher, counted } = createRebuilder((options) => answers.shift()!(options))
  await run()
  t.match(await run(), { state: 'failed', error: 'GET /api/v2/users answered 503' })
  t.match(await run(), { state: 'failed', error: 'an internal error; see the log' })
  t.equal(publisher.current().revision, 1)
  t.same(counted.results, ['succeeded', 'failed', 'failed'])
})

test('an organisation that seems to shrink is refused until an admin says that it is meant', async (t) => {
  const worlds = [100, 70, 48, 48].map((count) => smallFacts({ subjects: usersNumbered(count) }))
  const { run, publisher } = createRebuilder(async () => buildMatrix(worlds.shift()!))
  t.match(await run(), { state: 'succeeded' })
  t.match(await run(), { state: 'succeeded' }, '30 % is within the rule')
  const refused = await run()
  t.match(refused, { state: 'refused', error: /users fell by 31.4 % from 70 to 48/ })
  t.equal(publisher.current().userCount, 70)
  t.match(await run({ allowShrink: true }), { state: 'succeeded' })
  t.equal(publisher.current().userCount, 48)
})

test('grants that vanish are guarded as users are', async (t) => {
  const subjects = usersNumbered(10)
  const worlds = [subjects, subjects.map((subject) => ({ ...subject, grants: [] }))]
  const { run } = createRebuilder(async () =>
    buildMatrix(smallFacts({ subjects: worlds.shift()! })),
  )
  await run()
  t.match(await run(), { state: 'refused', error: /grants fell by 100.0 % from 10 to 0/ })
})

test('what is read of another organisation is refused', async (t) => {
  const { run, publisher } = createRebuilder(reads(smallFacts({ organizationId: 'other' })))
  t.match(await run(), { state: 'refused', error: /another organisation/ })
  t.throws(() => publisher.current(), { code: 'not-ready' })
})

test('users read one by one since a rebuild began are not taken back by it', async (t) => {
  const { run, publisher, state } = createRebuilder(reads(smallFacts()))
  state.newer = [{ ...user(BORIS), readAt: state.now }]
  await run()
  t.equal(evaluate(publisher.current(), BORIS, 'routing:queue:view'), ALLOWED)
})

test('drift between two rebuilds is counted by kind and logged', async (t) => {
  const before = smallFacts({ subjects: [user(ANNA), user(BORIS)] })
  const after = smallFacts({ subjects: [user(ANNA, { grants: [] }), user(BORIS)] })
  const worlds = [before, after, after]
  const { run, counted, lines } = createRebuilder(async () => buildMatrix(worlds.shift()!), {
    maxShrinkPercent: 100,
  })
  for (let i = 0; i < 3; i++) await run()
  t.equal(counted.drift['grant_removed'], 1)
  t.equal(lines.filter((line) => line.msg === 'the organisation changed').length, 1)
})

test('a disposed rebuilder aborts what runs and begins nothing', async (t) => {
  const { rebuilder } = createRebuilder(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  )
  const { rebuild } = rebuilder.start({ requestedBy: 'test', allowShrink: false })
  await rebuilder[Symbol.asyncDispose]()
  t.match(rebuilder.find(rebuild.id), { state: 'failed', error: 'the service is stopping' })
  t.throws(() => rebuilder.start({ requestedBy: 'test', allowShrink: false }), {
    code: 'not-ready',
  })
  t.throws(() => rebuilder.find('nope'), { code: 'not-found' })
})

test('the schedule begins at start, and soon again only while nothing can be served', async (t) => {
  const starts: string[] = []
  let canServe = false
  const { logger, lines } = recordingLogger()
  const begun = Promise.withResolvers<void>()
  await using schedule = new RebuildSchedule({
    cron: '0 0 1 1 *',
    rebuilds: {
      start: ({ requestedBy, unattended }) => {
        t.equal(unattended, true)
        starts.push(requestedBy)
        if (starts.length === 2) begun.resolve()
        return { rebuild: {} as Rebuild, started: true }
      },
    },
    canServe: () => canServe,
    maxAgeSeconds: 3_600,
    logger,
    retryDelays: { firstMs: 1, maxMs: 4 },
  })
  schedule.begin()
  t.same(starts, ['start'])
  t.match(lines, [{ msg: /REBUILD_CRON leaves longer between rebuilds/ }])
  schedule.ended({ state: 'failed' } as Rebuild)
  await begun.promise
  t.same(starts, ['start', 'schedule'])
  canServe = true
  schedule.ended({ state: 'failed' } as Rebuild)
  canServe = false
  schedule.ended({ state: 'refused' } as Rebuild)
  schedule.ended({ state: 'succeeded' } as Rebuild)
  t.equal(schedule.retryPending, false)
})

test('cron begins rebuilds', async (t) => {
  const { logger } = recordingLogger()
  const begun = Promise.withResolvers<string>()
  let calls = 0
  await using schedule = new RebuildSchedule({
    cron: '* * * * * *',
    rebuilds: {
      start: ({ requestedBy }) => {
        calls += 1
        if (calls === 2) begun.resolve(requestedBy)
        return { rebuild: {} as Rebuild, started: true }
      },
    },
    canServe: () => true,
    maxAgeSeconds: 3_600,
    logger,
  })
  schedule.begin()
  // The schedule holds no process open; the test has to.
  const hold = setInterval(() => undefined, 1_000)
  t.teardown(() => clearInterval(hold))
  t.equal(await begun.promise, 'schedule')
  t.equal(schedule.retryPending, false)
})

test('the start check stops on another organisation and drops its snapshot', async (t) => {
  const { logger, lines } = recordingLogger()
  const { publisher } = createRebuilder(reads(smallFacts()))
  await publisher.publish(async () => buildMatrix(smallFacts({ organizationId: 'other' })))
  const preflight: Preflight = {
    ...PREFLIGHT,
    missing: [
      { permission: 'authorization:grant:view', neededFor: 'reading users', essential: false },
      { permission: 'authorization:role:view', neededFor: 'every rebuild', essential: true },
    ],
  }
  const kept: { organizationId: string; failure?: Failure } = { organizationId: '' }
  const create = (organizationId: string | undefined) =>
    new StartCheck({
      confirmed: async (confirmed) => {
        kept.organizationId = confirmed
        if (kept.failure !== undefined) throw kept.failure
      },
      directory: { preflight: async () => preflight },
      publisher,
      organizationId,
      logger,
    })
  const { signal } = new AbortController()
  await t.rejects(create('wanted').confirm(signal), {
    code: 'invalid',
    message: /GENESYS_ORGANIZATION_ID is wanted/,
  })
  t.notOk(publisher.held)
  t.equal(kept.organizationId, '', 'nothing is bound to one that is not wanted')
  const check = create(undefined)
  kept.failure = new Failure('invalid', 'the database belongs to another')
  await t.rejects(check.begin(signal), kept.failure)
  t.equal(check.passed, undefined)
  kept.failure = new Failure('store-unavailable', 'the database is not open yet')
  t.same(await check.confirm(signal), preflight)
  t.same(check.passed, preflight)
  t.equal(kept.organizationId, preflight.organizationId)
  t.ok(lines.some((line) => line.msg.includes('lacks authorization:role:view')))
})

function createUnknownUsers(
  readSubjects: Directory['readSubjects'],
  start: { held?: Facts | undefined } = { held: smallFacts() },
) {
  const { logger, lines } = recordingLogger()
  const counts: Record<string, number> = {}
  const state = { now: 2_000_000 }
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 3_600,
    now: () => state.now,
    reserveRevision: async () => undefined,
    onPublished: () => undefined,
  })
  const ready = start.held
    ? publisher.publish(async () => buildMatrix(start.held!))
    : Promise.resolve(undefined)
  const users = new UnknownUsers({
    directory: { readSubjects },
    workshop,
    publisher,
    metrics: {
      unknownUserRead: (result, count) => {
        counts[result] = (counts[result] ?? 0) + (count ?? 1)
      },
    },
    logger,
    now: () => state.now,
    // Time passes as fast as anyone waits for it.
    sleep: async (ms, signal) => {
      signal.throwIfAborted()
      state.now += ms
      await new Promise((resolve) => setImmediate(resolve))
    },
  })
  return { users, publisher, counts, state, lines, ready }
}

test('a user that a check named is read and served before the next rebuild', async (t) => {
  const asked: string[][] = []
  const { users, publisher, counts, ready } = createUnknownUsers(async (ids) => {
    asked.push([...ids])
    return { found: [user(BORIS)], absent: ids.filter((id) => id !== BORIS) }
  })
  await ready
  const absent = 'c0000000-0000-4000-8000-000000000009'
  for (const id of [BORIS, BORIS, absent, 'no-uuid', BORIS.toUpperCase()]) users.note(id)
  t.equal(users.queued, 2)
  await users.settled()
  t.same(asked, [[BORIS, absent]])
  t.equal(evaluate(publisher.current(), BORIS, 'routing:queue:view'), ALLOWED)
  t.equal(evaluate(publisher.current(), ANNA, 'routing:queue:view'), ALLOWED)
  t.equal(publisher.current().takenAt, 1_000_000, 'the matrix is no younger for it')
  t.match(counts, { found: 1, absent: 1 })
  users.note(absent)
  t.equal(users.queued, 0, 'a miss is remembered')
  t.same(
    users.readSince(0).map(({ id }) => id),
    [BORIS],
  )
  t.same(users.readSince(9_000_000), [])
})

test('reads of unknown users are bounded to so many a minute and so many waiting', async (t) => {
  const times: number[] = []
  const { users, counts, state, ready } = createUnknownUsers(async (ids) => {
    for (let i = 0; i < ids.length; i++) times.push(state.now)
    return { found: [], absent: [...ids] }
  })
  await ready
  for (let i = 0; i < 1_200; i++)
    users.note(`c0000000-0000-4000-8000-${String(i).padStart(12, '0')}`)
  t.equal(users.queued, 1_000)
  t.equal(counts['dropped'], 200)
  await users.settled()
  t.equal(times.length, 1_000)
  for (const time of times) {
    const within = times.filter((other) => other >= time && other < time + 60_000)
    t.ok(within.length <= 60)
  }
})

test('a failing platform costs no check and is not asked again at once', async (t) => {
  let calls = 0
  const { users, counts, publisher, ready } = createUnknownUsers(async () => {
    calls += 1
    throw new Failure('upstream-busy', 'GET /api/v2/users/{userId} answered 503')
  })
  await ready
  users.note(BORIS)
  await users.settled()
  users.note(BORIS)
  t.equal(users.queued, 0)
  t.equal(calls, 1)
  t.equal(counts['failed'], 1)
  t.equal(publisher.current().revision, 1)
})

test('a user found before the first rebuild waits for it', async (t) => {
  const { users, publisher } = createUnknownUsers(
    async () => ({
      found: [user(BORIS, { grants: [{ roleId: AGENT, divisionId: SALES }] })],
      absent: [],
    }),
    { held: undefined },
  )
  users.note(BORIS)
  await users.settled()
  t.notOk(publisher.held)
  t.equal(users.readSince(0).length, 1)
})

test('a disposed queue stops reading', async (t) => {
  const { users, ready } = createUnknownUsers(
    (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  )
  await ready
  users.note(BORIS)
  await users[Symbol.asyncDispose]()
  users.note(ANNA)
  t.equal(users.queued, 0)
})
