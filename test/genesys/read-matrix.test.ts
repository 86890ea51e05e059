import { test } from 'tap'
import type { Test } from 'tap'
import { generateWorld } from '../../simulator/generate-world.ts'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import type { World } from '../../simulator/world.ts'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import type { Progress } from '../../src/domain/directory.ts'
import { evaluate, OUTCOMES } from '../../src/domain/evaluate.ts'
import type { Facts } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import type { Platform } from '../../src/genesys/platform-client.ts'
import { preflight } from '../../src/genesys/preflight.ts'
import { readFacts } from '../../src/genesys/read-facts.ts'
import { MAX_SUBJECTS, readSubjects } from '../../src/genesys/read-subjects.ts'
import { hurried } from './clocks.ts'
import { naiveOutcome } from './naive-outcome.ts'
import { openUnderTest } from './platform-under-test.ts'

const { users, roles, divisions, groups, clients } = SMALL_WORLD
const { signal } = new AbortController()

const USERS = '/api/v2/users'
const ROLES = '/api/v2/authorization/roles'
const HOLDERS = '/api/v2/authorization/roles/{roleId}/subjectgrants'
const SUBJECT = '/api/v2/authorization/subjects/{subjectId}'
const LISTINGS = [
  USERS,
  ROLES,
  HOLDERS,
  '/api/v2/groups',
  '/api/v2/authorization/divisions',
  '/api/v2/authorization/permissions',
]

function read(platform: Platform, seen: Progress[] = []): Promise<Facts> {
  return readFacts(platform.read, { signal, onProgress: (progress) => seen.push(progress) })
}

async function failureOf(reading: Promise<unknown>): Promise<Failure> {
  const error: unknown = await reading.then(
    () => new Error('reading succeeded'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Failure)) throw error
  return error
}

/** Facts without the time and the order in which they were read. */
function bytesOf(facts: Facts): Buffer {
  return Buffer.from(new Uint8Array(buildMatrix({ ...facts, takenAt: 0 })))
}

test('the matrix of the small world answers as its people are drawn', async (t) => {
  await using context = await openUnderTest()
  const matrix = new Matrix(buildMatrix(await read(context.platform)))
  const { sales, support, home } = divisions
  const cases: readonly (readonly [string, string, string | undefined, string])[] = [
    [users.alice, 'routing:queue:view', undefined, 'allowed'],
    [users.alice, 'routing:queue:view', sales, 'allowed'],
    [users.alice, 'routing:queue:view', support, 'other_division'],
    [users.alice, 'directory:userProfile:view', undefined, 'allowed'],
    [users.bob, 'routing:queue:edit', support, 'allowed'],
    [users.bob, 'routing:queue:edit', 'a division to come', 'allowed'],
    [users.bob, 'telephony:phone:view', undefined, 'not_granted'],
    [users.carol, 'routing:queue:delete', support, 'allowed'],
    [users.carol, 'routing:queue:delete', sales, 'other_division'],
    [users.dave, 'routing:queue:view', undefined, 'not_granted'],
    [users.erin, 'quality:evaluation:view', support, 'conditional'],
    [users.frank, 'routing:queue:view', sales, 'inactive_user'],
    [users.grace, 'routing:queue:view', home, 'inactive_user'],
    [users.heidi, 'telephony:plugin:all', undefined, 'allowed'],
    [users.ivan, 'group_creation', undefined, 'allowed'],
    [users.ivan, 'routing:queue:view', sales, 'allowed'],
    [users.ivan, 'routing:queue:view', support, 'allowed'],
    [users.ivan, 'routing:queue:view', home, 'other_division'],
    [users.judy, 'routing:queue:join', sales, 'allowed'],
    [users.olivia, 'directory:userProfile:view', undefined, 'not_granted'],
    [clients.reporting, 'routing:queue:view', sales, 'allowed'],
    ['nobody', 'routing:queue:view', sales, 'unknown_user'],
    [users.alice, 'routing:queue:fly', undefined, 'unknown_permission'],
  ]
  for (const [user, permission, division, expected] of cases) {
    const outcome = OUTCOMES[evaluate(matrix, user, permission, division)]
    t.equal(outcome, expected, `${matrix.findSubject(user)} ${permission} @ ${division}`)
  }
  const queue = [{ 'Conversation.queues': SMALL_WORLD.queues.support }]
  t.equal(evaluate(matrix, users.erin, 'quality:evaluation:view', support, queue), 0)
  t.match(matrix.description, {
    organizationName: 'Small World',
    activeAccessPolicies: 0,
    gaps: { grantsOfForeignSubjects: 1, grantsOfUnlistedUsers: 0 },
  })
})

