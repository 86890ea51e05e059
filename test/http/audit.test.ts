import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { AuditEntry, AuditTrail, NewAuditEntry } from '../../src/domain/audit.ts'
import type { SubjectFact } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import { RefusedLogins } from '../../src/http/refused-logins.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { FACTS, matrixOf, USERS } from './support/organization.ts'
import { ADMIN_SECRET, bearer, METRICS_SECRET, startCheckPlane } from './support/planes.ts'
import { NOW, startStoredPlane } from './support/stored-plane.ts'

const ENTRIES = '/admin/v1/audit/entries'
const NDJSON = { accept: 'application/x-ndjson' }

type Page = { items: AuditEntry[]; nextCursor?: string }
type Plane = Awaited<ReturnType<typeof startStoredPlane>>

const entry = (parts: Partial<NewAuditEntry> = {}): NewAuditEntry => ({
  action: 'role_assignment_change',
  outcome: 'succeeded',
  actor: 'anna',
  requestId: 'request-1',
  userId: USERS.ada,
  subjectId: 'batch-1',
  before: { grants: [] },
  after: { grants: [{ roleId: 'r', divisionId: '*' }] },
  details: { operation: 'apply' },
  ...parts,
})

/** Six entries, a minute apart. */
async function fill({ store, clock }: Plane): Promise<void> {
  const parts: Partial<NewAuditEntry>[] = [
    {},
    { actor: 'ben' },
    { userId: USERS.dan, outcome: 'failed' },
    { userId: null, action: 'role_changes_ended', subjectId: 'batch-2' },
    { outcome: 'started' },
    { actor: 'ben', subjectId: 'batch-2' },
  ]
  for (const part of parts) {
    await store.audit.append([entry(part)])
    clock.now += 60_000
  }
}

const sequences = (page: Page): number[] => page.items.map(({ sequence }) => sequence)

t.test('lists the trail newest first, or oldest first, in stable pages', async (t) => {
  const plane = await startStoredPlane(t)
  await fill(plane)
  const page = async (query: string) => (await plane.get(`${ENTRIES}?${query}`)).json<Page>()
  const whole = await page('')
  t.same(sequences(whole), [6, 5, 4, 3, 2, 1])
  t.match(whole.items[5], {
    time: '2026-11-21T12:30:00.000Z',
    action: 'role_assignment_change',
    actor: 'anna',
    requestId: 'request-1',
    userId: USERS.ada,
    before: { grants: [] },
    after: { grants: [{ roleId: 'r', divisionId: '*' }] },
    details: { operation: 'apply' },
    previousHash: '0'.repeat(64),
    hash: /^[0-9a-f]{64}$/,
  })
  const newest = await page('limit=4')
  await plane.store.audit.append([entry()])
  t.same(sequences(await page(`limit=4&cursor=${newest.nextCursor}`)), [2, 1])
  const oldest = await page('order=asc&limit=3')
  t.same(sequences(oldest), [1, 2, 3])
  const rest = await page(`order=asc&limit=100&cursor=${oldest.nextCursor}`)
  t.same(sequences(rest), [4, 5, 6, 7])
  t.notOk(rest.nextCursor)
  const other = await plane.get(`${ENTRIES}?order=asc&limit=4&cursor=${newest.nextCursor}`)
  t.match(other.json(), { status: 400, field: 'cursor' }, 'a cursor is for its own question')
})

t.test('bounds a page of long entries in bytes, and tells each of them once', async (t) => {
  const plane = await startStoredPlane(t)
  const note = 'x'.repeat(200_000)
  await plane.store.audit.append(Array.from({ length: 30 }, () => entry({ details: { note } })))
  const told: number[] = []
  let pages = 0
  let cursor = ''
  for (let isLast = false; !isLast; pages += 1) {
    const answer = await plane.get(`${ENTRIES}?limit=1000&order=asc${cursor}`)
    t.ok(answer.body.length < 1.1 * 1024 * 1024, `${answer.body.length} bytes`)
    const page = answer.json<Page>()
    told.push(...sequences(page))
    isLast = page.nextCursor === undefined
    cursor = `&cursor=${page.nextCursor}`
  }
  t.same(
    told,
    Array.from({ length: 30 }, (_, index) => index + 1),
  )
  t.equal(pages, 6, 'five of them go on a page')
})

