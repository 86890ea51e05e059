import t from 'tap'
import type { World } from '../../simulator/world.ts'
import {
  DEFAULT_CLIENT,
  GRANT_PERMISSIONS,
  READ_PERMISSIONS,
} from '../../simulator/simulated-client.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { MAX_BATCH } from '../../src/http/check/batch-request.ts'
import { onBothStores } from './support/both-stores.ts'
import type { Body, Caller } from './support/caller.ts'
import { directGrants, itemStates } from './support/change-desk.ts'
import { temporaryFolder } from './support/environment.ts'
import { openDesk } from './support/open-desk.ts'
import { allQuestions } from './support/questions.ts'
import { openService } from './support/service-under-test.ts'
import { until } from './support/until.ts'

// What takes time is waiting: for pauses between publications, for reading back.
t.jobs = 2

const { users, roles, divisions } = SMALL_WORLD
const { home, sales, support } = divisions
const WRITER_ID = 'c11e0000-0000-4000-8000-000000000002'
const SUBJECTS = '/api/v2/authorization/subjects/{subjectId}'

/** Codes that each user holds, be it under a condition, by user and place (`''`: anywhere). */
async function heldByAll(caller: Caller, world: World): Promise<Map<string, Set<string>>> {
  const questions = allQuestions(world)
  const held = new Map<string, Set<string>>()
  for (let start = 0; start < questions.length; start += MAX_BATCH) {
    const part = questions.slice(start, start + MAX_BATCH)
    const { body } = await caller.batch(part)
    for (const [index, { userId, permission, divisionId = '' }] of part.entries()) {
      const { allowed, reason } = body.results[index]
      const key = `${userId} ${divisionId}`
      const codes = held.get(key) ?? new Set()
      if (allowed || reason === 'conditional') codes.add(permission)
      held.set(key, codes)
    }
  }
  return held
}

const EMPTY = { addedPermissions: [], removedPermissions: [] }

/** What a simulation says of a user in a place, in the form of {@link differences}. */
function told(entry: Body, divisionId: string): unknown {
  if (divisionId === '') return entry
  const line = (id: string) => entry.divisions.find((each: Body) => each.divisionId === id)
  return line(divisionId) ?? line('*') ?? EMPTY
}

type Held = Awaited<ReturnType<typeof heldByAll>>

/** Where checks before and after a change are not what its simulation says; none, it is hoped. */
function differences(before: Held, after: Held, simulation: Body): string[] {
  return [...before].flatMap(([key, held]) => {
    const [userId = ''] = key.split(' ', 1)
    const divisionId = key.slice(userId.length + 1)
    const holdsNow = after.get(key) ?? new Set()
    const entry = simulation.entries.find((each: Body) => each.userId === userId)
    const { addedPermissions, removedPermissions } = (
      entry ? told(entry, divisionId) : EMPTY
    ) as typeof EMPTY
    const added = [...holdsNow].filter((code) => !held.has(code)).toSorted()
    const removed = [...held].filter((code) => !holdsNow.has(code)).toSorted()
    const seen = JSON.stringify([added, removed])
    const said = JSON.stringify([addedPermissions.toSorted(), removedPermissions.toSorted()])
    return seen === said ? [] : [`${key}: ${seen}, not ${said}`]
  })
}

/** Users by id or email, roles and divisions by id or name; every form of an update. */
const EVERY_FORM = [
  {
    userId: 'ALICE.adler@small.example',
    grant: [{ roleId: 'Quality Evaluator', divisionId: 'Support' }],
    revoke: [{ roleId: roles.agent, divisionId: sales }],
  },
  { userId: users.bob, newRoleIds: [roles.evaluator] },
  { userId: 'carol.costa@small.example', newRoleIds: ['Telephony Admin'] },
  { userId: users.erin, revoke: [{ roleId: roles.evaluator, divisionId: 'Support' }] },
  { userId: users.heidi, newRoleIds: ['Group Creator', roles.unused], divisionId: 'Support' },
  { userId: users.ivan, newRoleIds: [], divisionId: sales },
  { userId: users.judy, newRoleIds: [] },
  { userId: users.olivia, grant: [{ roleId: 'Supervisor', divisionId: '*' }] },
]