test('the matrix of a generated organisation answers as the organisation itself', async (t) => {
  const world = generateWorld({ seed: 7, users: 500, inactiveShare: 0.1, deletedShare: 0.05 })
  await using context = await openUnderTest({ world })
  const matrix = new Matrix(buildMatrix(await read(context.platform)))
  const codes = [
    ...world.catalogue.map(({ domain, entity, action }) => `${domain}:${entity}:${action}`),
    'group_creation',
  ]
  const places = [undefined, ...world.divisions.keys()]
  const met = new Map<string, number>()
  const wrong: string[] = []
  for (const [index, user] of world.users('any').entries()) {
    for (let step = 0; step < 60; step++) {
      const code = codes[(index * 31 + step * 17) % codes.length] ?? ''
      const division = places[(index + step) % places.length]
      const expected = naiveOutcome(world, user, code, division)
      const outcome = OUTCOMES[evaluate(matrix, user.id, code, division)] ?? ''
      met.set(outcome, (met.get(outcome) ?? 0) + 1)
      if (outcome !== expected) wrong.push(`${user.id} ${code} ${division}: ${outcome}`)
    }
  }
  t.same(wrong, [])
  for (const outcome of ['allowed', 'conditional', 'other_division', 'not_granted']) {
    t.ok((met.get(outcome) ?? 0) > 10, `${outcome}: ${met.get(outcome)}`)
  }
  t.equal(matrix.userCount, 500)
})

function pages(rows: number, size: number): number {
  return Math.max(1, Math.ceil(rows / size))
}

test('asks for exactly the pages that there are, and reports them as progress', async (t) => {
  const world = generateWorld({ seed: 3, users: 1800, roles: 130, groups: 40 })
  await using context = await openUnderTest({ world })
  const seen: Progress[] = []
  await read(context.platform, seen)
  const { requests } = context.simulator
  const { activeUsers, inactiveUsers, deletedUsers, groups: groupCount } = world.counts()
  const domains = new Set(world.catalogue.map((permission) => permission.domain))
  const holderPages = [...world.roles.keys()].map((role) => {
    return pages(world.grants.subjectsOfRole(role).length, 100)
  })
  t.equal(
    requests.of(`GET ${USERS}`),
    pages(activeUsers, 500) + pages(inactiveUsers, 500) + pages(deletedUsers, 500),
  )
  t.equal(requests.of(`GET ${ROLES}`), pages(world.roles.size, 100))
  t.equal(requests.of('GET /api/v2/groups'), pages(groupCount, 500))
  t.equal(requests.of('GET /api/v2/authorization/permissions'), pages(domains.size, 100))
  t.equal(
    requests.of(`GET ${HOLDERS}`),
    holderPages.reduce((sum, count) => sum + count, 0),
  )
  const listings = LISTINGS.reduce((sum, path) => sum + requests.of(`GET ${path}`), 0)
  t.ok(requests.total - listings <= 5, `${requests.total - listings} requests beside the pages`)
  const last = seen.at(-1)
  t.equal(last?.done, last?.total)
  // All but the login.
  t.equal(last?.total, requests.total - 1)
  t.ok(seen.every((at, index) => at.total >= (seen[index - 1]?.total ?? 0) && at.done <= at.total))
})

const FAULTS = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 429, retryAfterSeconds: 1 },
  { kind: 'hang' },
  { kind: 'reset' },
  { kind: 'malformed-body' },
  { kind: 'html-error' },
  { kind: 'close-mid-body' },
  { kind: 'truncate-page' },
  { kind: 'wrong-total' },
  { kind: 'wrong-total', total: 0 },
  { kind: 'drop-field', field: 'total' },
  { kind: 'drop-field', field: 'entities' },
  { kind: 'drop-field', field: 'pageNumber' },
] as const

