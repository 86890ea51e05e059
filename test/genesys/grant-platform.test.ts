import { test } from 'tap'
import { startSimulator } from '../../simulator/server.ts'
import type { SimulatorOptions } from '../../simulator/server.ts'
import { DEFAULT_CLIENT, GRANT_PERMISSIONS } from '../../simulator/simulated-client.ts'
import { EVERY_DIVISION } from '../../simulator/world.ts'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import type { Grant } from '../../src/domain/facts.ts'
import { Secret } from '../../src/domain/secret.ts'
import { openUpstream } from '../../src/genesys/upstream.ts'
import type { UpstreamEvent, UpstreamOptions } from '../../src/genesys/upstream.ts'

// Through the thread, as the service does it.

const { users, roles, divisions, groups } = SMALL_WORLD
const { signal } = new AbortController()

const SUBJECT = '/api/v2/authorization/subjects/{subjectId}'
const ADD = `POST ${SUBJECT}/bulkadd`
const REMOVE = `POST ${SUBJECT}/bulkremove`
const LOGIN = 'POST /oauth/token'

const WRITER = {
  id: 'c11e0000-0000-4000-8000-000000000002',
  secret: 'writer-secret',
  name: 'Writer',
  permissions: GRANT_PERMISSIONS,
}
const READER = { ...DEFAULT_CLIENT, permissions: ['directory:user:view', 'authorization:*:view'] }

const EMPLOYEE = { roleId: roles.employee, divisionId: divisions.home }
const AGENT = { roleId: roles.agent, divisionId: divisions.sales }
const EVERYWHERE = { roleId: roles.supervisor, divisionId: EVERY_DIVISION }

/** Two clients of one organisation: one may read, the other may change grants. */
async function openBoth(
  settings: Partial<SimulatorOptions> = {},
  more: Partial<UpstreamOptions> = {},
) {
  const clients = [READER, WRITER]
  const unlimited = { requestsPerMinute: 0, tokenRequestsPerMinute: 0 }
  const simulator = await startSimulator({
    world: smallWorld(),
    clients,
    ...unlimited,
    ...settings,
  })
  const events: UpstreamEvent[] = []
  const upstream = openUpstream({
    clientId: READER.id,
    clientSecret: new Secret(READER.secret),
    writeClient: { id: WRITER.id, secret: new Secret(WRITER.secret) },
    region: 'us-east-1',
    baseUrl: simulator.url,
    requestsPerMinute: 1_000_000,
    onEvent: (event) => void events.push(event),
    ...more,
  })
  return {
    simulator,
    upstream,
    events,
    retries: () => events.flatMap((event) => (event.type === 'retry' ? event.cause : [])),
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

function sorted(grants: readonly Grant[]): string[] {
  return grants.map(({ roleId, divisionId }) => `${roleId} ${divisionId}`).toSorted()
}

test('a delta is written and read back, in one request each', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const { requests } = simulator
  t.same(sorted(await upstream.readDirectGrants(users.alice, signal)), sorted([EMPLOYEE, AGENT]))
  t.equal(requests.total, 2, 'a login and a request')
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [AGENT] }, signal)
  t.equal(requests.of(ADD), 1)
  t.equal(requests.of(REMOVE), 1)
  const after = await upstream.readDirectGrants(users.alice, signal)
  t.same(sorted(after), sorted([EMPLOYEE, EVERYWHERE]))
  t.equal(requests.total, 6)
  await upstream.writeGrants(users.alice, { add: [], remove: [] }, signal)
  t.equal(requests.total, 6, 'nothing to write is no request')
})

test('what a group gives is no direct grant', async (t) => {
  await using context = await openBoth()
  t.same(await context.upstream.readDirectGrants(users.carol, signal), [EMPLOYEE])
  context.simulator.grant(groups.nightShift, roles.agent, divisions.home)
  context.simulator.grant(users.carol, roles.supervisor, divisions.support)
  const held = [EMPLOYEE, { roleId: roles.supervisor, divisionId: divisions.support }]
  t.same(sorted(await context.upstream.readDirectGrants(users.carol, signal)), sorted(held))
})

test('a write that is repeated changes nothing more', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const delta = { add: [EVERYWHERE], remove: [AGENT] }
  for (let i = 0; i < 2; i++) await upstream.writeGrants(users.alice, delta, signal)
  const held = simulator.world.grants.ofSubject(users.alice)
  t.same(sorted(held), sorted([EMPLOYEE, EVERYWHERE]))
})