const employee = `${roles.employee} ${home}`
const AFTER_EVERY_FORM = {
  [users.alice]: [employee, `${roles.evaluator} ${support}`],
  [users.bob]: [employee, `${roles.evaluator} ${home}`],
  [users.carol]: [employee, `${roles.telephonyAdmin} ${home}`],
  [users.erin]: [employee],
  [users.heidi]: [
    employee,
    `${roles.telephonyAdmin} ${home}`,
    `${roles.groupCreator} ${support}`,
    `${roles.unused} ${support}`,
  ],
  [users.ivan]: [employee, `${roles.agent} ${support}`, `${roles.groupCreator} ${home}`],
  [users.judy]: [employee],
  [users.olivia]: [`${roles.supervisor} *`],
}

onBothStores(
  'what a simulation tells is what applying does, and rolling back undoes it',
  async (t, database) => {
    const { caller, desk, simulator } = await openDesk(t, database)
    const { world } = simulator
    const grantsBefore = directGrants(simulator)
    const before = await heldByAll(caller, world)
    const simulation = await desk.simulate(EVERY_FORM)
    t.match(simulation, { revision: 1, conflicts: [], blastRadius: { users: 7 } })
    t.match(simulation.keptThroughGroups, [{ userId: users.judy }], 'Judy keeps all of it')
    t.same(directGrants(simulator), grantsBefore, 'a simulation changes nothing')
    t.equal(simulator.requests.of(`POST ${SUBJECTS}/bulkadd`), 0)

    const batch = await desk.carryOut({ updates: EVERY_FORM, comment: 'every form' })
    t.match(batch, { state: 'succeeded', counts: { applied: 8 }, progress: { done: 8, total: 8 } })
    t.match(batch, { comment: 'every form', requestedBy: 'root', baseRevision: 1 })
    const expected = Object.entries(AFTER_EVERY_FORM).map(([id, held]) => [id, held.toSorted()])
    const grantsAfter = { ...grantsBefore, ...Object.fromEntries(expected) }
    t.same(directGrants(simulator), grantsAfter, 'the platform has exactly what was asked for')
    t.same(differences(before, await heldByAll(caller, world), simulation), [], 'without a rebuild')

    t.equal((await desk.rebuild()).state, 'succeeded')
    t.same(differences(before, await heldByAll(caller, world), simulation), [], 'and after one')
    t.same(await desk.entries('action=drift'), [], 'our own change is no drift')
    t.match(await desk.simulate(EVERY_FORM), { entries: [], blastRadius: { users: 0 } })

    t.match(await desk.rollBack(batch.id), { state: 'rolled-back', counts: { 'rolled-back': 8 } })
    t.same(directGrants(simulator), grantsBefore, 'exactly as before')
    t.same(await heldByAll(caller, world), before, 'in the answers too')
    t.equal((await desk.rebuild()).state, 'succeeded')
    t.same(await heldByAll(caller, world), before)
    t.same(await desk.entries('action=drift'), [])
  },
)

onBothStores('a change is served before the platform shows it', async (t, database) => {
  const clock = { offsetMs: 0 }
  const { caller, desk, simulator } = await openDesk(t, database, {
    simulator: { consistencyDelayMs: 3_600_000, now: () => Date.now() + clock.offsetMs },
  })
  const question = { userId: users.alice, permission: 'gdpr:request:view', divisionId: support }
  const grant = [{ roleId: roles.unused, divisionId: support }]
  t.equal(await caller.outcome(question), 'not_granted')
  const batch = await desk.carryOut({ updates: [{ userId: users.alice, grant }] })
  t.match(batch, { state: 'succeeded', items: [{ state: 'applied', visible: false }] })
  t.equal(await caller.outcome(question), 'allowed')
  const before = directGrants(simulator)[users.alice]
  t.notOk(before?.includes(`${roles.unused} ${support}`), 'the platform is still behind')
  t.equal((await desk.rebuild()).state, 'succeeded')
  t.equal(await caller.outcome(question), 'allowed', 'a rebuild does not take it back')
  clock.offsetMs = 3_600_001
  t.equal((await desk.rebuild()).state, 'succeeded')
  t.ok(directGrants(simulator)[users.alice]?.includes(`${roles.unused} ${support}`))
  t.equal(await caller.outcome(question), 'allowed')
  t.same(await desk.entries('action=drift'), [], 'and nothing of it was drift')
})

