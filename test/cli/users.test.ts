import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import { World } from '../../simulator/world.ts'
import { until } from '../end-to-end/support/until.ts'
import { permctl, permctlInTerminal, startPermctl } from './support/permctl.ts'
import type { Env } from './support/permctl.ts'
import { clientWith, startPlatform } from './support/platform.ts'

const { users } = SMALL_WORLD
const USER = '/api/v2/users/{userId}'
const PATCH = `PATCH ${USER}`
const POST = 'POST /api/v2/users'

const JOINERS = `email,name,division,department,title,state
nina@small.example,Nina Neu,Sales,Shop,,
alice.adler@small.example,,Support,,Lead,
bob.brandt@small.example,Bob Brandt,,,,
`

type Row = {
  readonly name: string
  readonly outcome: string
  readonly error?: { readonly message: string; readonly correlationId?: string }
}

function outcomes(stdout: string): Record<string, string> {
  const rows = JSON.parse(stdout) as Row[]
  return Object.fromEntries(rows.map(({ name, outcome }) => [name, outcome]))
}

function profileOf(env: Env): string {
  return Object.entries(env)
    .map((variable) => variable.join('='))
    .join('\n')
}

/** Another organisation with the divisions of the small world, under other ids. */
function emptyWorld(): World {
  const world = new World({ ...smallWorld().organization, id: randomUUID(), name: 'Copy' })
  for (const { name, home } of smallWorld().divisions.values()) {
    const id = randomUUID()
    world.divisions.set(id, { id, name, home })
  }
  return world
}

test('users list: JSON in a pipe, a table on a terminal', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const { code, stdout, stderr } = await permctl(['users', 'list'], { env })
  t.equal(code, 0, stderr)
  const [first, ...rest] = JSON.parse(stdout) as object[]
  t.match(first, { email: 'alice.adler@small.example', division: 'Sales', state: 'active' })
  t.equal(rest.length, 8)
  const gone = await permctl(['users', 'list', '--state', 'inactive', 'deleted'], { env })
  t.match(JSON.parse(gone.stdout), [{ state: 'inactive' }, { state: 'deleted' }])
  using terminal = permctlInTerminal(['users', 'list', '--limit', '2'], { env })
  t.equal(await terminal.exited, 0)
  t.match(terminal.shown(), /^email +name +division/)
  t.match(terminal.shown(), /Bob Brandt/)
  t.notMatch(terminal.shown(), /Carol/)
})

test('users export: what comes out changes nothing when it goes in', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  simulator.addUser({ name: '=1+1', email: 'sum@small.example', title: '-' })
  simulator.addUser({ name: "'=1+1", email: 'apostrophe@small.example', title: "''@" })
  for (const format of ['csv', 'json', 'ndjson']) {
    const all = ['--state', 'active', 'inactive', 'deleted']
    const words = ['users', 'export', ...all, '-o', format]
    const { stdout: stdin } = await permctl(words, { env })
    const { code, stdout, stderr } = await permctl(['users', 'provision', '-'], { env, stdin })
    t.equal(code, 0, stderr)
    const found = Object.values(outcomes(stdout))
    t.same(
      found,
      Array.from({ length: 13 }, () => 'unchanged'),
      format,
    )
  }
  t.equal(simulator.requests.of(PATCH) + simulator.requests.of(POST), 0)
})

test('users export: --without-ids is for another organisation', async (t) => {
  const world = emptyWorld()
  await using source = await startPlatform()
  await using copy = await startPlatform({ world })
  const existing = copy.simulator.addUser({ name: 'A', email: 'alice.adler@small.example' })
  const folder = t.testdir({ '.env.test': profileOf(source.env), '.env.copy': profileOf(copy.env) })
  const exported = await permctl(['users', 'export', '--profile', 'test', '--without-ids'], {
    folder,
  })
  t.equal(exported.code, 0, exported.stderr)
  for (const id of [users.alice, users.bob]) t.notMatch(exported.stdout, id)
  const words = ['users', 'provision', '-', '--profile', 'copy']
  const { code, stdout, stderr } = await permctl(words, { folder, stdin: exported.stdout })
  t.equal(code, 0, stderr)
  const found = Object.values(outcomes(stdout))
  t.equal(found.filter((outcome) => outcome === 'created').length, found.length - 1)
  t.match(copy.simulator.world.user(existing.id), { name: 'Alice Adler' })
  const csv = await permctl(
    ['users', 'export', '--profile', 'copy', '--without-ids', '-o', 'csv'],
    { folder },
  )
  t.match(csv.stdout, /^email,name,division,department,title,state\r\n/)
  const refused = await permctl(words, {
    folder,
    stdin: (await permctl(['users', 'export', '--profile', 'test'], { folder })).stdout,
  })
  t.equal(refused.code, 2, 'ids of another organisation are refused')
})

