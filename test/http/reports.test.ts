import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import type { NewAuditEntry } from '../../src/domain/audit.ts'
import { Failure } from '../../src/domain/failure.ts'
import type { Matrix } from '../../src/domain/matrix.ts'
import { DIVISIONS, FACTS, matrixOf, ROLES, USERS } from './support/organization.ts'
import { ADMIN_SECRET, bearer, READER_SECRET } from './support/planes.ts'
import { nextTester, startStoredPlane } from './support/stored-plane.ts'

const REPORTS = '/admin/v1/audit/reports'
const PERIOD = { from: '2026-11-21', to: '2026-11-23' }

type Plane = Awaited<ReturnType<typeof startStoredPlane>>
type Report = Record<string, unknown> & { rows: Record<string, unknown>[]; notes: string[] }
type Answer = Record<string, unknown> & { id: string; report: Report }

const agent = { roleId: ROLES.agent, divisionId: DIVISIONS.sales }
const supervisor = { roleId: ROLES.supervisor, divisionId: '*' }

const entry = (parts: Partial<NewAuditEntry> = {}): NewAuditEntry => ({
  action: 'role_assignment_change',
  outcome: 'succeeded',
  actor: 'anna',
  requestId: 'request-1',
  userId: USERS.ada,
  subjectId: 'batch-1',
  before: { grants: [agent] },
  after: { grants: [agent, supervisor] },
  details: { operation: 'apply', added: [supervisor] },
  ...parts,
})

/** Has a report made and answers it as JSON. */
async function make(plane: Plane, request: object): Promise<Answer> {
  const started = await plane.post(REPORTS, request, nextTester())
  if (started.statusCode !== 202) throw new Error(started.body)
  await plane.reports.settled()
  return (await plane.get(started.headers['location'] as string)).json<Answer>()
}

const take = (plane: Plane, id: string, query: string, accept = '*/*') =>
  plane.app.inject({
    url: `${REPORTS}/${id}${query}`,
    headers: { ...bearer(ADMIN_SECRET), accept },
  })

t.test('reports the changes of a period, each once', async (t) => {
  const plane = await startStoredPlane(t)
  const { store, clock } = plane
  await store.audit.append([entry({ action: 'service_started', userId: null, details: {} })])
  await store.audit.append([entry({ outcome: 'started' }), entry()])
  clock.now += 24 * 60 * 60_000
  await store.audit.append([
    entry({ outcome: 'started', userId: USERS.dan, actor: 'ben' }),
    entry({ outcome: 'started', details: { operation: 'rollback' } }),
    entry({ outcome: 'failed', details: { operation: 'rollback', reason: 'it said no' } }),
  ])
  clock.now += 24 * 60 * 60_000
  const head = await store.audit.head()
  const answer = await make(plane, { kind: 'changes', ...PERIOD })
  t.match(answer, { state: 'succeeded', progress: { done: 1, total: 1 }, finishedAt: String })
  const { report } = answer
  t.match(report, {
    kind: 'changes',
    title: 'Changes of roles',
    organization: { name: 'Example' },
    period: { from: '2026-11-21T00:00:00.000Z', to: '2026-11-23T00:00:00.000Z' },
    generatedAt: '2026-11-23T12:30:00.000Z',
    revision: 7,
    asOf: '2026-11-21T12:00:00.000Z',
    chain: head,
    totals: { rows: 3, users: 2, unfinished: 1 },
    truncated: false,
    charts: [
      {
        bars: [
          { label: '2026-11-21', count: 1 },
          { label: '2026-11-22', count: 2 },
        ],
      },
      {
        bars: [
          { label: 'anna', count: 2 },
          { label: 'ben', count: 1 },
        ],
      },
      { title: 'Outcome' },
    ],
  })
  t.match(report.rows, [
    {
      sequence: 3,
      outcome: 'succeeded',
      userName: 'Ada',
      before: ['Agent in Sales'],
      after: ['Agent in Sales', 'Supervisor in all divisions'],
      details: 'operation: apply',
      hash: /^[0-9a-f]{64}$/,
    },
    { sequence: 4, outcome: 'started', userName: 'Dan' },
    { sequence: 6, outcome: 'failed', details: /it said no/ },
  ])
  const [created] = (await plane.get('/admin/v1/audit/entries?limit=1')).json<{ items: object[] }>()
    .items
  t.match(created, {
    action: 'report_created',
    subjectId: answer.id,
    actor: /^tester-/,
    details: { kind: 'changes', from: '2026-11-21T00:00:00.000Z' },
  })
  const narrow = { kind: 'changes', ...PERIOD, userId: 'dan@example.com', actor: 'ben' }
  t.match((await make(plane, narrow)).report, {
    title: 'Changes of roles of Dan by ben',
    totals: { rows: 1 },
  })
})

