import { test } from 'tap'
import type { AuditTrail, NewAuditEntry } from '../../src/domain/audit.ts'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { compareMatrices } from '../../src/domain/compare-matrices.ts'
import type { Facts, Grant, SubjectFact } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import { subjectFacts } from '../../src/domain/matrix-facts.ts'
import type { WrittenGrants } from '../../src/domain/role-change-store.ts'
import type { Rebuild } from '../../src/domain/rebuild.ts'
import { MatrixPublisher } from '../../src/worker/matrix-publisher.ts'
import { RebuildAudit } from '../../src/worker/rebuild-audit.ts'
import { Rebuilder } from '../../src/worker/rebuilder.ts'
import { UnknownUsers } from '../../src/worker/unknown-users.ts'
import { RecentlyWrittenGrants } from '../../src/worker/written-grants.ts'
import { openTestStore } from '../store/support/store-under-test.ts'
import { createSqliteDatabase } from '../store/support/test-database.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { user } from '../support/small-facts.ts'
import { grant, HELD, userId, workshop, worldFacts } from './support/change-world.ts'
import { ManualTime } from './support/manual-time.ts'

const FIRST = userId(1)
const WITH_WRITER = [...HELD, grant('writer')]
const PREFLIGHT = {
  organizationId: worldFacts().organizationId,
  organizationName: 'Acme',
  missing: [],
  permissionsKnown: true,
}

/** A platform that answers each rebuild with the next facts, or fails as told. */
function open(
  answers: (Facts | Error)[],
  stored: readonly WrittenGrants[] = [],
  durable?: Pick<AuditTrail, 'append'>,
) {
  const { logger, lines } = recordingLogger()
  const time = new ManualTime()
  const entries: NewAuditEntry[] = []
  const trail = { broken: false }
  const counted = { drifted: 0, lost: 0 }
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 36_000,
    now: () => time.now(),
    monotonicNow: () => time.elapsed(),
    reserveRevision: async () => undefined,
    onPublished: () => undefined,
  })
  const audit = new RebuildAudit({
    trail: {
      append: async (appended) => {
        if (trail.broken) throw new Failure('store-unavailable', 'the database is gone')
        entries.push(...appended)
        return (await durable?.append(appended)) ?? []
      },
    },
    metrics: {
      auditAppendFailed: (count) => {
        counted.lost += count ?? 1
      },
    },
    logger,
  })
  const written = new RecentlyWrittenGrants({
    store: { writtenSince: async () => stored },
    publisher,
    workshop,
    logger,
    clock: time,
    pauseMs: 0,
  })
  const rebuilder = new Rebuilder({
    directory: {
      preflight: async () => PREFLIGHT,
      readSubjects: async () => ({ found: [], absent: [] }),
      readMatrix: async () => {
        const answer = answers.shift()!
        if (answer instanceof Error) throw answer
        return buildMatrix(answer)
      },
    },
    workshop: {
      ...workshop,
      compare: async (before, after) => compareMatrices(before, after),
    },
    publisher,
    maxShrinkPercent: 30,
    confirmOrganization: async () => PREFLIGHT,
    subjectsReadSince: () => [],
    writtenGrants: written,
    audit,
    metrics: {
      rebuildStarted: () => undefined,
      rebuildEnded: () => undefined,
      drifted: (counts) => {
        counted.drifted += Object.values(counts).reduce((sum, count) => sum + count, 0)
      },
    },
    logger,
    now: () => time.now(),
  })
  const run = async (admin?: string): Promise<Rebuild> => {
    const { rebuild } = rebuilder.start({
      ...(admin === undefined
        ? { requestedBy: 'schedule', unattended: true }
        : { requestedBy: admin }),
      allowShrink: false,
    })
    const ended = await rebuilder.ended(rebuild.id)
    await audit[Symbol.asyncDispose]()
    return ended
  }
  const served = (id: string): readonly Grant[] | undefined => {
    return subjectFacts(publisher.current(), [id])[0]?.grants
  }
  return { run, entries, trail, counted, time, written, served, publisher, logger, lines }
}

function holding(grants: readonly Grant[], takenAt = 1_000_000): Facts {
  const facts = worldFacts({ takenAt })
  const subjects = facts.subjects.map((subject): SubjectFact => {
    return subject.id === FIRST ? { ...subject, grants } : subject
  })
  return { ...facts, subjects }
}