test('users export: on a terminal a table, after the progress', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const busy = { kind: 'status', status: 429, retryAfterSeconds: 1, times: 1 } as const
  simulator.faults.add({ match: { method: 'GET', path: '/api/v2/users' }, ...busy })
  using terminal = permctlInTerminal(['users', 'export'], { env, columns: 200 })
  t.equal(await terminal.exited, 0)
  t.match(terminal.shown(), /^email +name +division[^]*alice\.adler@small\.example +Alice Adler/)
  t.match(terminal.raw(), /the platform has no room just now: waiting to ask again/)
  t.notMatch(terminal.shown(), /no room/)
})

test('users provision: Ctrl-C on a terminal, once and twice', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const never = { kind: 'slow', delayMs: 600_000 } as const
  simulator.faults.add({ match: { method: 'PATCH', path: `/api/v2/users/${users.bob}` }, ...never })
  const rows = 'email,title\nalice.adler@small.example,Lead\nbob.brandt@small.example,Lead\n'
  const folder = t.testdir({ 'people.csv': rows })
  using terminal = permctlInTerminal(['users', 'provision', 'people.csv'], {
    env,
    folder,
    columns: 200,
  })
  await terminal.until(/1 of 2 users/)
  terminal.type('\u0003')
  await terminal.until(/finishing 1 user in hand, .*; press Ctrl-C again to end at once/)
  terminal.type('\u0003')
  t.equal(await terminal.exited, 130)
  t.match(terminal.shown(), /alice\.adler@small\.example +changed/)
  t.match(terminal.shown(), /bob\.brandt@small\.example +interrupted/)
  t.match(terminal.shown(), /interrupted: 1 of 2 interrupted.*run the same command again/)
})

test('users provision: a dry run writes nothing, a second run changes nothing', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const words = ['users', 'provision', '-']
  const dry = await permctl([...words, '--dry-run'], { env, stdin: JOINERS })
  t.equal(dry.code, 1, dry.stderr)
  t.same(outcomes(dry.stdout), {
    'nina@small.example': 'would-create',
    'alice.adler@small.example': 'would-change',
    'bob.brandt@small.example': 'unchanged',
  })
  t.equal(simulator.requests.of(PATCH) + simulator.requests.of(POST), 0)
  simulator.requests.reset()
  const first = await permctl(words, { env, stdin: JOINERS })
  t.equal(first.code, 0, first.stderr)
  t.equal(simulator.requests.of('POST /oauth/token'), 1, 'one token for all requests')
  t.same(outcomes(first.stdout), {
    'nina@small.example': 'created',
    'alice.adler@small.example': 'changed',
    'bob.brandt@small.example': 'unchanged',
  })
  t.match(simulator.world.user(users.alice), { title: 'Lead', name: 'Alice Adler' })
  const sent = simulator.requests.of(PATCH) + simulator.requests.of(POST)
  const second = await permctl(words, { env, stdin: JOINERS })
  t.same([...new Set(Object.values(outcomes(second.stdout)))], ['unchanged'])
  t.equal(simulator.requests.of(PATCH) + simulator.requests.of(POST), sent)
})

test('users provision: all faults of a file are named by line, exit code 2', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const stdin = 'email,name,state\na@small.example,A,gone\nA@small.example,A,\nnobody,N,active\n'
  const { code, stderr } = await permctl(['users', 'provision', '-'], { env, stdin })
  t.equal(code, 2)
  t.match(stderr, /line 2\/state: must be one of active, inactive, deleted/)
  t.match(stderr, /line 4\/email: must be an email address/)
  t.equal(simulator.requests.of('POST /api/v2/users/search'), 0)
})