t.test('reports the history of one user, drift and sunsets included', async (t) => {
  const plane = await startStoredPlane(t)
  const { store, post } = plane
  const drift = (id: string) =>
    entry({
      action: 'drift',
      actor: 'platform',
      userId: null,
      before: null,
      after: null,
      details: { counts: { grant_added: 1 }, entries: [{ kind: 'grant_added', id }] },
    })
  await store.audit.append([entry(), drift(USERS.dan), drift(USERS.ada), entry(), drift(USERS.ada)])
  const until = '2027-01-01T00:00:00.000Z'
  const updates = [{ userId: USERS.ada, grant: [{ ...supervisor, until }] }]
  const { id } = (await post('/admin/v1/role-changes', { updates })).json<Answer>()
  const claim = await store.roleChanges.claim('test', 60_000)
  if (!claim) throw new Error('nothing to claim')
  await store.roleChanges.record(claim, {
    batch: { state: 'succeeded' },
    sunsets: [{ ...supervisor, userId: USERS.ada, until }],
    audit: [],
  })
  const { report } = await make(plane, { kind: 'user-history', userId: 'ada@example.com' })
  t.match(report, { title: 'History of Ada', period: { from: null, to: null } })
  t.same(
    report.rows.map(({ sequence }) => sequence),
    [1, 3, 4, 5, 7],
    `in order, with the request for this report; batch ${id} is about nobody alone`,
  )
  t.same(report.notes, [`Supervisor in all divisions ends at ${until}.`])
})

t.test('reports who holds a permission now', async (t) => {
  const plane = await startStoredPlane(t)
  const { report } = await make(plane, {
    kind: 'permission-holders',
    permission: 'routing:queue:view',
  })
  t.match(report, { revision: 7, totals: { rows: 4, heldNow: 4 }, notes: [] })
  t.match(
    report.rows.find(({ userId }) => userId === USERS.bob),
    {
      userName: 'Bob',
      email: 'bob@example.com',
      heldThen: null,
      heldNow: true,
      conditional: false,
      sources: ['Supervisor in all divisions through Supervisors'],
    },
  )
})

t.test('reports who held a permission in the past, and what was changed since', async (t) => {
  const plane = await startStoredPlane(t)
  const { archive, clock, served, store, folder } = plane
  const archived = async (matrix: Matrix) => {
    archive.offer(matrix)
    await archive.settled()
  }
  await archived(matrixOf(FACTS, 7))
  clock.now += 30 * 60_000
  await store.audit.append([entry({ outcome: 'started' }), entry()])
  clock.now += 30 * 60_000
  const [ada, bob, ...others] = FACTS.subjects
  const subjects = [{ ...ada, grants: [] }, bob ?? {}, ...others] as never
  const later = matrixOf({ ...FACTS, subjects }, 8)
  served.held = [later]
  const at = new Date(clock.now - 60_000).toISOString()
  const ask = { kind: 'permission-holders', permission: 'routing:queue:view' }
  const { report } = await make(plane, { ...ask, at })
  t.match(report, {
    title: 'Who holds routing:queue:view, then and now',
    asOf: '2026-11-21T12:30:00.000Z',
    revision: 8,
    totals: { rows: 4, heldThen: 4, heldNow: 3 },
    notes: [/archived at 2026-11-21T12:30:00.000Z. The trail has assignments of 1 user/],
  })
  t.match(
    report.rows.find(({ userId }) => userId === USERS.ada),
    {
      heldThen: true,
      heldNow: false,
      changes: [/^No\. 2, /],
    },
  )
  const early = await make(plane, { ...ask, at: '2026-11-20' })
  t.match(early, { state: 'failed', error: /no matrix is archived from 2026-11-20/ })
  t.equal((await take(plane, early.id, '?format=csv')).statusCode, 409)
  await archived(later)
  const names = (await readdir(join(folder, 'archive'))).sort()
  t.equal(names.length, 2)
  const file = join(folder, 'archive', names[1] ?? '')
  const bytes = await readFile(file)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
  await writeFile(file, bytes)
  clock.now += 60_000
  const passed = await make(plane, { ...ask, at: new Date(clock.now).toISOString() })
  t.match(passed.report, {
    asOf: '2026-11-21T12:30:00.000Z',
    notes: [
      String,
      /^Passed over: the archive of 2026-11-21T13:30:00.000Z: the snapshot is damaged/,
    ],
  })
})

