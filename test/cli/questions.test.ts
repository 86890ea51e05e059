import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const { users, divisions } = SMALL_WORLD
const VIEW = 'routing:queue:view'
const EDIT = 'routing:queue:edit'
const EVALUATE = 'quality:evaluation:view'

const HOSTILE = 'Mallory \u001b]0;owned\u0007\u202e=cmd'

const world = smallWorld()
world.putUser({
  id: 'aaaaaaaa-0000-4000-8000-000000000099',
  name: HOSTILE,
  email: 'mallory@small.example',
  state: 'active',
  divisionId: divisions.sales,
  groups: [],
  version: 1,
})
world.grants.add('aaaaaaaa-0000-4000-8000-000000000099', SMALL_WORLD.roles.agent, divisions.sales)
world.putUser({
  id: 'aaaaaaaa-0000-4000-8000-000000000098',
  name: 'Alice the Second',
  email: 'twice@small.example',
  state: 'active',
  divisionId: divisions.sales,
  groups: [],
  version: 1,
})
world.putUser({
  id: 'aaaaaaaa-0000-4000-8000-000000000097',
  name: 'Alice the Third',
  email: 'TWICE@small.example',
  state: 'active',
  divisionId: divisions.sales,
  groups: [],
  version: 1,
})

const served = await startServedWorld({ simulator: { world } })
const env = served.permctlEnv

