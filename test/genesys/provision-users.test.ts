import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { USER_STATES } from '../../src/domain/user-row.ts'
import type { UserRow } from '../../src/domain/user-row.ts'
import { findUsersByEmail, listUsers } from '../../src/genesys/find-users.ts'
import type { Platform } from '../../src/genesys/platform-client.ts'
import type { Provisioned } from '../../src/genesys/provision-user.ts'
import { planProvisioning, runProvisioning } from '../../src/genesys/provision-users.ts'
import type { Ended } from '../../src/genesys/run-items.ts'
import { openLagging } from './lagging-platform.ts'
import { openUnderTest } from './platform-under-test.ts'

const { users, divisions } = SMALL_WORLD
const { signal } = new AbortController()

const PATCH = 'PATCH /api/v2/users/{userId}'
const POST = 'POST /api/v2/users'
const SEARCH = '/api/v2/users/search'

const ALICE = 'alice.adler@small.example'
const NEW: UserRow = {
  place: 'line 2',
  email: 'nina@small.example',
  name: 'Nina Neu',
  division: 'Sales',
  department: 'Shop',
}

type Run = { readonly stop?: AbortSignal; readonly allowRemoval?: boolean }

async function provision(
  platform: Platform,
  rows: readonly UserRow[],
  { stop = signal, allowRemoval = false }: Run = {},
): Promise<ReadonlyMap<string, Ended<Provisioned>>> {
  const planned = await planProvisioning(platform, rows, signal)
  const ends = new Map<string, Ended<Provisioned>>()
  await runProvisioning(platform, planned, {
    allowRemoval,
    stop,
    signal,
    onEnd: ({ row }, ended) => void ends.set(row.email, ended),
  })
  return ends
}

function outcomes(ends: ReadonlyMap<string, Ended<Provisioned>>): readonly string[] {
  return [...ends.values()].map((ended) => {
    return ended.state === 'done' ? ended.value.outcome : ended.state
  })
}

test('rows are created, changed and left alone; a second time changes nothing', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const rows: UserRow[] = [
    NEW,
    { place: 'line 3', email: ALICE.toUpperCase(), title: 'Lead', division: divisions.support },
    { place: 'line 4', email: 'bob.brandt@small.example', name: 'Bob Brandt' },
    { place: 'line 5', email: 'frank.faure@small.example', state: 'active', department: 'Back' },
  ]
  const first = await provision(platform, rows)
  t.same(outcomes(first).toSorted(), ['changed', 'changed', 'created', 'unchanged'])
  const listed = await listUsers(platform.read, { states: ['active'], signal })
  const byEmail = new Map(listed.map((user) => [user.email, user]))
  t.match(byEmail.get(NEW.email), { name: 'Nina Neu', divisionName: 'Sales', department: 'Shop' })
  t.match(byEmail.get(ALICE), { id: users.alice, title: 'Lead', divisionName: 'Support' })
  t.match(byEmail.get('frank.faure@small.example'), { state: 'active', department: 'Back' })
  simulator.requests.reset()
  t.same(
    outcomes(await provision(platform, rows)),
    rows.map(() => 'unchanged'),
  )
  t.equal(simulator.requests.of(PATCH) + simulator.requests.of(POST), 0)
})

test('what is exported changes nothing when it is provisioned', async (t) => {
  await using context = await openUnderTest()
  const { platform } = context
  const all = await listUsers(platform.read, { states: USER_STATES, signal })
  t.equal(all.length, 11)
  const rows = all.map(({ email, name, divisionName, department, title, state, id }, at) => ({
    ...{
      place: `line ${at + 2}`,
      email,
      name,
      division: divisionName,
      department,
      title,
      state,
      id,
    },
  }))
  const planned = await planProvisioning(platform, rows, signal)
  t.ok(planned.every(({ plan }) => plan.kind === 'unchanged'))
})

test('faults of all rows are told before anything is written', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const rows: UserRow[] = [
    { ...NEW, division: 'Saless' },
    { place: 'line 3', email: 'nobody@small.example' },
    { place: 'line 4', email: 'grace.gallo@small.example', title: 'Ghost' },
    { place: 'line 5', email: ALICE, id: users.bob },
  ]
  await t.rejects(provision(platform, rows), {
    code: 'invalid',
    faults: [
      { field: 'line 2/division', message: /did you mean Sales/ },
      { field: 'line 3/email', message: /needs a name/ },
      { field: 'line 4/email', message: /deleted user/ },
      { field: 'line 5/email', message: /another user/ },
    ],
  })
  t.equal(simulator.requests.of(POST), 0)
})

