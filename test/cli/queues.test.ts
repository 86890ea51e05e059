import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { clientWith, startPlatform } from './support/platform.ts'
import type { SimulatedPlatform } from './support/platform.ts'

const { users, queues } = SMALL_WORLD
const QUEUES = '/api/v2/routing/queues'
const QUEUE = `${QUEUES}/{queueId}`
const MEMBERS = `${QUEUE}/members`

const MANIFEST = JSON.stringify({
  queues: [
    {
      name: 'Sales',
      members: ['alice.adler@small.example', 'ivan.ilic@small.example', users.judy],
    },
    { name: 'Support', acwSettings: { timeoutMs: 60_000 } },
    { name: 'Returns', division: 'Sales', members: ['alice.adler@small.example', users.bob] },
  ],
})

const plan = ['queues', 'plan', '-']
const apply = ['queues', 'apply', '-']

function outcomes(stdout: string): Record<string, string> {
  const rows = JSON.parse(stdout) as { name: string; outcome: string }[]
  return Object.fromEntries(rows.map(({ name, outcome }) => [name, outcome]))
}

function writes({ simulator }: SimulatedPlatform): number {
  return [`POST ${QUEUES}`, `PUT ${QUEUE}`, `POST ${MEMBERS}`].reduce((sum, operation) => {
    return sum + simulator.requests.of(operation)
  }, 0)
}

test('queues list: JSON in a pipe, a table on a terminal', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const { code, stdout } = await permctl(['queues', 'list'], { env })
  t.equal(code, 0)
  t.match(JSON.parse(stdout), [
    { name: 'Sales', division: 'Sales', memberCount: 3, id: queues.sales },
    { name: 'Support' },
    { name: 'Support Escalation', memberCount: 0 },
  ])
  using terminal = permctlInTerminal(['queues', 'list'], { env })
  t.equal(await terminal.exited, 0)
  t.match(terminal.shown(), /^Support Escalation +Home +0/m)
})

test('queues plan: 1 and the differences, 0 once they are applied', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const before = await permctl(plan, { env, stdin: MANIFEST })
  t.equal(before.code, 1, before.stderr)
  t.same(outcomes(before.stdout), {
    Sales: 'unchanged',
    Support: 'would-change',
    Returns: 'would-create',
  })
  const dry = await permctl([...apply, '--dry-run'], { env, stdin: MANIFEST })
  t.equal(dry.code, 1)
  t.same(outcomes(dry.stdout), outcomes(before.stdout))
  t.equal(writes(platform), 0)
  const applied = await permctl(apply, { env, stdin: MANIFEST })
  t.equal(applied.code, 0, applied.stderr)
  t.same(outcomes(applied.stdout), { Sales: 'unchanged', Support: 'changed', Returns: 'created' })
  t.match(simulator.world.queues.get(queues.support)?.settings, {
    acwSettings: { timeoutMs: 60_000, wrapupPrompt: 'MANDATORY_TIMEOUT' },
    enableTranscription: true,
  })
  const sent = writes(platform)
  t.equal((await permctl(apply, { env, stdin: MANIFEST })).code, 0)
  t.equal((await permctl([...apply, '--dry-run'], { env, stdin: MANIFEST })).code, 0)
  t.equal((await permctl(plan, { env, stdin: MANIFEST })).code, 0)
  t.equal(writes(platform), sent)
})

test('queues plan: a table on a terminal, and how far it is', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const folder = t.testdir({ 'queues.json': MANIFEST })
  const words = ['queues', 'plan', 'queues.json']
  using terminal = permctlInTerminal(words, { env, folder, columns: 200 })
  t.equal(await terminal.exited, 1)
  t.match(terminal.shown(), /^queue +outcome +changes/m)
  t.match(terminal.shown(), /Support +would-change +acwSettings\/timeoutMs: \S+ → 60000/)
  t.match(terminal.raw(), /comparing 3 queues/)
  using list = permctlInTerminal(['queues', 'list'], { env })
  t.equal(await list.exited, 0)
  t.match(list.raw(), /reading queues: \d of 1 pages/)
})

test('queues apply: twice at once ends in the same state, each queue once', async (t) => {
  await using platform = await startPlatform({ consistencyDelayMs: 400 })
  const { env, simulator } = platform
  const names = ['Returns', 'Billing', 'Repairs']
  const stdin = JSON.stringify({
    queues: names.map((name) => ({ name, members: [users.alice], description: name })),
  })
  const both = await Promise.all([permctl(apply, { env, stdin }), permctl(apply, { env, stdin })])
  for (const { code, stderr } of both) t.equal(code, 0, stderr)
  const made = both.flatMap(({ stdout }) => Object.values(outcomes(stdout)))
  t.equal(made.filter((outcome) => outcome === 'created').length, 3)
  const third = await permctl(apply, { env, stdin })
  t.same([...new Set(Object.values(outcomes(third.stdout)))], ['unchanged'])
  const ours = simulator.world.queues.list().filter(({ name }) => names.includes(name))
  t.equal(ours.length, 3)
  for (const { id, settings, name } of ours) {
    t.equal(settings['description'], name)
    t.same([...simulator.world.queues.members(id).keys()], [users.alice])
  }
})