onBothStores(
  'a rebuild that has read the old state does not take a change back',
  async (t, database) => {
    const { caller, desk, simulator } = await openDesk(t, database)
    const reading = 'GET /api/v2/authorization/roles/{roleId}/subjectgrants'
    simulator.requests.reset()
    const match = { path: `/api/v2/authorization/roles/${roles.unused}/subjectgrants` }
    const gate = Promise.withResolvers<void>()
    const slow = simulator.faults.add({ kind: 'slow', until: gate.promise, match })
    const rebuild = await caller.startRebuild()
    await until('the holders are read', () => {
      return slow.applied > 0 && simulator.requests.of(reading) >= simulator.world.roles.size
    })
    const updates = [{ userId: users.olivia, newRoleIds: ['Agent'] }]
    t.equal((await desk.carryOut({ updates })).state, 'succeeded')
    const question = { userId: users.olivia, permission: 'routing:queue:view' }
    t.equal(await caller.outcome(question), 'allowed')
    gate.resolve()
    const { startedAt } = rebuild
    const { state, finishedAt } = await caller.untilEnded(rebuild.id)
    t.equal(state, 'succeeded')
    const [, written = ''] = (await desk.entries('action=role_assignment_change')).map(
      ({ time }) => time,
    )
    t.ok(startedAt < written && written < finishedAt, 'it was written meanwhile')
    t.equal(await caller.outcome(question), 'allowed')
    t.same(await desk.entries('action=drift'), [])
  },
)

onBothStores(
  'what a rule forbids is skipped, named, and keeps nobody else',
  async (t, database) => {
    const { desk, simulator } = await openDesk(t, database)
    const before = directGrants(simulator)
    const grant = [{ roleId: 'Supervisor', divisionId: 'Sales' }]
    const updates = [users.alice, users.olivia, users.carol].map((userId) => ({ userId, grant }))
    const conflict = { rule: 'supervisor-excludes-agent', userId: users.alice, status: 'new' }
    const named = { ...conflict, userName: 'Alice Adler', roleNames: ['Agent', 'Supervisor'] }
    const simulation = await desk.simulate(updates)
    t.match(simulation.conflicts, [conflict])
    t.same(simulation.conflicts[0].roleNames.toSorted(), named.roleNames)
    const batch = await desk.carryOut({ updates })
    t.equal(batch.state, 'partially-applied')
    t.match(batch.error, /1 user would have broken a rule/)
    t.same(itemStates(batch), ['skipped-conflict', 'applied', 'applied'])
    t.match(batch.items[0].conflicts, [conflict])
    t.same(directGrants(simulator)[users.alice], before[users.alice])
    const alone = await desk.carryOut({ updates: updates.slice(0, 1) })
    t.match(alone, { state: 'failed', counts: { 'skipped-conflict': 1 } })
    const [entry] = await desk.entries(`outcome=skipped&userId=${users.alice}`)
    t.match(entry, { action: 'role_assignment_change', details: { conflicts: [conflict] } })
  },
)

onBothStores(
  'who was changed meanwhile is left alone, unless it is forced',
  async (t, database) => {
    const { desk, simulator } = await openDesk(t, database)
    const grant = [{ roleId: roles.evaluator, divisionId: sales }]
    const updates = [users.alice, users.heidi].map((userId) => ({ userId, grant }))
    simulator.grant(users.alice, roles.unused, home)
    const batch = await desk.carryOut({ updates, baseRevision: 1 })
    t.equal(batch.state, 'partially-applied')
    t.same(itemStates(batch), ['changed-meanwhile', 'applied'])
    t.match(batch.items[0].error, /others granted 1 and revoked 0/)
    t.notOk(directGrants(simulator)[users.alice]?.includes(`${roles.evaluator} ${sales}`))
    const forced = await desk.carryOut({ updates, baseRevision: 1, force: true })
    t.equal(forced.state, 'succeeded')
    t.same(itemStates(forced), ['applied', 'unchanged'])
    const held = directGrants(simulator)[users.alice]
    t.ok(held?.includes(`${roles.evaluator} ${sales}`))
    t.ok(held?.includes(`${roles.unused} ${home}`), "others' change is kept")

    simulator.revoke(users.alice, roles.agent, sales)
    const undone = await desk.rollBack(forced.id)
    t.equal(undone.state, 'partially-applied', 'a rollback minds them as well')
    t.match(undone.items[0], { state: 'applied', error: /others changed the grants/ })
    t.equal((await desk.rollBack(forced.id, { force: true })).state, 'rolled-back')
    const restored = directGrants(simulator)[users.alice]
    t.ok(restored?.includes(`${roles.agent} ${sales}`), 'forced, it restores what was found')
    t.notOk(restored?.includes(`${roles.evaluator} ${sales}`))
  },
)