test('a fault that passes leaves no trace in what was read', async (t) => {
  const limits = { requestTimeoutMs: hurried(600) }
  await using sound = await openUnderTest()
  const expected = bytesOf(await read(sound.platform))
  await Promise.all(
    LISTINGS.map(async (path) => {
      await using context = await openUnderTest({}, limits)
      for (const fault of FAULTS) {
        context.simulator.faults.clear()
        const rule = { ...fault, match: { method: 'GET', path }, times: 1 }
        const active = context.simulator.faults.add(rule)
        const facts = await read(context.platform)
        t.ok(bytesOf(facts).equals(expected), `${path} ${JSON.stringify(fault)}`)
        t.equal(active.applied, 1)
      }
    }),
  )
})

test('a fault that stays ends the reading: nothing is ever half read', async (t) => {
  const limits = { requestTimeoutMs: hurried(30) }
  const dropped = [
    [USERS, 'id'],
    [ROLES, 'permissionPolicies'],
    [ROLES, 'id'],
    [HOLDERS, 'type'],
    [HOLDERS, 'divisions'],
    ['/api/v2/groups', 'rolesEnabled'],
    ['/api/v2/authorization/divisions', 'id'],
    ['/api/v2/authorization/permissions', 'permissionMap'],
  ] as const
  const rules = [
    ...LISTINGS.flatMap((path) => FAULTS.map((fault) => ({ ...fault, match: { path } }))),
    ...dropped.map(([path, field]) => ({ kind: 'drop-field' as const, field, match: { path } })),
    ...[401, 403, 404].map((status) => ({
      kind: 'status' as const,
      status,
      match: { path: ROLES },
    })),
    { kind: 'status' as const, status: 404, match: { path: HOLDERS }, after: 2 },
  ]
  await using context = await openUnderTest({}, limits)
  for (const rule of rules) {
    context.simulator.faults.clear()
    context.simulator.faults.add(rule)
    const failure = await failureOf(read(context.platform))
    t.match(failure.code, /^upstream-/, `${JSON.stringify(rule)}: ${failure.message}`)
  }
})

test('a total that moves while pages are read starts the listing over', async (t) => {
  const world = generateWorld({ seed: 5, users: 1200, inactiveShare: 0, deletedShare: 0 })
  await using context = await openUnderTest({ world })
  const { simulator, platform } = context
  const page = /^\/api\/v2\/users\?.*pageNumber=2.*=active/
  simulator.faults.add({ kind: 'wrong-total', total: 1201, match: { path: page }, times: 2 })
  const facts = await read(platform)
  t.equal(facts.subjects.filter((subject) => subject.kind === 'user').length, 1200)
  simulator.faults.clear()
  simulator.faults.add({ kind: 'wrong-total', total: 1201, match: { path: page }, times: 3 })
  const failure = await failureOf(read(platform))
  t.equal(failure.code, 'upstream-broken')
  t.match(failure.message, /^active users: .*1201.*1200.*read 3 times/)
})

test('pages that are too large are asked for at half the size, down to 25', async (t) => {
  const world = generateWorld({ seed: 5, users: 600 })
  await using context = await openUnderTest({ world })
  const { simulator, platform } = context
  const expected = bytesOf(await read(platform))
  const tooLarge = { kind: 'status', status: 400, code: 'response.entity.too.large' } as const
  simulator.faults.add({ ...tooLarge, match: { path: /^\/api\/v2\/users\?pageSize=(500|250)\b/ } })
  t.ok(bytesOf(await read(platform)).equals(expected))
  simulator.faults.clear()
  const always = simulator.faults.add({
    ...tooLarge,
    match: { path: /^\/api\/v2\/users\?.*inactive/ },
  })
  t.match(await failureOf(read(platform)), { upstream: { code: 'response.entity.too.large' } })
  // 500, 250, 125, 62, 31, 25
  t.equal(always.applied, 6)
})

test('users whose groups were left out are found among the groups’ members', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  simulator.faults.add({ kind: 'drop-field', field: 'groups', match: { path: USERS } })
  const facts = await read(platform)
  const groupsOf = (id: string) => facts.subjects.find((subject) => subject.id === id)?.groupIds
  t.same(groupsOf(users.carol), [groups.nightShift])
  t.same(groupsOf(users.judy), [groups.salesLeads])
  t.same(groupsOf(users.ivan), [groups.nightShift])
  t.same(groupsOf(users.dave), [])
  t.equal(simulator.requests.of('GET /api/v2/groups/{groupId}/members'), 2)
  const members = { path: '/api/v2/groups/{groupId}/members' }
  simulator.faults.add({ kind: 'status', status: 403, match: members })
  t.match(await failureOf(read(platform)), { code: 'upstream-refused' })
})

