import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Json, NewAuditEntry } from '../../src/domain/audit.ts'
import type { Facts, Grant, SubjectFact } from '../../src/domain/facts.ts'
import type { Matrix } from '../../src/domain/matrix.ts'
import { DIVISIONS, FACTS, matrixOf, ROLES, USERS } from './support/organization.ts'
import { ADMIN_SECRET, bearer } from './support/planes.ts'
import { nextTester, startStoredPlane } from './support/stored-plane.ts'

const REPORTS = '/admin/v1/audit/reports'
const PERMISSION = 'routing:queue:view'
const MINUTE = 60_000
const AGENT: Grant = { roleId: ROLES.agent, divisionId: DIVISIONS.sales }
const REVIEWER: Grant = { roleId: ROLES.reviewer, divisionId: '*' }

type Row = Record<string, unknown>
type Report = Record<string, unknown> & { rows: Row[]; notes: string[] }
type Answer = Record<string, unknown> & { id: string; report: Report }
type Parts = Partial<NewAuditEntry>

/** An archived organisation, and a clock that goes on from its archiving. */
async function openPast(t: Test, facts: Facts = FACTS) {
  const plane = await startStoredPlane(t)
  const { archive, clock, store, served } = plane
  const archived = async (matrix: Matrix): Promise<void> => {
    archive.offer(matrix)
    await archive.settled()
  }
  await archived(matrixOf(facts, 7))
  const passed = (minutes: number): string => {
    clock.now += minutes * MINUTE
    return new Date(clock.now).toISOString()
  }
  const record = (parts: Parts) =>
    store.audit.append([
      {
        action: 'role_assignment_change',
        outcome: 'succeeded',
        actor: 'anna',
        requestId: 'request-1',
        userId: USERS.dan,
        subjectId: 'batch-1',
        before: null,
        after: null,
        details: {},
        ...parts,
      },
    ])
  const make = async (request: object): Promise<Answer> => {
    const body = { kind: 'permission-holders', permission: PERMISSION, ...request }
    const started = await plane.post(REPORTS, body, nextTester())
    if (started.statusCode !== 202) throw new Error(started.body)
    await plane.reports.settled()
    return (await plane.get(started.headers['location'] as string)).json<Answer>()
  }
  const serve = (subjects: readonly SubjectFact[], revision = 8): Matrix => {
    const matrix = matrixOf({ ...FACTS, subjects }, revision)
    served.held = [matrix]
    return matrix
  }
  return { ...plane, archived, passed, record, make, serve }
}

const rowOf = ({ report }: Answer, userId: string) =>
  report.rows.find((row) => row['userId'] === userId)
const held = (grants: readonly Grant[]): Json => ({ grants })
const drifted = (grants: readonly Grant[]): Json => ({ grants, groupIds: [], state: 'active' })

t.test('a grant that came and went after the archive shows in between', async (t) => {
  const { passed, record, make } = await openPast(t)
  const before = passed(10)
  passed(10)
  await record({ outcome: 'started', after: held([REVIEWER, AGENT]) })
  const during = passed(1)
  passed(1)
  await record({ after: held([REVIEWER, AGENT]) })
  const between = passed(10)
  await record({ outcome: 'started', after: held([REVIEWER]), before: held([REVIEWER, AGENT]) })
  await record({ after: held([REVIEWER]), before: held([REVIEWER, AGENT]) })
  const after = passed(10)
  passed(1)
  const then = await make({ at: between })
  t.match(then.report, {
    title: `Who holds ${PERMISSION}, then and now`,
    revision: 7,
    asOf: '2026-11-21T12:00:00.000Z',
    past: { revision: 7, asOf: '2026-11-21T12:00:00.000Z', archivedAt: '2026-11-21T12:30:00.000Z' },
    totals: { rows: 5, heldThen: 5, heldNow: 4, notCertain: 0 },
    charts: [
      { title: 'Holders then, by role', bars: [{ label: 'Agent', count: 4 }, {}] },
      { title: 'Holders now, by role', bars: [{ label: 'Agent', count: 3 }, {}] },
      {},
      {},
    ],
  })
  t.match(rowOf(then, USERS.dan), {
    userName: 'Dan',
    heldThen: true,
    heldNow: false,
    certain: true,
    sourcesThen: ['Agent in Sales'],
    sourcesNow: [],
    changes: [/^No\. 1, .*, begun$/, /^No\. 2, /],
  })
  t.equal(rowOf(await make({ at: before }), USERS.dan), undefined)
  t.equal(rowOf(await make({ at: after }), USERS.dan), undefined)
  const unsure = await make({ at: during })
  t.match(rowOf(unsure, USERS.dan), { heldThen: false, certain: false, changes: [/begun/] })
  t.match(unsure.report, { totals: { notCertain: 1 } })
})