test('a rebuild does not take back what was just written, and calls it no drift', async (t) => {
  const minute = 60_000
  const { run, written, served, counted, entries } = open([
    holding(HELD),
    holding(HELD),
    holding(WITH_WRITER),
    holding(HELD, 1_000_000 + 6 * minute),
  ])
  await run()
  written.note({ id: 'own', userId: FIRST, add: [grant('writer')], remove: [] })
  await written.shown()
  t.same(served(FIRST), WITH_WRITER)
  await run()
  t.same(served(FIRST), WITH_WRITER, 'the platform does not show it yet')
  await run()
  t.same(served(FIRST), WITH_WRITER, 'now it does')
  t.equal(counted.drifted, 0)
  t.same(entries, [])
  await run()
  t.same(served(FIRST), HELD, 'after five minutes the platform is right')
  t.match(entries, [
    { action: 'rebuild' },
    { action: 'drift', userId: null, details: { total: 1 } },
    { action: 'drift', userId: FIRST },
  ])
})

test('what another instance wrote is no drift here', async (t) => {
  const delta = { add: [grant('writer')], remove: [] }
  const theirs = { id: 'theirs', userId: FIRST, ...delta, writtenAt: 1_000_000 }
  const { run, served, counted, entries } = open([holding(HELD), holding(WITH_WRITER)], [theirs])
  await run()
  await run()
  t.same(served(FIRST), WITH_WRITER)
  t.equal(counted.drifted, 0)
  t.same(entries, [])
})

test('a user read one by one does not lose what was just written', async (t) => {
  const { run, written, time, served, publisher, logger } = open([holding(HELD)])
  await run()
  written.note({ id: 'own', userId: FIRST, add: [grant('writer')], remove: [] })
  time.pass(1)
  const unknownUsers = new UnknownUsers({
    directory: {
      readSubjects: async () => ({ found: [user(FIRST, { grants: HELD })], absent: [] }),
    },
    workshop,
    publisher,
    writtenGrants: written,
    metrics: { unknownUserRead: () => undefined },
    logger,
    now: () => time.now(),
    sleep: async () => undefined,
  })
  unknownUsers.note(FIRST)
  await unknownUsers.settled()
  t.same(served(FIRST), WITH_WRITER)
})

function rebuildTold(outcome: string, actor = 'schedule') {
  return [{ action: 'rebuild', outcome, actor }]
}

test('rebuilds by themselves are told when they end otherwise than before; an admin’s always', async (t) => {
  const shrunk = { ...holding(HELD), subjects: [user(FIRST, { grants: HELD })] }
  const { run, entries } = open([
    holding(HELD),
    holding(HELD),
    new Failure('upstream-busy', 'GET /api/v2/users answered 503'),
    new Failure('upstream-busy', 'GET /api/v2/users answered 503'),
    shrunk,
    holding(HELD),
    holding(HELD),
    holding(HELD),
    holding(HELD),
  ])
  const told: unknown[] = []
  const admins = ['anna', 'schedule', 'start']
  for (const by of ['', '', '', '', '', '', ...admins]) {
    await (by === '' ? run() : run(by))
    told.push(entries.splice(0).map(({ action, outcome, actor }) => ({ action, outcome, actor })))
  }
  t.same(told, [
    [],
    [],
    rebuildTold('failed'),
    [],
    rebuildTold('refused'),
    rebuildTold('succeeded'),
    ...admins.map((admin) => rebuildTold('succeeded', admin)),
  ])
})

test('entries say what a rebuild read, why it was refused, and what drifted', async (t) => {
  const drifted = holding([...HELD, grant('agent')])
  const { run, entries } = open([holding(HELD), drifted, new TypeError('a bug with a token in it')])
  await run()
  const { id } = await run('anna')
  await run('anna')
  t.match(entries, [
    {
      action: 'rebuild',
      outcome: 'succeeded',
      actor: 'anna',
      subjectId: id,
      details: { revision: 2, users: 9, grants: 19, allowShrink: false },
    },
    {
      action: 'drift',
      actor: 'platform',
      subjectId: id,
      before: { revision: 1 },
      after: { revision: 2 },
      userId: null,
      details: {
        total: 1,
        counts: { grant_added: 1 },
        users: 1,
        usersUntold: 0,
        entries: [],
      },
    },
    {
      action: 'drift',
      actor: 'platform',
      subjectId: id,
      userId: FIRST,
      before: { state: 'active', grants: HELD, groupIds: [] },
      after: { state: 'active', grants: [...HELD, grant('agent')], groupIds: [] },
      details: {
        kinds: ['grant_added'],
        added: [grant('agent')],
        removed: [],
        revision: 2,
        names: {
          user: String,
          roles: { [grant('agent').roleId]: 'agent' },
          divisions: { [grant('agent').divisionId]: 'Sales' },
        },
      },
    },
    { outcome: 'failed', details: { reason: 'an internal error; see the log' } },
  ])
})