t.test('reports current conflicts with the rules', async (t) => {
  const [ada, ...others] = FACTS.subjects
  const both = { ...ada, grants: [agent, { ...supervisor, divisionId: DIVISIONS.sales }] }
  const plane = await startStoredPlane(t)
  plane.served.held = [matrixOf({ ...FACTS, subjects: [both as never, ...others] }, 9)]
  const { report } = await make(plane, { kind: 'conflicts' })
  t.match(report, {
    revision: 9,
    totals: { rows: 1, users: 1, rules: 2 },
    charts: [{ bars: [{ label: 'supervisor-excludes-agent', count: 1 }] }],
    rows: [{ userName: 'Ada', roles: ['Supervisor', 'Agent'], division: 'all' }],
  })
  t.match((await plane.get(`${REPORTS}/none`)).json(), { status: 404 })
})

t.test('gives a report as CSV that no spreadsheet runs', async (t) => {
  const plane = await startStoredPlane(t)
  const nasty = ['=1+1', '+1', '-1', '@x', '\t=x', '"quoted", and\nbroken', 'plain']
  for (const actor of nasty) await plane.store.audit.append([entry({ actor })])
  const { id } = await make(plane, { kind: 'changes', ...PERIOD })
  const answer = await take(plane, id, '?format=csv')
  t.equal(answer.headers['content-type'], 'text/csv; charset=utf-8')
  t.match(answer.headers['content-disposition'], /^attachment; filename="report-[\w-]+\.csv"$/)
  const records = parse(answer.body, { bom: true, relax_column_count: true })
  const [header = [], ...rows] = records
  const last = rows.pop() ?? []
  t.same(header.slice(0, 5), ['sequence', 'time', 'action', 'outcome', 'actor'])
  const actors = rows.map((row) => row[4])
  t.same(actors, ["'=1+1", "'+1", "'-1", "'@x", "'\t=x", '"quoted", and\nbroken', 'plain'])
  t.match(rows[0], { 7: 'Agent in Sales', 8: 'Agent in Sales\nSupervisor in all divisions' })
  const { chain } = (await plane.get(`${REPORTS}/${id}`)).json<Answer>().report as unknown as {
    chain: { hash: string }
  }
  t.same(last, [`audit chain: 7 entries, head ${chain.hash}`])
  t.equal((await take(plane, id, '', 'text/csv')).body, answer.body)
})