test('somebody else’s change in between is read, and only what still differs is written', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const rows = [{ place: 'line 2', email: ALICE, title: 'Lead' }]
  const planned = await planProvisioning(platform, rows, signal)
  simulator.updateUser(users.alice, { department: 'Shop' })
  const ends: Ended<Provisioned>[] = []
  const options = { allowRemoval: false, stop: signal, signal }
  await runProvisioning(platform, planned, {
    ...options,
    onEnd: (_, ended) => void ends.push(ended),
  })
  t.match(ends, [{ state: 'done', value: { outcome: 'changed' } }])
  t.match(simulator.world.user(users.alice), { title: 'Lead', department: 'Shop' })
  t.equal(simulator.requests.of(PATCH), 2)
})

test('a conflict that never ends is told after a bounded number of attempts', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  simulator.faults.add({
    match: { method: 'PATCH', path: '/api/v2/users/{userId}' },
    kind: 'status',
    status: 409,
  })
  const ends = await provision(platform, [{ place: 'line 2', email: ALICE, title: 'Lead' }])
  t.match([...ends.values()], [{ state: 'failed', failure: { upstream: { status: 409 } } }])
  t.equal(simulator.requests.of(PATCH), 7)
})

test('after a lost answer the user is read before anything is sent again', async (t) => {
  for (const kind of ['lost-answer', 'malformed-body', 'reset'] as const) {
    await using context = await openUnderTest()
    const { platform, simulator } = context
    const { faults, requests } = simulator
    faults.add({ match: { method: 'POST', path: '/api/v2/users' }, kind, times: 1 })
    faults.add({ match: { method: 'PATCH', path: '/api/v2/users/{userId}' }, kind, times: 1 })
    const ends = await provision(platform, [NEW, { place: 'line 3', email: ALICE, title: 'Lead' }])
    t.same(outcomes(ends).toSorted(), ['changed', 'created'], kind)
    const sent = kind === 'reset' ? 2 : 1
    t.same([requests.of(POST), requests.of(PATCH)], [sent, sent], kind)
    const found = simulator.world.users('any').filter(({ email }) => email === NEW.email)
    t.equal(found.length, 1, kind)
  }
})

test('two at once make each user once, also where reads lag behind', async (t) => {
  await using context = await openLagging(1_000)
  const { platform, simulator } = context
  const rows = Array.from({ length: 8 }, (_, at) => ({
    ...NEW,
    place: `line ${at + 2}`,
    email: `n${at}@small.example`,
  }))
  const both = await Promise.all([provision(platform, rows), provision(platform, rows)])
  const all = both.flatMap(outcomes)
  t.equal(all.filter((outcome) => outcome === 'created').length, 8)
  t.equal(all.filter((outcome) => outcome === 'unchanged').length, 8)
  t.equal(simulator.world.users('any').length, 11 + 8)
  t.same(
    outcomes(await provision(platform, rows)),
    rows.map(() => 'unchanged'),
  )
})

test('what somebody else has just created is found, also where it shows late', async (t) => {
  await using context = await openLagging(5_000)
  const { platform, simulator } = context
  const both = await Promise.all([provision(platform, [NEW]), provision(platform, [NEW])])
  t.same(both.flatMap(outcomes).toSorted(), ['created', 'unchanged'])
  t.equal(simulator.world.users('any').length, 11 + 1)
})

test('an email that stays taken and unlisted is told with what to do', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const match = { method: 'POST', path: '/api/v2/users' }
  simulator.faults.add({ match, kind: 'status', status: 409, code: 'general.conflict' })
  const ends = await provision(platform, [NEW])
  const message = /409 .*what has the name is not listed: it may show in a minute: run it again$/
  t.match(ends.get(NEW.email), { failure: { code: 'conflict', message }, id: undefined })
  // Listings that cannot be read do not hide why they were.
  simulator.faults.add({ match: { path: '/api/v2/users' }, kind: 'status', status: 400 })
  const again = await provision(platform, [NEW])
  t.match(again.get(NEW.email), { failure: { code: 'conflict', upstream: { status: 409 } } })
})