test('inactive users past what is listed are a gap, not a failure', async (t) => {
  const world = generateWorld({ seed: 9, users: 12_000, inactiveShare: 0.9, deletedShare: 0 })
  await using context = await openUnderTest({ world })
  const facts = await read(context.platform)
  t.ok(facts.gaps.inactiveUsersBeyondListing)
  t.equal(facts.subjects.filter((subject) => subject.state === 'inactive').length, 10_000)
  t.equal(
    facts.subjects.filter((subject) => subject.state === 'active').length,
    world.users('active').length + world.clients.size - withoutGrants(world),
  )
})

test('a refused page within the platform’s bound is a failure, not the end of the list', async (t) => {
  const world = generateWorld({ seed: 9, users: 2500, inactiveShare: 0.9, deletedShare: 0 })
  await using context = await openUnderTest({ world })
  const path = /^\/api\/v2\/users\?.*pageNumber=2.*=inactive/
  context.simulator.faults.add({ kind: 'status', status: 400, match: { path } })
  t.match(await failureOf(read(context.platform)), {
    code: 'upstream-refused',
    upstream: { status: 400 },
  })
})

function withoutGrants(world: World): number {
  return [...world.clients.keys()].filter((id) => world.grants.ofSubject(id).length === 0).length
}

test('counts active access policies, and does not know them where it is refused', async (t) => {
  const world = smallWorld()
  world.accessPolicies = Array.from({ length: 230 }, (_, index) => ({
    id: `policy ${index}`,
    name: `Policy ${index}`,
    targetResource: 'x',
    subject: { type: 'ALL' as const },
    effect: 'DENY' as const,
    active: index % 2 === 0,
    applyToClients: false,
  }))
  await using context = await openUnderTest({ world })
  const { simulator, platform } = context
  t.equal((await read(platform)).activeAccessPolicies, 115)
  const match = { path: '/api/v2/authorization/policies' }
  simulator.faults.add({ kind: 'status', status: 403, match })
  t.equal((await read(platform)).activeAccessPolicies, null)
})

test('an abort ends the reading at once and leaves no request behind', async (t) => {
  await using context = await openUnderTest({}, { requestTimeoutMs: hurried(100_000) })
  const fault = context.simulator.faults.add({ kind: 'hang', match: { path: ROLES } })
  const controller = new AbortController()
  const options = { signal: controller.signal, onProgress: () => {} }
  const reading = readFacts(context.platform.read, options)
  while (fault.applied === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const reason = new Error('enough')
  controller.abort(reason)
  await t.rejects(reading, reason)
})

test('one failing part ends the others', async (t) => {
  await using context = await openUnderTest({}, { requestTimeoutMs: hurried(100_000) })
  const { simulator, platform } = context
  simulator.faults.add({ kind: 'hang', match: { path: USERS } })
  simulator.faults.add({ kind: 'status', status: 403, match: { path: ROLES } })
  t.match(await failureOf(read(platform)), { upstream: { status: 403 } })
})

test('reads single users as they are, whatever their state', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  const absent = 'a0000000-0000-4000-8000-00000000dead'
  const ids = [users.judy, users.frank, users.grace, users.olivia, absent, clients.reporting]
  const result = await readSubjects(platform.read, [...ids, users.judy], signal)
  const byId = new Map(result.found.map((subject) => [subject.id, subject]))
  // OAuth clients come with rebuilds.
  t.same(result.absent, [absent, clients.reporting])
  t.equal(result.found.length, 4)
  const [{ sales, home }, { agent, employee }] = [divisions, roles]
  t.match(byId.get(users.judy), { state: 'active', groupIds: [groups.salesLeads], kind: 'user' })
  t.same(byId.get(users.judy)?.grants, [
    { roleId: employee, divisionId: home },
    { roleId: agent, divisionId: sales },
  ])
  t.match(byId.get(users.frank), { state: 'inactive' })
  t.match(byId.get(users.grace), { state: 'deleted' })
  t.same(byId.get(users.olivia)?.grants, [])
  const facts = await read(platform)
  for (const subject of result.found) {
    const listed = facts.subjects.find((candidate) => candidate.id === subject.id)
    t.same(
      { ...subject, grants: new Set(subject.grants) },
      { ...listed, grants: new Set(listed?.grants) },
    )
  }
  t.equal(simulator.requests.of(`GET ${SUBJECT}`), 4)
})