t.test('drift before that time is known, drift found after it may have been there', async (t) => {
  const { passed, record, make } = await openPast(t)
  const at = passed(20)
  const since = passed(-10)
  const drift = { action: 'drift', actor: 'platform' } as const
  await record({
    ...drift,
    userId: USERS.ada,
    before: drifted([AGENT]),
    after: drifted([]),
    details: { revision: 8, since: '2026-11-21T12:00:00.000Z' },
  })
  await record({ ...drift, userId: USERS.quote, after: drifted([]), details: { revision: 7 } })
  passed(15)
  await record({
    ...drift,
    before: drifted([REVIEWER]),
    after: drifted([REVIEWER, AGENT]),
    details: { revision: 9, since },
  })
  const harmless = { after: drifted([]), details: { revision: 9, since } }
  await record({ ...drift, userId: USERS.nobody, ...harmless })
  await record({ ...drift, userId: USERS.cay, ...harmless, before: drifted([AGENT]) })
  const later = passed(10)
  await record({
    ...drift,
    userId: USERS.bob,
    after: drifted([]),
    details: { revision: 10, since: later },
  })
  passed(1)
  const told = await make({ at })
  t.match(rowOf(told, USERS.ada), { heldThen: false, heldNow: true, certain: true })
  t.match(rowOf(told, USERS.quote), { heldThen: true, certain: true }, 'it is in the archive')
  t.match(rowOf(told, USERS.dan), {
    heldThen: false,
    certain: false,
    changes: [/drift found later$/],
  })
  t.match(rowOf(told, USERS.bob), { heldThen: true, certain: true }, 'it came about later')
  t.equal(rowOf(told, USERS.cay), undefined, 'held it in neither state')
  t.match(told.report, { totals: { heldThen: 3, notCertain: 2 } })
})

t.test('says what cannot be replayed', async (t) => {
  const { passed, record, make } = await openPast(t)
  passed(5)
  const drift = { action: 'drift', actor: 'platform', userId: null } as const
  const entries = [{ kind: 'role_changed', what: 'role', id: ROLES.agent, name: 'Agent' }]
  await record({ ...drift, after: { revision: 8 }, details: { counts: {}, entries } })
  await record({ after: { grants: [AGENT], grantsCount: 2_000 } })
  const unknown = { roleId: 'a-role-of-later', divisionId: '*' }
  await record({ userId: USERS.cay, after: held([unknown]) })
  const at = passed(5)
  passed(1)
  const told = await make({ at })
  t.match(told.report.notes[1], /cannot be taken into account: role_changed role Agent/)
  t.match(rowOf(told, USERS.dan), { heldThen: false, certain: false }, 'its entry was cut')
  t.match(rowOf(told, USERS.cay), { heldThen: false, certain: false })
  t.match(rowOf(told, USERS.ada), { certain: true })
  const untold = { counts: {}, entries: [], usersUntold: 3 }
  await record({ ...drift, after: { revision: 9 }, details: untold })
  passed(1)
  const incomplete = await make({ at: passed(0) })
  t.match(rowOf(incomplete, USERS.ada), { heldThen: true, certain: false })
  t.match(incomplete.report.notes[1], /nobody is certain/)
})

t.test('tells of users who came after the archive', async (t) => {
  const [ada, ...others] = FACTS.subjects
  const { passed, record, make, serve } = await openPast(t, { ...FACTS, subjects: others })
  serve([{ ...ada, grants: [] } as SubjectFact, ...others])
  passed(1)
  await record({ userId: USERS.ada, after: held([AGENT]) })
  const at = passed(1)
  passed(1)
  t.match(rowOf(await make({ at }), USERS.ada), { heldThen: true, heldNow: false, certain: false })
})

t.test('prints both matrices, and what was held through what', async (t) => {
  const { passed, record, make, app, serve } = await openPast(t)
  passed(1)
  await record({ after: held([AGENT]) })
  const at = passed(1)
  passed(1)
  serve(FACTS.subjects.slice(1), 9)
  const { id } = await make({ at })
  const page = await app.inject({
    url: `${REPORTS}/${id}?format=html`,
    headers: bearer(ADMIN_SECRET),
  })
  t.match(page.body, /<dt>Matrix then<\/dt><dd>revision 7, as of 2026-11-21 12:00, and the trail/)
  t.match(page.body, /<dt>Matrix now<\/dt><dd>revision 9, as of 2026-11-21 12:00</)
  t.match(page.body, /Through what then.*Certain then.*Through what now/)
  t.match(page.body, /<svg viewBox/)
})

t.test('passes over archives that cannot be read, and says which', async (t) => {
  const { passed, make, archived, serve, folder, app } = await openPast(t)
  const early = await make({ at: '2026-11-20' })
  t.match(early, { state: 'failed', error: /no matrix is archived from 2026-11-20/ })
  const url = `${REPORTS}/${early.id}?format=csv`
  t.equal((await app.inject({ url, headers: bearer(ADMIN_SECRET) })).statusCode, 409)
  passed(60)
  await archived(serve(FACTS.subjects.slice(1)))
  const names = (await readdir(join(folder, 'archive'))).sort()
  t.equal(names.length, 2)
  const file = join(folder, 'archive', names[1] ?? '')
  const bytes = await readFile(file)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
  await writeFile(file, bytes)
  t.match((await make({ at: passed(1) })).report, {
    past: { archivedAt: '2026-11-21T12:30:00.000Z' },
    notes: [
      String,
      /^Passed over: the archive of 2026-11-21T13:30:00.000Z: the snapshot is damaged/,
    ],
  })
})