test('queues apply: on a terminal it asks before members are removed', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const stdin = JSON.stringify({ queues: [{ name: 'Sales', members: [users.alice] }] })
  const refused = await permctl(apply, { env, stdin })
  t.equal(refused.code, 2)
  t.match(refused.stderr, /2 members will be removed from Sales\. .* --yes/)
  const both = JSON.stringify({
    queues: [
      { name: 'Sales', members: [users.alice, users.judy] },
      { name: 'Support', members: [] },
    ],
  })
  const counted = await permctl(apply, { env, stdin: both })
  t.match(counted.stderr, /1 member will be removed from Sales, 3 from Support\. /)
  const folder = t.testdir({ 'queues.json': stdin })
  const words = ['queues', 'apply', 'queues.json']
  using no = permctlInTerminal(words, { env, folder })
  await no.until(/\[y\/N\]/)
  no.type('n\r')
  t.equal(await no.exited, 2)
  t.equal(writes(platform), 0)
  using yes = permctlInTerminal(words, { env, folder, columns: 200 })
  await yes.until(/\[y\/N\]/)
  yes.type('y\r')
  t.equal(await yes.exited, 0, yes.shown())
  t.match(yes.shown(), /Sales +changed +members\/removed: Ivan Ilic/)
  t.equal(simulator.world.queues.members(queues.sales).size, 1)
})

test('queues apply: what the client may not do is named before anything is written', async (t) => {
  const may = ['routing:queue:view', 'directory:user:view', 'routing:queueMember:manage']
  await using platform = await startPlatform(clientWith(...may))
  const { env } = platform
  const { code, stderr } = await permctl(apply, { env, stdin: MANIFEST })
  t.equal(code, 3)
  t.match(
    stderr,
    /needs a role with routing:queue:add .* routing:queue:edit .*; nothing was written/,
  )
  t.equal(writes(platform), 0)
})

test('queues apply: what the platform leaves out stops it before anything is written', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const path = QUEUES
  const cases = [
    [{ kind: 'truncate-page' }, /announced/],
    [{ kind: 'malformed-body' }, /no JSON/],
    [{ kind: 'drop-field', field: 'mediaSettings' }, /mediaSettings/],
    [{ kind: 'drop-field', field: 'division' }, /division/],
    [{ kind: 'drop-field', field: 'total' }, /total/],
  ] as const
  for (const [fault, told] of cases) {
    simulator.faults.clear()
    simulator.faults.add({ match: { method: 'GET', path }, ...fault })
    const { code, stderr } = await permctl(apply, { env, stdin: MANIFEST })
    t.equal(code, 3, stderr)
    t.match(stderr, told)
  }
  t.equal(writes(platform), 0)
})

test('queues apply: a busy platform is waited for, a lost answer looked after', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const busy = { kind: 'status', status: 429, retryAfterSeconds: 1, times: 1 } as const
  simulator.faults.add({ match: { method: 'GET', path: QUEUES }, ...busy })
  simulator.faults.add({ match: { method: 'POST', path: QUEUES }, kind: 'lost-answer', times: 1 })
  simulator.faults.add({ match: { method: 'PUT', path: QUEUE }, kind: 'lost-answer', times: 1 })
  const { code, stdout, stderr } = await permctl(apply, { env, stdin: MANIFEST })
  t.equal(code, 0, stderr)
  t.match(outcomes(stdout), { Support: 'changed', Returns: 'created' })
  t.equal(simulator.requests.of(`POST ${QUEUES}`), 1)
})

test('queues: a manifest at fault is told by path, exit code 2', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const cases = [
    ['{"queues": [{"name": "A", "acwSetings": {}}]}', /did you mean acwSettings/],
    ['{"queues": [{"name": "A", "members": ["nobody@small.example"]}]}', /no active user/],
    ['{"queues": [{"name": "A", "division": "Saless"}]}', /did you mean Sales\?/],
    ['queues: []', /standard input is no JSON/],
    ['[]', /standard input is a list; a manifest is \{"queues": \[/],
    ['"queues"', /standard input is no JSON object/],
  ] as const
  for (const [stdin, told] of cases) {
    const { code, stderr } = await permctl(plan, { env, stdin })
    t.equal(code, 2, stderr)
    t.match(stderr, told)
  }
})