test('every user who differs has an entry; one who came or went is told as such', async (t) => {
  const many = Array.from({ length: 150 }, (_, i) =>
    user(`c0000000-0000-4000-8000-${String(i).padStart(12, '0')}`, { grants: HELD }),
  )
  const facts = holding(HELD)
  const more = { ...facts, subjects: [...facts.subjects, ...many] }
  const fewer = { ...more, subjects: more.subjects.filter(({ id }) => id !== many[0]!.id) }
  const { run, entries } = open([facts, more, fewer])
  await run()
  await run()
  const [, drift, ...users] = entries.splice(0)
  t.match(drift, { details: { total: 150, counts: { subject_added: 150 }, usersUntold: 0 } })
  t.same(
    users.map(({ userId: id }) => id),
    many.map(({ id }) => id),
  )
  t.match(users[0], {
    before: null,
    after: { grants: HELD },
    details: { kinds: ['subject_added'], names: { user: many[0]!.name } },
  })
  await run()
  t.match(entries.at(-1), {
    before: { grants: HELD },
    after: null,
    details: { kinds: ['subject_removed'], names: { user: many[0]!.name } },
  })
})

test('what drifts in groups, roles and divisions is named, also when it is gone', async (t) => {
  const facts = holding(HELD)
  const team = { id: 'team', name: 'The team', rolesEnabled: true, grants: [] }
  const withTeam = { ...facts, groups: [team] }
  const given = { ...facts, groups: [{ ...team, grants: [grant('writer')] }] }
  const { run, entries } = open([withTeam, given, facts])
  await run()
  await run()
  const named = { what: 'group', id: 'team', name: 'The team' }
  t.match(entries.at(-1), {
    userId: null,
    details: {
      users: 0,
      entries: [{ kind: 'grant_added', ...named, ...grant('writer') }],
      names: { roles: { [grant('writer').roleId]: 'writer' } },
    },
  })
  await run()
  t.match(entries.at(-1)?.details, {
    entries: [{ kind: 'group_changed', ...named, detail: 'removed' }],
  })
})

test('a trail that is down fails no rebuild; what it did not take is counted', async (t) => {
  const { run, trail, counted, entries, lines } = open([holding(HELD), holding(WITH_WRITER)])
  trail.broken = true
  t.match(await run('anna'), { state: 'succeeded' })
  t.equal(counted.lost, 1)
  t.match(await run(), { state: 'succeeded' })
  t.equal(counted.lost, 4)
  t.same(entries, [])
  t.ok(lines.some(({ msg }) => msg === 'the audit trail did not take a rebuild'))
})

test('entries that wait for a trail that hangs are bounded', async (t) => {
  const { logger } = recordingLogger()
  let lost = 0
  const gate = Promise.withResolvers<[]>()
  const audit = new RebuildAudit({
    trail: { append: () => gate.promise },
    metrics: {
      auditAppendFailed: () => {
        lost += 1
      },
    },
    logger,
  })
  const rebuild: Rebuild = {
    id: 'r1',
    state: 'succeeded',
    requestedBy: 'anna',
    allowShrink: false,
    progress: { done: 0, total: 0 },
    startedAt: '',
  }
  for (let i = 0; i < 25; i++) audit.ended(rebuild)
  t.equal(lost, 5)
  gate.resolve([])
  await audit[Symbol.asyncDispose]()
})

test('drift is one event for each address, however many users have an entry of their own', async (t) => {
  const { store } = openTestStore(t, await createSqliteDatabase(t), {
    eventTargets: ['callback', 'monitoring'],
  })
  const facts = holding(HELD)
  const second = { ...facts.subjects[1]!, grants: WITH_WRITER }
  const others = facts.subjects.filter(({ id }) => id !== second.id && id !== FIRST)
  const first = user(FIRST, { grants: WITH_WRITER })
  const drifted = { ...facts, subjects: [first, second, ...others] }
  const { run, entries } = open([facts, drifted], [], store.audit)
  await run()
  const { id: rebuildId } = await run()
  t.equal(entries.filter(({ userId: told }) => told !== null).length, 2)
  const { items } = await store.deliveries.list({ limit: 100 })
  t.same(
    items.map(({ target, body }) => {
      const { event, rebuildId: of, revision } = JSON.parse(body) as Record<string, unknown>
      return { target, event, of, revision }
    }),
    ['monitoring', 'callback'].map((target) => {
      return { target, event: 'drift.detected', of: rebuildId, revision: 2 }
    }),
  )
})