test('commands that ask', async (t) => {
  t.teardown(() => served[Symbol.asyncDispose]())

  await t.test('check: allowed is 0, denied is 1, and JSON in a pipe', async (t) => {
    const allowed = await permctl(['check', users.alice, VIEW], { env })
    t.equal(allowed.code, 0, allowed.stderr)
    const expected = { user: users.alice, userId: users.alice, permission: VIEW, allowed: true }
    t.same(JSON.parse(allowed.stdout), expected)
    t.equal(allowed.stderr, '')
    const denied = await permctl(['check', users.alice, EDIT], { env })
    t.equal(denied.code, 1)
    t.match(JSON.parse(denied.stdout), { allowed: false, reason: 'not_granted' })
  })

  await t.test('check: user by email in any case, division by name', async (t) => {
    const words = ['check', 'ALICE.adler@small.example', VIEW, '--division', 'Support']
    const { code, stdout } = await permctl(words, { env })
    t.equal(code, 1)
    t.same(JSON.parse(stdout), {
      user: 'ALICE.adler@small.example',
      userId: users.alice,
      permission: VIEW,
      division: 'Support',
      divisionId: divisions.support,
      allowed: false,
      reason: 'other_division',
    })
  })

  await t.test('check: an id needs no admin plane', async (t) => {
    const { PERMCTL_ADMIN_KEY: _, PERMCTL_ADMIN_URL: __, ...rest } = env
    t.equal((await permctl(['check', users.bob, EDIT], { env: rest })).code, 0)
    const byEmail = await permctl(['check', 'bob.brandt@small.example', EDIT], { env: rest })
    t.equal(byEmail.code, 2)
    t.match(byEmail.stderr, /missing: PERMCTL_ADMIN_KEY/)
  })

  await t.test('check: attributes decide conditions', async (t) => {
    const words = ['check', users.erin, EVALUATE]
    t.match(JSON.parse((await permctl(words, { env })).stdout), { reason: 'conditional' })
    const attributes = JSON.stringify({ 'Conversation.queues': SMALL_WORLD.queues.support })
    const decided = await permctl([...words, '--attributes', attributes], { env })
    t.equal(decided.code, 0, decided.stdout)
    const nested = await permctl([...words, '--attributes', '{"a":{}}'], { env })
    t.equal(nested.code, 2)
    t.match(nested.stderr, /flat JSON object/)
  })

  await t.test('who nobody or several are is explained', async (t) => {
    const nobody = await permctl(['check', 'nobody@small.example', VIEW], { env })
    t.equal(nobody.code, 2)
    t.match(nobody.stderr, /no user has the email nobody@small\.example/)
    const several = await permctl(['permissions', 'twice@small.example'], { env })
    t.equal(several.code, 2)
    t.match(
      several.stderr,
      /several users .* name one by id: aaaaaaaa-.*98, aaaaaaaa-.*97|97, .*98/,
    )
    const unknown = await permctl(['who-can', 'routing:queue:veiw', '--output', 'csv'], { env })
    t.equal(unknown.code, 2, unknown.stderr)
    t.equal(unknown.stdout, '', 'no heading before an error')
    const division = await permctl(['who-can', VIEW, '--division', 'Salles'], { env })
    t.equal(division.code, 2)
    t.match(division.stderr, /no division has the id or name Salles; did you mean Sales\?/)
  })

  await t.test('check: many from a file, in CSV, JSON and NDJSON', async (t) => {
    await using folder = await temporaryFolder()
    const checks = [
      { user: 'alice.adler@small.example', permission: VIEW },
      { user: users.bob, permission: EDIT, division: 'Support' },
      { user: users.olivia, permission: VIEW },
    ]
    const csv = `user,permission,division\n${checks.map((c) => `${c.user},${c.permission},${c.division ?? ''}`).join('\n')}\n`
    await writeFile(join(folder.path, 'checks.csv'), csv)
    const fromCsv = await permctl(['check', '--file', 'checks.csv'], { env, folder: folder.path })
    t.equal(fromCsv.code, 1, fromCsv.stderr)
    const answers = JSON.parse(fromCsv.stdout) as { allowed: boolean; reason?: string }[]
    t.same(
      answers.map(({ allowed, reason }) => reason ?? allowed),
      [true, true, 'not_granted'],
    )
    for (const stdin of [JSON.stringify(checks), checks.map((c) => JSON.stringify(c)).join('\n')]) {
      const piped = await permctl(['check', '--file', '-', '--output', 'csv'], { env, stdin })
      t.equal(piped.code, 1, piped.stderr)
      t.same(piped.stdout.split('\r\n'), [
        'user,permission,division,allowed,reason',
        `alice.adler@small.example,${VIEW},,true,`,
        `${users.bob},${EDIT},Support,true,`,
        `${users.olivia},${VIEW},,false,not_granted`,
        '',
      ])
    }
    const wrong = await permctl(['check', '--file', '-'], { env, stdin: 'user,permision\na,b\n' })
    t.equal(wrong.code, 2)
    t.match(wrong.stderr, /column 2: permision is not known here; did you mean permission\?/)
    const member = '{"user": "a", "permision": "b"}'
    const unknown = await permctl(['check', '--file', '-'], { env, stdin: member })
    t.equal(unknown.code, 2)
    t.match(unknown.stderr, /1 of 1 checks cannot be read\n {2}line 1: permision is not known/)
  })

  await t.test('check: more than one batch keeps its order', async (t) => {
    const people = [users.alice, users.bob, users.olivia]
    const lines = Array.from({ length: 2_500 }, (_, index) => `${people[index % 3]},${EDIT}`)
    const stdin = `user,permission\n${lines.join('\n')}\n`
    const { code, stdout } = await permctl(['check', '--file', '-', '-o', 'ndjson'], { env, stdin })
    t.equal(code, 1)
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { allowed: boolean })
    t.equal(rows.length, 2_500)
    t.ok(rows.every(({ allowed }, index) => allowed === (index % 3 === 1)))
  })

  await t.test('explain: paths as a person reads them', async (t) => {
    using terminal = permctlInTerminal(['explain', 'carol.costa@small.example', EDIT], { env })
    t.equal(await terminal.exited, 0)
    t.equal(
      terminal.shown(),
      `allowed: carol.costa@small.example, ${EDIT}\n  yes: Supervisor in Support by group Night Shift, policy routing:queue:*\n`,
    )
    const words = ['explain', users.carol, EDIT, '--division', 'Sales', '--output', 'table']
    const elsewhere = await permctl(words, { env })
    t.equal(elsewhere.code, 1)
    t.match(elsewhere.stdout, /^denied \(other_division\)/)
    t.match(elsewhere.stdout, /elsewhere: Supervisor in Support by group Night Shift/)
    t.match(elsewhere.stdout, /it is held in: Support/)
    const misspelt = await permctl(['explain', users.carol, 'routing:quue:edit', '-o', 'table'], {
      env,
    })
    t.match(misspelt.stdout, /did you mean the permission routing:queue:edit\?/)
  })

  await t.test('who-can: a table on a terminal, cut to its width', async (t) => {
    using terminal = permctlInTerminal(['who-can', VIEW, '--division', 'Sales'], {
      env,
      columns: 80,
    })
    t.equal(await terminal.exited, 0, terminal.shown())
    const lines = terminal.shown().trimEnd().split('\n')
    t.match(lines[0], /^name +email +kind +by +id$/)
    t.ok(
      lines.every((line) => line.length <= 80),
      lines.join('\n'),
    )
    t.ok(
      lines.some((line) => line.includes('…')),
      'something was cut',
    )
  })

  await t.test('a narrow terminal gets one thing below the other, and nothing cut', async (t) => {
    const words = ['who-can', VIEW, '--division', 'Sales']
    using terminal = permctlInTerminal(words, { env, columns: 44 })
    t.equal(await terminal.exited, 0, terminal.shown())
    t.match(terminal.shown(), /^name +Alice Adler\nemail +alice\.adler@small\.example\n/m)
    t.match(terminal.shown(), new RegExp(`^id +${users.alice}\n\nname `, 'm'))
    t.notMatch(terminal.shown(), /…/)
    using listed = permctlInTerminal(['permissions', users.ivan], { env, columns: 60 })
    t.equal(await listed.exited, 0, listed.shown())
    t.match(listed.shown(), /^routing:queue:view /m)
  })

  await t.test('who-can: names never act on a terminal or a spreadsheet', async (t) => {
    for (const format of ['table', 'json', 'ndjson', 'csv']) {
      const words = ['who-can', VIEW, '--division', 'Sales', '--output', format]
      using terminal = permctlInTerminal(words, { env, columns: 300 })
      t.equal(await terminal.exited, 0)
      t.match(terminal.shown(), /Mallory/, format)
      for (const sign of ['\u001b]', '\u0007', '\u202e']) {
        t.notOk(terminal.raw().includes(sign), format)
      }
    }
    const { stdout } = await permctl(['who-can', VIEW, '-o', 'json'], { env })
    const holders = JSON.parse(stdout) as { name: string }[]
    t.ok(
      holders.some(({ name }) => name === HOSTILE),
      'JSON keeps the name itself',
    )
  })

  await t.test('who-can: pages are followed to the end, or to the limit', async (t) => {
    const all = JSON.parse((await permctl(['who-can', VIEW], { env })).stdout) as object[]
    t.ok(all.length > 3)
    const two = await permctl(['who-can', VIEW, '--limit', '2'], { env })
    t.same(JSON.parse(two.stdout), all.slice(0, 2))
    const unknown = await permctl(['who-can', 'routing:queue:viw'], { env })
    t.equal(unknown.code, 2)
    t.match(unknown.stderr, /nearest known one is routing:queue:view/)
    t.match(unknown.stderr, /request id permctl-/)
  })

  await t.test('permissions: what a user may do, one line a row in a pipe', async (t) => {
    const words = ['permissions', 'ivan.ilic@small.example', '--output', 'table']
    const { code, stdout } = await permctl(words, { env })
    t.equal(code, 0)
    const line = stdout.split('\n').find((each) => each.startsWith(VIEW)) ?? ''
    t.match(line, /Agent in Sales; Agent in Support; Supervisor in Support by group Night Shift/)
    using terminal = permctlInTerminal(['permissions', users.heidi, '--division', 'Home'], { env })
    t.equal(await terminal.exited, 0)
    t.match(terminal.shown(), /Telephony Admin in Home/)
  })

  await t.test('health: revision and age, without a key', async (t) => {
    const { PERMCTL_CHECK_URL } = env
    const words = ['health', '--check-url', PERMCTL_CHECK_URL ?? '']
    const { code, stdout } = await permctl(words)
    t.equal(code, 0)
    t.match(JSON.parse(stdout), { live: true, ready: true, revision: 1, url: PERMCTL_CHECK_URL })
    using terminal = permctlInTerminal(words)
    t.equal(await terminal.exited, 0)
    t.match(terminal.shown(), /^ready +true$/m)
  })

  await t.test('a wrong key is 3 and says which', async (t) => {
    const wrong = { ...env, PERMCTL_CHECK_KEY: 'not-the-key' }
    const { code, stderr, stdout } = await permctl(['check', users.alice, VIEW], { env: wrong })
    t.equal(code, 3)
    t.equal(stdout, '')
    t.match(stderr, /is PERMCTL_CHECK_KEY a key of the check plane/)
    t.notMatch(stderr, /not-the-key/)
    const asJson = await permctl(['check', users.alice, VIEW, '-o', 'json'], { env: wrong })
    t.match(JSON.parse(asJson.stderr), {
      error: { code: 'unauthenticated', exitCode: 3, requestId: /^permctl-/ },
    })
  })
})

test('health of a service that has no matrix is 3, and says why', async (t) => {
  await using unread = await startServedWorld({
    simulator: { clients: [{ ...DEFAULT_CLIENT, permissions: [] }] },
    ready: false,
  })
  const { code, stdout } = await permctl(['health'], { env: unread.permctlEnv })
  t.equal(code, 3)
  t.match(JSON.parse(stdout), { live: true, ready: false, problem: /./ })
})