onBothStores('a dry run keeps nothing, a key makes repeating safe', async (t, database) => {
  const { desk, simulator } = await openDesk(t, database)
  const grant = [{ roleId: roles.evaluator, divisionId: support }]
  const updates = [{ userId: users.olivia, grant }]
  const chain = await desk.verification()
  const dry = await desk.submit({ updates, dryRun: true }, { 'idempotency-key': 'one' })
  t.match(dry, { status: 200, body: { dryRun: true, entries: [{ userId: users.olivia }] } })
  t.same((await desk.get('/admin/v1/role-changes')).items, [])
  t.same((await desk.verification()).head, chain.head, 'not even in the trail')

  const headers = { 'idempotency-key': 'one' }
  const both = await Promise.all([1, 2].map(() => desk.submit({ updates }, headers)))
  t.same(both.map(({ status }) => status).toSorted(), [200, 202])
  const [id] = new Set(both.map(({ body }) => body.id))
  t.ok(id)
  await desk.atRest(id)
  const later = await desk.submit({ updates }, headers)
  t.match(later, { status: 200, body: { id, state: 'succeeded' } })
  const other = await desk.submit({ updates, comment: 'another' }, headers)
  t.match(other, { status: 409, body: { type: /conflict$/ } })
  t.equal((await desk.get('/admin/v1/role-changes')).items.length, 1)
  t.equal(simulator.requests.of(`POST ${SUBJECTS}/bulkadd`), 1)
})

onBothStores('changes may come as CSV', async (t, database) => {
  const { desk, simulator } = await openDesk(t, database)
  const inAYear = new Date(Date.now() + 365 * 86_400_000).toISOString()
  const csv = [
    'userId,operation,roleId,divisionId,until',
    'alice.adler@small.example,grant,Quality Evaluator,Support,',
    `${users.heidi},revoke,Telephony Admin,Home,`,
    'alice.adler@small.example,revoke,Agent,Sales,',
    `olivia.ott@small.example,grant,"Agent",*,${inAYear}`,
  ].join('\r\n')
  const changes = '/admin/v1/role-changes'
  const simulation = await desk.get(`${changes}/simulations`, { csv })
  t.match(simulation, { blastRadius: { users: 3, grantsAdded: 2, grantsRemoved: 2 } })
  const dry = await desk.get(`${changes}?dryRun=true`, { csv })
  t.same(dry.blastRadius, simulation.blastRadius)
  const { id } = await desk.get(`${changes}?comment=from%20a%20table`, { csv })
  const batch = await desk.atRest(id)
  t.match(batch, { state: 'succeeded', comment: 'from a table', counts: { applied: 3 } })
  const held = directGrants(simulator)
  t.same(held[users.alice], [employee, `${roles.evaluator} ${support}`].toSorted())
  t.same(held[users.heidi], [employee])
  t.same(held[users.olivia], [`${roles.agent} *`])
  const faulty = `${csv}\r\nnobody@small.example,lend,Agent,Sales,`
  const refused = await desk.ask(changes, { csv: faulty })
  t.match(refused, { status: 400, body: { type: /invalid$/ } })
  t.match(refused.text, 'row 6 operation')
})

onBothStores(
  'a second client writes, and the first may do no more than read',
  async (t, database) => {
    const writer = { id: WRITER_ID, secret: 'a-writing-secret', name: 'Writer' }
    const clients = [
      { ...DEFAULT_CLIENT, permissions: READ_PERMISSIONS },
      { ...writer, permissions: GRANT_PERMISSIONS },
    ]
    const env = { GENESYS_WRITE_CLIENT_ID: writer.id, GENESYS_WRITE_CLIENT_SECRET: writer.secret }
    const context = await openDesk(t, database, { simulator: { clients }, env })
    const { desk, simulator } = context
    const updates = [{ userId: users.olivia, newRoleIds: ['Agent'] }]
    const batch = await desk.carryOut({ updates })
    t.equal(batch.state, 'succeeded')
    t.same(directGrants(simulator)[users.olivia], [`${roles.agent} ${home}`])
    t.equal((await desk.rollBack(batch.id)).state, 'rolled-back')
    const { platform } = await desk.get('/admin/v1/matrix')
    const missing = (platform.missingPermissions as { permission: string }[]).map(
      ({ permission }) => permission,
    )
    t.same(
      missing.filter((permission) => permission.startsWith('authorization:')),
      [],
      'nothing that role changes need',
    )
    t.notMatch(JSON.stringify(context.lines), writer.secret)

    await using folder = await temporaryFolder()
    const other = { DATA_DIR: folder.path, GENESYS_WRITE_CLIENT_SECRET: 'an-old-one' }
    await using second = await openService({ ...context.env, ...other })
    await t.rejects(
      second.service.start(),
      { message: /GENESYS_WRITE_CLIENT_ID/ },
      'a start says so',
    )
  },
)