test('many grants are written in small calls', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const grants = Array.from({ length: 101 }, (_, index) => {
    const { id: divisionId } = simulator.addDivision({ name: `Division ${index}` })
    // What else comes with a grant is none of the platform's business.
    return { roleId: roles.agent, divisionId, until: '2030-01-01T00:00:00Z' }
  })
  await upstream.writeGrants(users.olivia, { add: grants, remove: [] }, signal)
  t.equal(simulator.requests.of(ADD), 3)
  t.same(sorted(await upstream.readDirectGrants(users.olivia, signal)), sorted(grants))
  await upstream.writeGrants(users.olivia, { add: [], remove: grants }, signal)
  t.equal(simulator.requests.of(REMOVE), 3)
  t.same(await upstream.readDirectGrants(users.olivia, signal), [])
})

test('more grants than the platform allows are refused with its own words', async (t) => {
  await using context = await openBoth({ maxGrantsPerSubject: 2 })
  const refused = {
    code: 'upstream-refused',
    message: 'A subject may have at most 2 role assignments.',
    upstream: { status: 400, code: 'max.role.assignments.exceeded', correlationId: /\S/ },
  }
  const delta = { add: [EVERYWHERE], remove: [] }
  await t.rejects(context.upstream.writeGrants(users.alice, delta, signal), refused)
})

test('users without grants exist, unknown and deleted ones do not', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const unknown = { code: 'not-found' }
  t.same(await upstream.readDirectGrants(users.olivia, signal), [])
  simulator.deleteUser(users.bob)
  await t.rejects(upstream.readDirectGrants(users.bob, signal), unknown)
  const nobody = 'a0000000-0000-4000-8000-00000000ffff'
  await t.rejects(upstream.readDirectGrants(nobody, signal), unknown)
  simulator.faults.add({ kind: 'status', status: 404, match: { path: SUBJECT } })
  t.same(await upstream.readDirectGrants(users.alice, signal), [])
  t.same(await upstream.readDirectGrants(users.frank, signal), [], 'an inactive user')
  await t.rejects(upstream.readDirectGrants(users.grace, signal), unknown)

  simulator.requests.reset()
  const delta = { add: [AGENT], remove: [] }
  for (const word of ['me', '..', '', `${users.alice}/`]) {
    await t.rejects(upstream.readDirectGrants(word, signal), unknown)
    await t.rejects(upstream.writeGrants(word, delta, signal), unknown)
  }
  t.equal(simulator.requests.total, 0, 'nothing is asked for what is no id')
})

test('a write is repeated when it is told to wait, breaks or meets another write', async (t) => {
  const cases = [
    [{ kind: 'status', status: 429, retryAfterSeconds: 1 }, '429'],
    [{ kind: 'status', status: 409, code: 'general.conflict' }, '409'],
    [{ kind: 'status', status: 503 }, '5xx'],
    [{ kind: 'reset' }, 'network'],
    [{ kind: 'lost-answer' }, 'network'],
  ] as const
  await using context = await openBoth()
  const { simulator, upstream, events } = context
  for (const [fault, cause] of cases) {
    const told = JSON.stringify(fault)
    events.length = 0
    simulator.requests.reset()
    for (const name of ['bulkadd', 'bulkremove']) {
      simulator.faults.add({ ...fault, match: { path: `${SUBJECT}/${name}` }, times: 1 })
    }
    await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [AGENT] }, signal)
    t.same(context.retries(), [cause, cause], told)
    t.equal(simulator.requests.of(ADD), 2, told)
    t.equal(simulator.requests.of(REMOVE), 2, told)
    const held = simulator.world.grants.ofSubject(users.alice)
    t.same(sorted(held), sorted([EMPLOYEE, EVERYWHERE]), told)
    simulator.faults.clear()
    simulator.revoke(users.alice, EVERYWHERE.roleId, EVERYWHERE.divisionId)
    simulator.grant(users.alice, AGENT.roleId, AGENT.divisionId)
  }
})