test('users provision: a file whose text or headings are in doubt is refused, exit code 2', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const latin1 = Buffer.from(
    'email,name\r\nb@small.example,B\r\nm@small.example,M\u00fcller',
    'latin1',
  )
  const utf16 = Buffer.from('\ufeffemail,name\r\nm@small.example,M\u00fcller', 'utf16le')
  const cases = [
    [latin1, /line 3 of standard input is not UTF-8: save it as UTF-8.*"CSV UTF-8"/],
    [utf16, /standard input is UTF-16: save it as UTF-8/],
    [utf16.subarray(2), /standard input is UTF-16/],
    ['email,title,title\na@small.example,A,B\n', /column 3: title stands there twice/],
    ['email,,name\na@small.example,,B\n', /column 2: has no heading/],
    ['email;name\na@small.example;B\n', /separated by semicolons: commas are needed/],
    ['[{"email": "a@small.example",}]', /the list is no JSON at position \d+ \(line 1 column/],
    ['{"email": "a@small.example"}\n{"email"}\n', /line 2 is no JSON/],
    ['email,Divison,Phone\na@small.example,,\n', /column 2: Divison .*did you mean division\?/],
  ] as const
  for (const [stdin, told] of cases) {
    const { code, stderr } = await permctl(['users', 'provision', '-', '--dry-run'], { env, stdin })
    t.equal(code, 2, stderr)
    t.match(stderr, told)
  }
})

test('users provision: who loses something needs --yes, or somebody who says so', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const stdin = JSON.stringify([{ email: 'alice.adler@small.example', state: 'inactive' }])
  const refused = await permctl(['users', 'provision', '-'], { env, stdin })
  t.equal(refused.code, 2)
  t.match(refused.stderr, /1 of 1 users will be deactivated or deleted, .* --yes/)
  t.equal(simulator.world.user(users.alice)?.state, 'active')
  const allowed = await permctl(['users', 'provision', '-', '--yes'], { env, stdin })
  t.equal(allowed.code, 0, allowed.stderr)
  t.equal(simulator.world.user(users.alice)?.state, 'inactive')
  const folder = t.testdir({ 'leavers.csv': 'email,state\nbob.brandt@small.example,deleted\n' })
  using terminal = permctlInTerminal(['users', 'provision', 'leavers.csv'], { env, folder })
  await terminal.until(/\[y\/N\]/)
  t.equal(simulator.world.user(users.bob)?.state, 'active')
  terminal.type('y\r')
  t.equal(await terminal.exited, 0, terminal.shown())
  t.match(terminal.shown(), /bob\.brandt@small\.example +changed +state: active → deleted/)
  t.equal(simulator.world.user(users.bob)?.state, 'deleted')
})

test('users provision: a part that fails is 4, with the correlation id; all that fails is 3', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const refusal = { kind: 'status', status: 422, message: 'No such title.' } as const
  const match = { method: 'PATCH', path: `/api/v2/users/${users.alice}` }
  simulator.faults.add({ ...refusal, match })
  const words = ['users', 'provision', '-']
  const { code, stdout, stderr } = await permctl(words, { env, stdin: JOINERS })
  t.equal(code, 4)
  t.match(stderr, /1 of 3 failed; run the same command again/)
  const failed = (JSON.parse(stdout) as Row[]).find(({ outcome }) => outcome === 'failed')
  t.match(failed, {
    name: 'alice.adler@small.example',
    error: { message: /No such title/, correlationId: /^[0-9a-f-]{36}$/ },
  })
  const stdin = 'email,title\nalice.adler@small.example,Head\n'
  t.equal((await permctl(words, { env, stdin })).code, 3)
})

test('users provision: what the client may not do is named before anything is written', async (t) => {
  await using platform = await startPlatform(
    clientWith('directory:user:view', 'directory:user:edit'),
  )
  const { env, simulator } = platform
  const { code, stderr } = await permctl(['users', 'provision', '-'], { env, stdin: JOINERS })
  t.equal(code, 3)
  t.match(stderr, /needs a role with directory:user:add \(creating users\); nothing was written/)
  t.notMatch(stderr, /directory:user:edit/)
  t.equal(simulator.requests.of(PATCH) + simulator.requests.of(POST), 0)
})