test('a search that leaves out an email does not make a user new', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  for (const field of ['email', 'name']) {
    simulator.faults.clear()
    simulator.faults.add({ match: { path: SEARCH }, kind: 'drop-field', field })
    const work = planProvisioning(platform, [{ ...NEW, email: ALICE }], signal)
    await t.rejects(work, { code: 'upstream-broken', message: field })
  }
})

test('an email that is taken is known by more than one code', async (t) => {
  for (const code of ['user.already.exists', 'duplicate.email', 'general.conflict']) {
    await using context = await openUnderTest()
    const { platform, simulator } = context
    const planned = await planProvisioning(platform, [NEW], signal)
    simulator.addUser({ name: 'Nina Neu', email: NEW.email, divisionId: divisions.sales })
    const match = { method: 'POST', path: '/api/v2/users' }
    simulator.faults.add({ match, kind: 'status', status: 400, code, times: 1 })
    const ends: Ended<Provisioned>[] = []
    const onEnd = (_: unknown, ended: Ended<Provisioned>): void => void ends.push(ended)
    const options = { allowRemoval: false, stop: signal, signal, onEnd }
    await runProvisioning(platform, planned, options)
    t.match(ends, [{ state: 'done', value: { outcome: 'changed' } }], code)
  }
})

test('a refusal that only sounds like a taken email is one', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const match = { method: 'POST', path: '/api/v2/users' }
  const code = 'division.does.not.exist'
  simulator.faults.add({ match, kind: 'status', status: 400, code })
  const ends = await provision(platform, [NEW])
  const failure = { code: 'upstream-refused', message: /division.does.not.exist/ }
  t.match(ends.get(NEW.email), { failure })
})

test('who loses something does so only when it was asked for', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const rows: UserRow[] = [
    { place: 'line 2', email: ALICE, state: 'inactive' },
    { place: 'line 3', email: 'bob.brandt@small.example', state: 'deleted' },
  ]
  t.same(outcomes(await provision(platform, rows)), ['failed', 'failed'])
  t.equal(simulator.world.user(users.alice)?.state, 'active')
  const asked = await provision(platform, rows, { allowRemoval: true })
  t.same(outcomes(asked), ['changed', 'changed'])
  t.equal(simulator.world.user(users.alice)?.state, 'inactive')
  t.equal(simulator.world.user(users.bob)?.state, 'deleted')
  t.same(outcomes(await provision(platform, rows)), ['unchanged', 'unchanged'])
})

test('what misses a field that an update relies on stops before anything is written', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const listing = { match: { path: '/api/v2/users' }, kind: 'drop-field' } as const
  for (const field of ['version', 'division', 'state', 'email', 'name']) {
    simulator.faults.clear()
    simulator.faults.add({ ...listing, field })
    const work = listUsers(platform.read, { states: ['active'], signal })
    await t.rejects(work, { code: 'upstream-broken', message: field })
  }
})

test('a search whose answer takes several pages is read to its end', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const people = Array.from({ length: 50 }, (_, at) => `many${at}@small.example`)
  for (const [at, email] of people.entries()) {
    for (const state of ['deleted', 'deleted', 'active'] as const) {
      simulator.addUser({ name: `Many ${at}`, email, state, title: state })
    }
  }
  const found = await findUsersByEmail(platform.read, people, signal)
  t.equal(found.size, 50)
  t.ok([...found.values()].every(({ title }) => title === 'active'))
  t.equal(simulator.requests.of(`POST ${SEARCH}`), 2)
})

test('more inactive users than the platform lists are told with a way out', async (t) => {
  await using context = await openUnderTest({ inactiveListingLimit: 10_000 })
  const { platform, simulator } = context
  simulator.faults.add({ match: { path: /state=inactive/ }, kind: 'wrong-total', total: 10_400 })
  const world = Array.from({ length: 10_001 }, (_, at) => {
    return simulator.addUser({
      name: `Past ${at}`,
      email: `p${at}@small.example`,
      state: 'inactive',
    })
  })
  t.equal(world.length, 10_001)
  const work = listUsers(platform.read, { states: ['active', 'inactive'], signal })
  await t.rejects(work, { message: /lists 10000 of them and no more: with --state active/ })
})