test('ids that nobody has cost one request together', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  const strangers = Array.from({ length: MAX_SUBJECTS - 1 }, (_, index) => {
    return `a0000000-0000-4000-8000-${`${index}`.padStart(12, '0')}`
  }).filter((id) => !Object.values<string>(users).includes(id))
  await preflight(platform, signal)
  simulator.requests.reset()
  t.same(await readSubjects(platform.read, strangers, signal), { found: [], absent: strangers })
  t.equal(simulator.requests.total, 1)
  simulator.requests.reset()
  const { found, absent } = await readSubjects(platform.read, [...strangers, users.judy], signal)
  t.match(found, [{ id: users.judy }])
  t.same(absent, strangers)
  t.equal(simulator.requests.total, 2)
})

test('users that a listing by id leaves out do not pass for nobody', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  const faults = [
    { kind: 'truncate-page' },
    { kind: 'wrong-total' },
    { kind: 'drop-field', field: 'total' },
    { kind: 'drop-field', field: 'entities' },
    { kind: 'status', status: 404 },
  ] as const
  for (const fault of faults) {
    simulator.faults.clear()
    simulator.faults.add({ ...fault, match: { path: USERS } })
    const reading = readSubjects(platform.read, [users.alice, users.carol], signal)
    t.match((await failureOf(reading)).code, /^upstream-/, JSON.stringify(fault))
  }
})

test('falls back to grants without duplicates where the platform fails on them', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  const path = /subjects\/.*includeDuplicates=true/
  const fault = simulator.faults.add({ kind: 'status', status: 500, match: { path } })
  const { found } = await readSubjects(platform.read, [users.alice], signal)
  t.equal(found[0]?.grants.length, 2)
  t.equal(fault.applied, 2)
})

test('a user without the groups that were asked for is a failure, not a user without groups', async (t) => {
  await using context = await openUnderTest()
  context.simulator.faults.add({ kind: 'drop-field', field: 'groups', match: { path: USERS } })
  const reading = readSubjects(context.platform.read, [users.alice, users.carol], signal)
  t.match(await failureOf(reading), { code: 'upstream-broken', message: /groups/ })
  const inactive = await readSubjects(context.platform.read, [users.frank], signal)
  t.match(inactive.found, [{ state: 'inactive', groupIds: [] }])
})

test('asks for nothing that is no id: it could name another operation', async (t) => {
  await using context = await openUnderTest()
  const words = ['me', 'search', '..', '.', '', 'a/b', '?x', users.alice.toUpperCase()]
  const result = await readSubjects(context.platform.read, words, signal)
  t.same(result, { found: [], absent: words })
  const many = Array.from({ length: MAX_SUBJECTS + 1 }, (_, index) => `${index}`)
  await t.rejects(readSubjects(context.platform.read, many, signal), { code: 'invalid' })
})

test('preflight names the organisation and what the client lacks', async (t) => {
  const id = 'c11e0000-0000-4000-8000-000000000009'
  const client = { id, secret: 'x', name: 'Poor', permissions: ['directory:user:view'] }
  await using context = await openUnderTest(
    { clients: [client] },
    { clientId: id, clientSecret: client.secret },
  )
  const result = await preflight(context.platform, signal)
  t.match(result, { organizationName: 'Small World', permissionsKnown: true })
  const lacking = result.missing.map(({ permission, essential }) => [permission, essential])
  t.same(lacking, [
    ['authorization:role:view', true],
    ['authorization:grant:view', false],
    ['authorization:policy:view', false],
    ['architecture:ipallowlist:read', false],
    ['architecture:environment:read', false],
    ['authorization:grant:add', false],
    ['authorization:grant:delete', false],
    ['architecture:ipallowlist:write', false],
    ['architecture:environment:write', false],
    ['directory:organization:admin', false],
  ])
})