test('users provision: Ctrl-C finishes the rows in hand; a second run does the others', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const emails = Array.from({ length: 120 }, (_, at) => {
    return simulator.addUser({ name: `User ${at}`, email: `user${at}@small.example` }).email
  })
  const stdin = `email,title\n${emails.map((email) => `${email},Lead\n`).join('')}`
  simulator.faults.add({ match: { method: 'PATCH', path: USER }, kind: 'slow', delayMs: 200 })
  const child = startPermctl(['users', 'provision', '-'], { env })
  child.stdin.end(stdin)
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  await until('the first rows are written', () => simulator.requests.of(PATCH) >= 6)
  child.kill('SIGINT')
  const [stdout, stderr, [code]] = await ended
  t.equal(code, 130, stderr)
  const found = Object.values(outcomes(stdout))
  const done = found.filter((outcome) => outcome === 'changed').length
  t.equal(found.length, 120)
  t.equal(found.filter((outcome) => outcome === 'not-started').length, 120 - done)
  t.ok(done >= 6 && done < 120)
  t.match(stderr, /finishing 6 users in hand, for 10 seconds at most; press Ctrl-C again/)
  t.match(stderr, /interrupted: \d+ of 120 not begun; run the same command again to go on/)
  simulator.faults.clear()
  const again = await permctl(['users', 'provision', '-'], { env, stdin })
  t.equal(again.code, 0, again.stderr)
  t.equal(simulator.requests.of(PATCH), 120)
})

test('users provision: a second Ctrl-C ends at once, and tells all that is known', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const emails = Array.from({ length: 20 }, (_, at) => {
    return simulator.addUser({ name: `User ${at}`, email: `user${at}@small.example` }).email
  })
  const stdin = `email,title\nbob.brandt@small.example,\n${emails.map((email) => `${email},Lead\n`).join('')}`
  const never = { kind: 'slow', delayMs: 600_000 } as const
  simulator.faults.add({ match: { method: 'PATCH', path: USER }, ...never })
  for (const output of ['json', 'csv'] as const) {
    simulator.requests.reset()
    const child = startPermctl(['users', 'provision', '-', '--output', output], { env })
    child.stdin.end(stdin)
    let told = ''
    child.stderr.on('data', (chunk: Buffer) => void (told += chunk.toString()))
    const ended = Promise.all([text(child.stdout), once(child, 'close')])
    await until('rows are in hand', () => simulator.requests.of(PATCH) >= 6)
    child.kill('SIGINT')
    await until('the interruption is noted', () => told.includes('finishing 6 users in hand'))
    child.kill('SIGINT')
    const [stdout, [code]] = await ended
    t.equal(code, 130, told)
    t.match(told, /interrupted: 14 of 21 not begun, 6 interrupted.*; run the same command again/)
    if (output === 'json') {
      const found = Object.values(outcomes(stdout))
      t.equal(found.length, 21)
      t.equal(found.filter((outcome) => outcome === 'interrupted').length, 6)
      t.equal(outcomes(stdout)['bob.brandt@small.example'], 'unchanged')
      continue
    }
    const [head, first, ...rest] = stdout.trimEnd().split('\r\n')
    t.match(head, /^email,outcome/)
    t.match(first, /^bob\.brandt@small\.example,unchanged/)
    t.equal(rest.length, 20)
    t.equal(rest.filter((row) => row.includes(',not-started,')).length, 14)
  }
})

test('users provision: NDJSON and CSV tell each row as it ends', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const never = { kind: 'slow', delayMs: 600_000 } as const
  simulator.faults.add({ match: { method: 'PATCH', path: `/api/v2/users/${users.bob}` }, ...never })
  const stdin = 'email,title\nbob.brandt@small.example,Lead\nalice.adler@small.example,Lead\n'
  const first = {
    csv: /\r\nalice\.adler@small\.example,changed,/,
    ndjson: /^\{"name":"alice.*"changed"/,
  }
  for (const output of ['ndjson', 'csv'] as const) {
    const child = startPermctl(['users', 'provision', '-', '--output', output], { env })
    child.stdin.end(stdin)
    let told = ''
    child.stdout.on('data', (chunk: Buffer) => void (told += chunk.toString()))
    await until(`${output} has the row that ended`, () => first[output].test(told))
    child.kill('SIGKILL')
    await once(child, 'close')
    t.notMatch(told, /bob/, output)
    const back = await permctl(['users', 'provision', '-'], {
      env,
      stdin: '[{"email":"alice.adler@small.example","title":""}]',
    })
    t.equal(back.code, 0, back.stderr)
  }
})

test('users: without settings everything that is missing is named, before any request', async (t) => {
  const { code, stderr } = await permctl(['users', 'list'])
  t.equal(code, 2)
  t.match(stderr, /GENESYS_CLIENT_ID .*GENESYS_CLIENT_SECRET .*--environment/)
})