test('a search that leaves somebody out is broken; a page that does is never the whole', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  for (const total of [undefined, 0]) {
    const claim = total === undefined ? {} : { total }
    simulator.faults.add({ match: { path: SEARCH }, kind: 'wrong-total', times: 1, ...claim })
    const work = provision(platform, [{ place: 'line 2', email: ALICE, title: 'Lead' }])
    await t.rejects(work, { code: 'upstream-broken', message: /another total/ }, `${total}`)
  }
  simulator.faults.add({ match: { path: '/api/v2/users' }, kind: 'truncate-page' })
  const listing = listUsers(platform.read, { states: ['active'], signal })
  await t.rejects(listing, { code: 'upstream-broken', message: /announced/ })
  t.equal(simulator.requests.of(PATCH), 0)
})

test('a right that is refused again and again ends the division, not the others', async (t) => {
  await using context = await openUnderTest({}, { concurrency: 1 })
  const { platform, simulator } = context
  const people = [divisions.home, divisions.sales].flatMap((divisionId, place) =>
    Array.from({ length: 7 }, (_, at) => {
      const email = `u${place}${at}@small.example`
      return simulator.addUser({ name: `User ${place}${at}`, email, divisionId })
    }),
  )
  const paths = people.slice(0, 7).map(({ id }) => `/api/v2/users/${id}`)
  for (const path of paths) {
    simulator.faults.add({ match: { method: 'PATCH', path }, kind: 'status', status: 403 })
  }
  const rows = people.map(({ email }, at) => ({ place: `line ${at + 2}`, email, title: 'Lead' }))
  const ends = await provision(platform, rows)
  t.same(outcomes(ends), [
    ...Array.from({ length: 5 }, () => 'failed'),
    ...Array.from({ length: 2 }, () => 'not-started'),
    ...Array.from({ length: 7 }, () => 'changed'),
  ])
  const message = /needs a role with the permission directory:user:edit/
  const failure = { message, upstream: { correlationId: /.+/ } }
  t.match(ends.get('u00@small.example'), { failure, created: false, changes: [] })
})

test('one refusal leaves the others alone where something could be written', async (t) => {
  await using context = await openUnderTest({}, { concurrency: 1 })
  const { platform, simulator } = context
  const people = Array.from({ length: 9 }, (_, at) => {
    const email = `u${at}@small.example`
    return simulator.addUser({ name: `User ${at}`, email, divisionId: divisions.sales })
  })
  const match = { method: 'PATCH', path: '/api/v2/users/{userId}' }
  simulator.faults.add({ match, kind: 'status', status: 403, after: 1, times: 7 })
  const rows = people.map(({ email }, at) => ({ place: `line ${at + 2}`, email, title: 'Lead' }))
  const ends = outcomes(await provision(platform, rows))
  t.same(ends, ['changed', ...Array.from({ length: 7 }, () => 'failed'), 'changed'])
})

test('a login that is refused ends the run', async (t) => {
  await using context = await openUnderTest({}, { concurrency: 1 })
  const { platform, simulator } = context
  const match = { method: 'PATCH', path: '/api/v2/users/{userId}' }
  simulator.faults.add({ match, kind: 'status', status: 401 })
  const rows = ['alice.adler', 'bob.brandt'].map((name, at) => {
    return { place: `line ${at + 2}`, email: `${name}@small.example`, title: 'Lead' }
  })
  t.same(outcomes(await provision(platform, rows)), ['failed', 'not-started'])
})

test('steps that were done before a failure are told beside it', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const match = {
    method: 'POST',
    path: /divisions\/[^/]+\/objects/,
  }
  simulator.faults.add({ match, kind: 'status', status: 403 })
  const rows = [{ place: 'line 2', email: ALICE, title: 'Lead', division: 'Support' }]
  const [ended] = (await provision(platform, rows)).values()
  t.match(ended, { state: 'failed', created: false, id: users.alice })
  t.same(ended?.state === 'failed' && ended.changes.map(({ field }) => field), ['title'])
})

test('asked to stop, the row in hand is finished and no other begun', async (t) => {
  await using context = await openUnderTest({}, { concurrency: 1 })
  const { platform, simulator } = context
  const stop = new AbortController()
  const rows = ['alice.adler', 'bob.brandt'].map((name, at) => {
    return { place: `line ${at + 2}`, email: `${name}@small.example`, title: 'Lead' }
  })
  const planned = await planProvisioning(platform, rows, signal)
  const states: string[] = []
  await runProvisioning(platform, planned, {
    allowRemoval: false,
    stop: stop.signal,
    signal,
    onEnd: (_, { state }) => {
      states.push(state)
      stop.abort()
    },
  })
  t.same(states, ['done', 'not-started'])
  t.equal(simulator.requests.of(PATCH), 1)
})