t.test('gives a report as one page, everything escaped, nothing from elsewhere', async (t) => {
  const plane = await startStoredPlane(t)
  const actor = `<script>alert("x")</script>'&`
  await plane.store.audit.append([entry({ actor, details: { reason: '<img alt=x>' } })])
  const { id, report } = await make(plane, { kind: 'changes', ...PERIOD })
  const answer = await take(plane, id, '', 'text/html,application/xhtml+xml;q=0.9')
  t.equal(answer.headers['content-type'], 'text/html; charset=utf-8')
  t.match(answer.headers['content-disposition'], /^inline; filename="report-[\w-]+\.html"$/)
  t.notMatch(answer.body, /<script|<img|<link|href=|src=|url\(|@import|http/i)
  t.match(answer.body, '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;')
  t.match(answer.body, (report['chain'] as { hash: string }).hash)
  t.match(answer.body, /<svg viewBox/)
  t.match(answer.body, '<li>Supervisor in all divisions</li>')
  const [, style = ''] = /<style>([^]*?)<\/style>/.exec(answer.body) ?? []
  const digest = createHash('sha256').update(style).digest('base64')
  const policy = String(answer.headers['content-security-policy'])
  t.match(policy, `style-src 'sha256-${digest}'`)
  t.match(policy, "default-src 'none'")
  t.notMatch(answer.body, / style=/, 'no style that the policy would block')
})

t.test('shortens a page that nobody would print, and says so', async (t) => {
  const plane = await startStoredPlane(t)
  const subjects = Array.from({ length: 5_001 }, (_, index) => ({
    ...FACTS.subjects[0],
    id: `user-${index}`,
    name: `Name ${index}`,
  }))
  plane.served.held = [matrixOf({ ...FACTS, subjects: subjects as never }, 8)]
  const asked = { kind: 'permission-holders', permission: 'routing:queue:view' }
  const { id, report } = await make(plane, asked)
  t.equal(report.rows.length, 5_001)
  const page = (await take(plane, id, '?format=html')).body
  t.equal(page.split('<tr>').length - 1, 5_001, 'a heading and 5,000 rows')
  t.match(page, /Only the first 5000 rows are printed/)
  t.equal((await take(plane, id, '?format=csv')).body.trim().split('\r\n').length, 5_003)
})

t.test('names what is wrong with a request for a report', async (t) => {
  const plane = await startStoredPlane(t)
  const permission = 'routing:queue:view'
  for (const [body, field] of [
    [{}, 'kind'],
    [{ kind: 'everything' }, 'kind'],
    [{ kind: 'changes' }, 'from'],
    [{ kind: 'changes', from: '2026-11-01' }, 'to'],
    [{ kind: 'changes', from: 'x', to: '2026-11-01' }, 'from'],
    [{ kind: 'changes', from: '2026-11-02', to: '2026-11-02' }, 'to'],
    [{ kind: 'changes', ...PERIOD, permission }, 'permission'],
    [{ kind: 'changes', ...PERIOD, user: 'x' }, 'user'],
    [{ kind: 'user-history' }, 'userId'],
    [{ kind: 'user-history', userId: 'nobody@example.com' }, 'userId'],
    [{ kind: 'user-history', userId: USERS.ada, actor: 'x' }, 'actor'],
    [{ kind: 'permission-holders' }, 'permission'],
    [{ kind: 'permission-holders', permission: 'routing:queue:veiw' }, 'permission'],
    [{ kind: 'permission-holders', permission, at: 'then' }, 'at'],
    [{ kind: 'permission-holders', permission, at: '2027-01-01' }, 'at'],
    [{ kind: 'conflicts', at: '2026-01-01' }, 'at'],
  ] as const) {
    const answer = await plane.post(REPORTS, body, nextTester())
    t.match(answer.json(), { status: 400, field }, JSON.stringify(body))
  }
  const bad = await plane.get(`${REPORTS}/x?format=pdf`)
  t.match(bad.json(), { status: 400, field: 'format' })
})

t.test('lets a reader have reports made, a few at a time, and gives up what waits', async (t) => {
  const blocked = Promise.withResolvers<void>()
  const plane = await startStoredPlane(t)
  const { store, reports } = plane
  const stream = store.audit.stream.bind(store.audit)
  Object.defineProperty(store.audit, 'stream', {
    value: async function* waiting(...args: Parameters<typeof stream>) {
      await blocked.promise
      yield* stream(...args)
    },
  })
  const body = { kind: 'changes', ...PERIOD }
  const first = await plane.post(REPORTS, body, bearer(READER_SECRET))
  t.equal(first.statusCode, 202)
  t.match(first.json(), {
    state: 'running',
    progress: { done: 0, total: 1 },
    requestedBy: 'reader',
  })
  const { id } = first.json<Answer>()
  t.match((await plane.get(`${REPORTS}/${id}`)).json(), { id, state: 'running' })
  t.match((await take(plane, id, '?format=html')).json(), { status: 409, detail: /being made/ })
  for (let waiting = 1; waiting < 10; waiting++) await plane.post(REPORTS, body, nextTester())
  const refused = await plane.post(REPORTS, body, nextTester())
  t.match(refused.json(), { status: 503, type: /overloaded$/, retryAfterSeconds: 30 })
  const disposed = reports[Symbol.asyncDispose]()
  blocked.resolve()
  await disposed
  t.match((await plane.get(`${REPORTS}/${id}`)).json(), { state: /failed|succeeded/ })
  const { items } = (await plane.get('/admin/v1/audit/entries')).json<{
    items: { subjectId: string }[]
  }>()
  const last = items[0]?.subjectId ?? ''
  t.match((await plane.get(`${REPORTS}/${last}`)).json(), { state: 'failed', error: /interrupted/ })
  t.rejects(
    reports.start({ kind: 'conflicts' }, { requestedBy: 'x', requestId: '' }),
    new Failure('not-ready', 'the service is stopping'),
  )
})
