import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { GENESIS_HASH } from '../../src/domain/audit.ts'
import { databaseUrl, onBothStores } from './support/both-stores.ts'
import type { Body } from './support/caller.ts'
import { ChangeDesk, directGrants } from './support/change-desk.ts'
import { ADMIN_KEY, environment, temporaryFolder } from './support/environment.ts'
import { openDesk, READ_BACK } from './support/open-desk.ts'
import { openService, startPlatform } from './support/service-under-test.ts'
import { until } from './support/until.ts'

// What takes time is waiting: for pauses between publications, for reading back.
t.jobs = 2

const HOUR_MS = 3_600_000

const { users, roles, divisions } = SMALL_WORLD
const held = { roleId: roles.agent, divisionId: divisions.sales }
const granted = { roleId: roles.evaluator, divisionId: divisions.support }
const employee = { roleId: roles.employee, divisionId: divisions.home }
const updates = [{ userId: users.alice, grant: [granted] }]

/** JSON with the names of every object in order: canonical for what an entry holds. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

onBothStores(
  'the trail tells of every step, and anybody can recompute its chain',
  async (t, database) => {
    const { desk } = await openDesk(t, database)
    const body = { updates, comment: 'for the quarter' }
    const { id } = await desk.get('/admin/v1/role-changes', {
      body,
      headers: { 'x-request-id': 'ticket-4711' },
    })
    await desk.atRest(id)
    await desk.rollBack(id)
    const entries = await desk.entries(`subjectId=${id}`)
    const before = { grants: [employee, held] }
    const after = { grants: [employee, held, granted] }
    const change = { action: 'role_assignment_change', userId: users.alice }
    const addedPermissions = ['quality:evaluation:edit', 'quality:evaluation:view']
    const told = [
      { action: 'role_changes_accepted', outcome: 'started', details: { comment: body.comment } },
      { ...change, outcome: 'started', before, after, details: { operation: 'apply' } },
      { ...change, outcome: 'succeeded', before, after, details: { added: [granted] } },
      { action: 'role_changes_ended', outcome: 'succeeded', details: { state: 'succeeded' } },
      { action: 'role_changes_rollback', outcome: 'started' },
      { ...change, outcome: 'started', before: after, after: before },
      { ...change, outcome: 'succeeded', before: after, after: before },
      { action: 'role_changes_ended', outcome: 'succeeded', details: { state: 'rolled-back' } },
    ]
    t.equal(entries.length, told.length)
    t.match(entries, told)
    t.match(entries[2].details, { addedPermissions }, 'and of what it meant')
    for (const { actor } of entries) t.equal(actor, 'root')
    for (const { requestId } of entries.slice(0, 4)) t.equal(requestId, 'ticket-4711')

    await desk.rebuild()
    const lines = await desk.ask('/admin/v1/audit/entries', {
      headers: { accept: 'application/x-ndjson' },
    })
    const exported = lines.text.trim().split('\n')
    const chain: Body[] = exported.map((line) => JSON.parse(line))
    t.ok(chain.length > told.length)
    let previousHash = GENESIS_HASH
    for (const [index, { hash, ...entry }] of chain.entries()) {
      t.match(entry, { sequence: index + 1, previousHash })
      t.equal(hash, createHash('sha256').update(canonical(entry)).digest('hex'))
      previousHash = hash
    }
    const verification = await desk.verification()
    const head = { count: chain.length, hash: previousHash }
    t.match(verification, {
      intact: true,
      checked: chain.length,
      head,
      witness: head,
      broken: null,
    })
    t.notMatch(lines.text, ADMIN_KEY)
  },
)

type Tampering = {
  readonly what: string
  readonly sql: readonly string[]
  readonly sequence: (count: number) => number
}

const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'an edited entry',
    sql: [`update audit_entries set actor = 'nobody' where sequence = 3`],
    sequence: () => 3,
  },
  {
    what: 'a deleted entry',
    sql: [`delete from audit_entries where sequence = 4`],
    sequence: () => 4,
  },
  {
    what: 'entries in another order',
    sql: [
      `update audit_entries set sequence = 1000 where sequence = 2`,
      `update audit_entries set sequence = 2 where sequence = 3`,
      `update audit_entries set sequence = 3 where sequence = 1000`,
    ],
    sequence: () => 2,
  },
  {
    what: 'a tail cut off, with nothing in the database that knows of it',
    sql: [
      `delete from audit_entries where sequence = (select max(sequence) from audit_entries)`,
      `update audit_head set count = count - 1, hash =
        (select hash from audit_entries order by sequence desc limit 1)`,
    ],
    sequence: (count) => count,
  },
]

onBothStores('whoever changes the trail is found out', async (t, database) => {
  const { desk } = await openDesk(t, database)
  await desk.carryOut({ updates })
  const { intact, head } = await desk.verification()
  t.ok(intact)
  for (const sql of ['delete from audit_entries', `update audit_entries set actor = 'nobody'`]) {
    await t.rejects(database.execute(sql), 'the database itself refuses')
  }
  await database.dropGuards()
  await database.execute(
    'create table kept_entries as select * from audit_entries',
    'create table kept_head as select * from audit_head',
  )
  for (const { what, sql, sequence } of TAMPERINGS) {
    await database.execute(...sql)
    const { intact: whole, broken } = await desk.verification()
    t.notOk(whole, what)
    t.match(broken, { sequence: sequence(head.count), reason: /\w/ }, what)
    await database.execute(
      'delete from audit_entries',
      'insert into audit_entries select * from kept_entries',
      'delete from audit_head',
      'insert into audit_head select * from kept_head',
    )
    t.match(
      await desk.verification(),
      { intact: true, broken: null, head },
      'put back, it is whole',
    )
  }
})

onBothStores('reports of every kind come as JSON, as CSV and as a page', async (t, database) => {
  const { desk, simulator, env } = await openDesk(t, database)
  await until('the matrix is archived', async () => {
    const names = await readdir(join(env['DATA_DIR'] ?? '', 'archive')).catch(() => [])
    return names.some((name) => name.endsWith('.gz'))
  })
  const earlier = new Date().toISOString()
  const permission = 'quality:evaluation:view'
  const inAMonth = new Date(Date.now() + 30 * 86_400_000).toISOString()
  const timed = [{ userId: users.alice, grant: [{ ...granted, until: inAMonth }] }]
  t.equal((await desk.carryOut({ updates: timed })).state, 'succeeded')
  simulator.grant(users.alice, roles.supervisor, divisions.home)
  await desk.get('/admin/v1/rebuilds', { body: {} })
  await until('the drift is in the trail', async () => {
    return (await desk.entries('action=drift')).length > 0
  })
  // Its day, which the changes need not have ended on.
  const from = earlier.slice(0, 10)
  const asked: readonly (readonly [object, object])[] = [
    [
      { kind: 'changes', from, to: '2999-01-01' },
      { userId: users.alice, before: ['employee in Home', 'Agent in Sales'] },
    ],
    [{ kind: 'user-history', userId: 'alice.adler@small.example' }, { action: 'drift' }],
    [
      { kind: 'permission-holders', permission },
      { userId: users.alice, heldNow: true },
    ],
    [
      { kind: 'permission-holders', permission, at: earlier },
      { userId: users.alice, heldThen: false, heldNow: true },
    ],
    [
      { kind: 'permission-holders', permission, at: new Date().toISOString() },
      { userId: users.alice, heldThen: true, heldNow: true, changes: [/^No\. \d+/] },
    ],
    [{ kind: 'conflicts' }, { rule: 'supervisor-excludes-agent', userId: users.alice }],
  ]
  for (const [request, row] of asked) {
    const { head } = await desk.verification()
    const { id } = await desk.get('/admin/v1/audit/reports', { body: request })
    const path = `/admin/v1/audit/reports/${id}`
    const { state, error, report } = await until('the report is made', async () => {
      const answer = await desk.get(path)
      return answer.state !== 'running' && answer
    })
    t.equal(state, 'succeeded', error)
    t.ok(report.chain.count >= head.count, 'it holds the end of the chain')
    const found = report.rows.some((each: Body) => {
      return Object.entries(row).every(([name, value]) => matches(each[name], value))
    })
    t.ok(found, `${JSON.stringify(request)}: ${JSON.stringify(report.rows)}`)
    const csv = await desk.ask(`${path}?format=csv`)
    const rows = parse(csv.text, { bom: true, relax_column_count: true })
    t.equal(rows.length, report.rows.length + 2, 'a row each, the heading, the chain')
    t.match(rows.at(-1)?.[0], report.chain.hash)
    const page = await desk.ask(path, { headers: { accept: 'text/html' } })
    t.match(page.headers.get('content-type'), 'text/html')
    for (const text of ['<!doctype html>', report.title, report.chain.hash, 'Alice Adler']) {
      t.ok(page.text.toLowerCase().includes(text.toLowerCase()), text)
    }
    t.notMatch(page.text, /<script|(?:src|href)=["']?http/i, 'it needs nothing from elsewhere')
  }
})

function matches(value: unknown, expected: unknown): boolean {
  if (expected instanceof RegExp) return typeof value === 'string' && expected.test(value)
  if (!Array.isArray(expected)) return value === expected
  return Array.isArray(value) && expected.every((each, index) => matches(value[index], each))
}

onBothStores(
  'a grant whose time ends while the service is down is taken back at the start',
  async (t, database) => {
    await using folder = await temporaryFolder()
    const simulator = await startPlatform()
    t.teardown(() => simulator.close())
    const env = {
      ...environment(simulator.url, folder.path),
      ...databaseUrl(database),
      // What reads the platform goes by the real time.
      MAX_SNAPSHOT_AGE_SECONDS: '86400',
    }
    const clock = { ahead: 0 }
    const now = (): number => Date.now() + clock.ahead
    const roleChanges = { readBack: READ_BACK, publicationPauseMs: 0 }
    const overrides = { now, roleChanges }
    const before = directGrants(simulator)
    const question = { userId: users.olivia, permission: 'routing:queue:view' }
    {
      await using running = await openService(env, overrides)
      await running.service.start()
      await running.caller.untilReady()
      const desk = new ChangeDesk(running.caller)
      const grant = [{ ...held, until: new Date(now() + HOUR_MS).toISOString() }]
      const batch = await desk.carryOut({ updates: [{ userId: users.olivia, grant }] })
      t.equal(batch.state, 'succeeded')
      t.match(await desk.entries('action=sunset_scheduled'), [{ userId: users.olivia }])
    }
    t.not(directGrants(simulator)[users.olivia]?.length, 0, 'the grant outlives the service')
    clock.ahead = 2 * HOUR_MS
    await using running = await openService(env, overrides)
    await running.service.start()
    const { caller } = running
    await until('it is taken back', async () => (await caller.outcome(question)) === 'not_granted')
    const desk = new ChangeDesk(caller)
    const { items } = await desk.get('/admin/v1/role-changes')
    t.match(items[0], { requestedBy: 'sunset' })
    t.equal((await desk.atRest(items[0].id)).state, 'succeeded')
    t.same(directGrants(simulator), before)
    await desk.rebuild()
    t.same(await desk.entries('action=drift'), [])
    const query = 'action=role_assignment_change&outcome=succeeded&actor=sunset'
    t.equal((await desk.entries(query)).length, 1, 'once')
  },
)