test('a write that is not answered is repeated', async (t) => {
  await using context = await openBoth({}, { requestTimeoutMs: 1_500 })
  const { simulator, upstream } = context
  const fault = { kind: 'hang', match: { path: `${SUBJECT}/bulkadd` }, times: 1 } as const
  simulator.faults.add(fault)
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [] }, signal)
  t.equal(context.retries()[0], 'timeout')
  t.equal(simulator.world.grants.ofSubject(users.alice).length, 3)
})

test('a token that is revoked between two writes is renewed once', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [] }, signal)
  t.equal(simulator.requests.of(LOGIN), 1)
  simulator.revokeTokens()
  await upstream.writeGrants(users.alice, { add: [], remove: [EVERYWHERE] }, signal)
  t.equal(simulator.requests.of(LOGIN), 2)
  t.same(context.retries(), ['401'])
  t.equal(simulator.world.grants.ofSubject(users.alice).length, 2)
})

test('a role that is deleted on the way refuses what adds it, not what removes it', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [] }, signal)
  simulator.deleteRole(roles.supervisor)
  const refused = {
    code: 'upstream-refused',
    message: `Unable to find a role with that id: ${roles.supervisor}`,
    upstream: { status: 404, code: 'not.found', correlationId: /\S/ },
  }
  const before = simulator.requests.of(ADD)
  const adding = upstream.writeGrants(users.bob, { add: [EVERYWHERE, AGENT], remove: [] }, signal)
  await t.rejects(adding, refused)
  t.equal(simulator.requests.of(ADD), before + 1)
  t.same(simulator.world.grants.ofSubject(users.bob), [EMPLOYEE])

  await upstream.writeGrants(users.alice, { add: [], remove: [EVERYWHERE, AGENT] }, signal)
  t.equal(simulator.requests.of(`DELETE ${SUBJECT}/divisions/{divisionId}/roles/{roleId}`), 2)
  t.same(await upstream.readDirectGrants(users.alice, signal), [EMPLOYEE])
})

test('what is written shows when the platform has caught up', async (t) => {
  let now = Date.now()
  await using context = await openBoth({ now: () => now, consistencyDelayMs: 300_000 })
  const { upstream } = context
  const before = await upstream.readDirectGrants(users.alice, signal)
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [] }, signal)
  t.same(await upstream.readDirectGrants(users.alice, signal), before)
  now += 300_000
  const after = await upstream.readDirectGrants(users.alice, signal)
  t.same(sorted(after), sorted([...before, EVERYWHERE]))
})

test('writing does not wait for the budget of reading', async (t) => {
  // One request at once, the next one minutes later.
  await using context = await openBoth({}, { requestsPerMinute: 1 })
  const { upstream, events } = context
  await upstream.readDirectGrants(users.alice, signal)
  const waiting = new AbortController()
  const reading = upstream.readDirectGrants(users.alice, waiting.signal)
  let read = false
  const ended = reading.finally(() => (read = true))
  await upstream.writeGrants(users.alice, { add: [EVERYWHERE], remove: [] }, signal)
  t.notOk(read)
  waiting.abort(new Error('enough'))
  await t.rejects(ended, { message: 'enough' })
  const clients = events.flatMap((event) => (event.type === 'budget' ? event.client : []))
  t.same(clients, ['read', 'write'])
})

test('an abort ends a write at once', async (t) => {
  await using context = await openBoth()
  const { simulator, upstream } = context
  const fault = simulator.faults.add({ kind: 'hang', match: { path: `${SUBJECT}/bulkadd` } })
  const controller = new AbortController()
  const delta = { add: [EVERYWHERE], remove: [] }
  const writing = upstream.writeGrants(users.alice, delta, controller.signal)
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  const reason = new Error('not now')
  controller.abort(reason)
  await t.rejects(writing, reason)
})

test('wrong credentials of the client that writes are said to be that client’s', async (t) => {
  const writeClient = { id: WRITER.id, secret: new Secret('not-the-secret') }
  await using context = await openBoth({}, { writeClient })
  const { upstream } = context
  const refused = { code: 'upstream-refused', message: /accept GENESYS_WRITE_CLIENT_ID/ }
  const delta = { add: [EVERYWHERE], remove: [] }
  await t.rejects(upstream.writeGrants(users.alice, delta, signal), refused)
  await t.rejects(upstream.preflight(signal), refused)
  t.ok(await upstream.readDirectGrants(users.alice, signal), 'reading goes on')
})