t.test('filters the trail by everything that is known of an entry', async (t) => {
  const plane = await startStoredPlane(t)
  await fill(plane)
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['actor=ben', [6, 2]],
    [`userId=${USERS.dan}`, [3]],
    ['userId=ADA@example.com', [6, 5, 2, 1]],
    ['action=role_changes_ended', [4]],
    ['outcome=failed', [3]],
    ['subjectId=batch-2', [6, 4]],
    ['from=2026-11-21T12:34:00Z', [6, 5]],
    ['to=2026-11-21T13:31:00%2B01:00', [1]],
    ['from=2026-11-21&to=2026-11-22&actor=ben&subjectId=batch-2', [6]],
    ['from=2026-11-22', []],
    ['actor=nobody', []],
  ]
  for (const [query, expected] of cases) {
    t.same(sequences((await plane.get(`${ENTRIES}?${query}`)).json<Page>()), expected, query)
  }
})

t.test('takes the email of a deleted user for that of the living one', async (t) => {
  const plane = await startStoredPlane(t)
  await fill(plane)
  const [ada, bob, , dan] = FACTS.subjects
  if (!ada || !bob || !dan) throw new Error('the organisation has changed')
  const { email } = ada
  const gone = { ...bob, email, state: 'deleted' as const }
  const find = (subjects: SubjectFact[]) => {
    plane.served.held = [matrixOf({ ...FACTS, subjects }, 7)]
    return plane.get(`${ENTRIES}?userId=${email.toUpperCase()}`)
  }
  t.same(sequences((await find([gone, ada])).json<Page>()), [6, 5, 2, 1])
  const two = await find([gone, ada, { ...dan, email }])
  t.match(two.json(), { status: 400, field: 'userId', detail: /more than one/ })
  t.equal((await find([gone])).statusCode, 200, 'the trail tells of the deleted too')
})