test('preflight goes without what the platform does not tell', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  t.same((await preflight(platform, signal)).missing, [])
  const refuse = (path: string | RegExp): void => {
    simulator.faults.add({ kind: 'status', status: 403, match: { path } })
  }
  refuse('/api/v2/tokens/me')
  refuse(/authorization\/subjects/)
  t.match(await preflight(platform, signal), {
    organizationName: 'Small World',
    permissionsKnown: false,
    missing: [],
  })
  refuse('/api/v2/organizations/me')
  const unknown = { code: 'upstream-busy', message: /does not say whose organisation/ }
  t.match(await failureOf(preflight(platform, signal)), unknown)
  t.match(await failureOf(read(platform)), unknown)
})

const LOGIN_REFUSALS = [
  [{ kind: 'status', status: 400, code: 'invalid_client' }, 'upstream-refused'],
  [{ kind: 'status', status: 401, code: 'invalid_client' }, 'upstream-refused'],
  [{ kind: 'status', status: 403 }, 'upstream-busy'],
  [{ kind: 'status', status: 404 }, 'upstream-busy'],
  [{ kind: 'html-error', status: 400 }, 'upstream-busy'],
  [{ kind: 'html-error', status: 403 }, 'upstream-busy'],
  [{ kind: 'malformed-body' }, 'upstream-broken'],
  [{ kind: 'drop-field', field: 'access_token' }, 'upstream-broken'],
] as const

test('a login that is refused is no answer to what was asked', async (t) => {
  for (const [fault, code] of LOGIN_REFUSALS) {
    await using context = await openUnderTest()
    const { simulator, platform } = context
    simulator.faults.add({ ...fault, match: { path: '/oauth/token' } })
    const told = JSON.stringify(fault)
    t.equal((await failureOf(preflight(platform, signal))).code, code, told)
    t.equal((await failureOf(readSubjects(platform.read, [users.alice], signal))).code, code, told)
    t.equal((await failureOf(read(platform))).code, code, told)
    simulator.faults.clear()
    t.match(await preflight(platform, signal), { organizationName: 'Small World' })
  }
})

test('a refused login in the middle leaves nothing out', async (t) => {
  for (const status of [400, 403, 404]) {
    for (const path of [SUBJECT, '/api/v2/authorization/policies', '/api/v2/tokens/me']) {
      await using context = await openUnderTest({}, { concurrency: 1 })
      const { simulator, platform } = context
      await preflight(platform, signal)
      // Each refusal of the token makes for another login.
      simulator.faults.add({ kind: 'status', status: 401, match: { path } })
      simulator.faults.add({ kind: 'status', status, match: { path: '/oauth/token' } })
      const reading =
        path === SUBJECT ? readSubjects(platform.read, [users.alice], signal) : read(platform)
      t.match((await failureOf(reading)).code, /^upstream-/, `${path} ${status}`)
    }
  }
})

test('a page of something in between is no word of the platform', async (t) => {
  await using context = await openUnderTest()
  const { simulator, platform } = context
  simulator.faults.add({ kind: 'html-error', status: 404, match: { path: SUBJECT } })
  t.match(await failureOf(readSubjects(platform.read, [users.alice], signal)), {
    upstream: { status: 404, code: '' },
  })
  simulator.faults.add({ kind: 'html-error', status: 403, match: { path: '/api/v2/tokens/me' } })
  t.match(await failureOf(preflight(platform, signal)), { upstream: { status: 403 } })
})

test('a permission held in some divisions only is reported as a shortfall', async (t: Test) => {
  const world = smallWorld()
  const id = 'c11e0000-0000-4000-8000-000000000008'
  world.clients.set(id, { id, name: 'Narrow' })
  const roleId = 'b0000000-0000-4000-8000-000000000008'
  const policies = ['directory', 'authorization', 'oauth', 'architecture'].map((domain) => {
    return { domain, entityName: '*', actionSet: ['*'] }
  })
  world.roles.set(roleId, { id: roleId, name: 'Reader', permissions: [], policies })
  world.grants.add(id, roleId, divisions.sales)
  const clients = [{ id, secret: 'x', name: 'Narrow' }]
  await using context = await openUnderTest({ world, clients }, { clientId: id, clientSecret: 'x' })
  const { missing } = await preflight(context.platform, signal)
  t.equal(missing.length, 11)
  t.ok(missing.every((item) => !item.essential && /some divisions only/.test(item.neededFor)))
})