t.test('names the filter that is wrong', async (t) => {
  const { get } = await startStoredPlane(t)
  for (const [query, field] of [
    ['from=yesterday', 'from'],
    ['from=2026-02-30', 'from'],
    ['to=2026-11-21T25:00:00Z', 'to'],
    ['from=2026-11-22&to=2026-11-21', 'to'],
    ['action=everything', 'action'],
    ['outcome=good', 'outcome'],
    ['order=up', 'order'],
    ['limit=1001', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['user=x', 'user'],
    ['userId=nobody@example.com', 'userId'],
    [`actor=${'x'.repeat(257)}`, 'actor'],
  ] as const) {
    t.match((await get(`${ENTRIES}?${query}`)).json(), { status: 400, field }, query)
  }
})

t.test('exports all matching entries as lines, oldest first', async (t) => {
  const plane = await startStoredPlane(t)
  const { app, store } = plane
  await fill(plane)
  await store.audit.append(Array.from({ length: 900 }, () => entry({ actor: 'bulk' })))
  const ask = (query: string) =>
    app.inject({
      url: `${ENTRIES}?${query}`,
      headers: { ...bearer(ADMIN_SECRET), accept: 'text/plain, application/x-ndjson;q=0.9' },
    })
  const answer = await ask('')
  t.equal(answer.headers['content-type'], 'application/x-ndjson')
  const lines = answer.body.split('\n')
  t.equal(lines.pop(), '', 'every line is ended')
  t.equal(lines.length, 906)
  const first = JSON.parse(lines[0] ?? '') as AuditEntry
  t.match(first, { sequence: 1, hash: /^[0-9a-f]{64}$/ })
  t.same(first, (await plane.get(`${ENTRIES}?order=asc&limit=1`)).json<Page>().items[0])
  t.equal((await ask('actor=ben')).body.trim().split('\n').length, 2)
  t.equal((await ask('actor=nobody')).body, '')
  for (const field of ['limit=5', 'order=asc', 'cursor=x']) {
    t.match((await ask(field)).json(), { status: 400, detail: /pages/ }, field)
  }
})

const never = () => Promise.reject(new Error('not asked for'))

t.test('ends an export when its reader goes, and lets only a few run', async (t) => {
  let open = 0
  const gone = Promise.withResolvers<void>()
  const endless: Pick<AuditTrail, 'stream'> = {
    async *stream() {
      open += 1
      try {
        for (let sequence = 1; ; sequence++) {
          const hash = 'x'.repeat(64)
          yield { ...entry(), sequence, time: '', previousHash: hash, hash }
        }
      } finally {
        open -= 1
        if (open === 0) gone.resolve()
      }
    },
  }
  const audit = { ...endless, append: never, list: never, verify: never }
  const { app } = await startStoredPlane(t, { audit })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const headers = { ...bearer(ADMIN_SECRET), ...NDJSON }
  const ask = async () => {
    const sent = httpRequest({ host: '127.0.0.1', port, path: ENTRIES, headers, agent: false })
    sent.on('error', () => undefined).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { sent, response }
  }
  const readers = [await ask(), await ask(), await ask(), await ask()]
  const refused = await ask()
  t.equal(refused.response.statusCode, 503)
  t.equal(refused.response.headers['retry-after'], '5')
  t.equal(open, 4)
  for (const { sent } of [...readers, refused]) sent.destroy()
  await gone.promise
  const after = await ask()
  t.equal(after.response.statusCode, 200, 'there is room again')
  after.sent.destroy()
})

t.test('answers a problem, not half an export, when the trail cannot be read', async (t) => {
  const plane = await startStoredPlane(t)
  await plane.store[Symbol.asyncDispose]()
  const headers = { ...bearer(ADMIN_SECRET), ...NDJSON }
  const answer = await plane.app.inject({ url: ENTRIES, headers })
  t.match(answer.json(), { status: 503, type: /store-unavailable$/ })
  t.equal((await plane.get('/admin/v1/audit/verification')).statusCode, 503)
})

t.test('verifies the chain, and answers 200 for one that is broken', async (t) => {
  const plane = await startStoredPlane(t)
  await fill(plane)
  const sound = await plane.get('/admin/v1/audit/verification')
  t.equal(sound.statusCode, 200)
  t.match(sound.json(), {
    intact: true,
    checked: 6,
    prunedThrough: 0,
    head: { count: 6, hash: /^[0-9a-f]{64}$/ },
    broken: null,
    verifiedAt: String,
  })
  const head = { count: 6, hash: 'x' }
  const broken = {
    intact: false,
    checked: 3,
    prunedThrough: 0,
    head,
    witness: null,
    broken: { sequence: 4, reason: 'its hash is not that of its content' },
    verifiedAt: '2026-11-21T12:30:00.000Z',
  }
  const { audit } = plane.store
  const verify = async () => broken
  const tampered = await startStoredPlane(t, {
    audit: {
      append: (entries) => audit.append(entries),
      list: (filter, page) => audit.list(filter, page),
      stream: (filter) => audit.stream(filter),
      verify,
    },
  })
  const answer = await tampered.get('/admin/v1/audit/verification')
  t.equal(answer.statusCode, 200)
  t.same(answer.json(), broken)
})

t.test('holds the trail to its scopes', async (t) => {
  const { app } = await startStoredPlane(t)
  for (const url of [ENTRIES, '/admin/v1/audit/verification', '/admin/v1/audit/reports/x']) {
    t.equal((await app.inject(url)).statusCode, 401, url)
    const headers = bearer(METRICS_SECRET)
    t.not((await app.inject({ url, headers })).statusCode, 200, url)
  }
})

/** A trail that remembers, and that can be made to fail. */
function rememberingTrail() {
  const trail = {
    entries: [] as NewAuditEntry[],
    down: false,
    append: async (entries: readonly NewAuditEntry[]) => {
      if (trail.down) throw new Failure('store-unavailable', 'the database is down')
      trail.entries.push(...entries)
      return []
    },
  }
  return trail
}

t.test('counts refused logins by minute, plane and source', async (t) => {
  const audit = rememberingTrail()
  const clock = { now: NOW }
  const { logger } = recordingLogger()
  const refused = new RefusedLogins({ audit, logger, now: () => clock.now })
  const plane = await startStoredPlane(t, { refusedLogins: refused })
  const check = startCheckPlane(t, { refusedLogins: refused })
  await plane.app.inject({ url: ENTRIES, headers: bearer('guess') })
  await plane.app.inject({ url: ENTRIES, headers: bearer('guess'), remoteAddress: '10.0.0.9' })
  const write = { method: 'POST' as const, headers: bearer('reader-secret-012345678') }
  await plane.app.inject({ ...write, url: '/admin/v1/rebuilds' })
  await check.app.inject('/check-permission?userId=u&permission=p')
  await refused.flush()
  t.same(audit.entries, [], 'the minute is not over')
  clock.now += 60_000
  await refused.flush()
  t.match(audit.entries, [
    {
      action: 'login_refused',
      outcome: 'refused',
      actor: 'service',
      details: {
        minute: '2026-11-21T12:30:00.000Z',
        plane: 'admin',
        source: '127.0.0.1',
        unauthenticated: 1,
        forbidden: 1,
      },
    },
    { details: { plane: 'admin', source: '10.0.0.9', unauthenticated: 1, forbidden: 0 } },
    { details: { plane: 'check', source: '127.0.0.1', unauthenticated: 1 } },
  ])
  t.equal(audit.entries.length, 3)
  t.notMatch(JSON.stringify(audit.entries), /guess/)
  await refused.flush()
  t.equal(audit.entries.length, 3, 'nothing is told twice')
  await refused[Symbol.asyncDispose]()
})

t.test(
  'keeps counts while the trail is down, within bounds, and records them at the end',
  async (t) => {
    const audit = rememberingTrail()
    const clock = { now: NOW }
    const { logger, lines } = recordingLogger()
    const refused = new RefusedLogins({ audit, logger, now: () => clock.now })
    for (let source = 0; source < 1_100; source++) {
      refused.note('check', 'unauthenticated', `10.0.${source >> 8}.${source & 255}`)
    }
    audit.down = true
    clock.now += 60_000
    await refused.flush()
    t.same(audit.entries, [])
    t.match(lines.at(-1), { msg: /not recorded/ })
    audit.down = false
    refused.note('admin', 'forbidden', '10.0.0.1')
    await refused[Symbol.asyncDispose]()
    t.equal(audit.entries.length, 52)
    t.match(audit.entries[50], { details: { source: 'other', unauthenticated: 1_050 } })
    t.match(audit.entries[51], { details: { source: '10.0.0.1', forbidden: 1 } })
    const many = new RefusedLogins({ audit, logger, now: () => clock.now })
    audit.entries.length = 0
    for (let minute = 0; minute < 100; minute++) {
      clock.now += 60_000
      many.note('admin', 'unauthenticated', '2001:db8::1')
      many.note('admin', 'unauthenticated', '2001:db8::2')
    }
    await many[Symbol.asyncDispose]()
    t.equal(audit.entries.length, 60, 'an hour is kept')
    t.match(audit.entries[0], { details: { source: '2001:db8:0:0::/64', unauthenticated: 2 } })
  },
)
