import { once } from 'node:events'
import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { permctl, permctlInTerminal, startPermctl } from './support/permctl.ts'
import { clientWith, startPlatform } from './support/platform.ts'

const { queues } = SMALL_WORLD
const PATH = '/api/v2/analytics/conversations/aggregates/query'
const QUARTER = ['analytics', 'queues', '--from', '2026-01-01', '--to', '2026-04-01']
const DAY = ['analytics', 'queues', '--from', '2026-01-05', '--to', '2026-01-06']

type Row = {
  readonly from: string
  readonly queue: string
  readonly metric: string
  readonly count: number
}

function rowsOf(ndjson: string): Row[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
}

function total(rows: readonly Row[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0)
}

test('analytics queues: NDJSON and CSV, the same whatever the windows', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const offered = ['--metric', 'nOffered', '--output', 'ndjson']
  const days = await permctl([...QUARTER, ...offered], { env })
  t.equal(days.code, 0, days.stderr)
  t.equal(simulator.requests.of(`POST ${PATH}`), 3)
  const rows = rowsOf(days.stdout)
  t.match(rows[0], { from: '2026-01-01T00:00:00.000Z', queue: /^S/, metric: 'nOffered' })
  t.ok(rows.every(({ metric }) => metric === 'nOffered'))
  const halfHours = await permctl([...QUARTER, ...offered, '--interval', 'PT30M'], { env })
  t.equal(total(rowsOf(halfHours.stdout)), total(rows))
  const csv = await permctl([...DAY, '-o', 'csv', '--queue', 'Support', queues.sales], { env })
  const [head, first = ''] = csv.stdout.split('\r\n')
  t.match(head, /^from,to,queue,queueId,mediaType,metric,qualifier,count,sum,min,max,ratio/)
  t.match(first, /^2026-01-05T00:00:00.000Z,2026-01-06T00:00:00.000Z,(Sales|Support),/)
  t.notMatch(csv.stdout, /Escalation/)
})

test('analytics queues: a table on a terminal', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  using terminal = permctlInTerminal([...DAY, '--metric', 'oServiceLevel'], { env, columns: 200 })
  t.equal(await terminal.exited, 0)
  t.match(terminal.shown(), /from +to +queue/)
  t.match(terminal.shown(), /oServiceLevel/)
})

test('analytics queues: who stops reading ends it, quietly', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const child = startPermctl([...QUARTER, '--interval', 'PT15M', '-o', 'ndjson'], { env })
  child.stdin.end()
  let told = ''
  child.stderr.on('data', (chunk: Buffer) => void (told += chunk.toString()))
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0)
  t.equal(told, '')
})

test('analytics queues: what breaks off tells how far it is complete, exit code 4', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const refusal = { kind: 'status', status: 403, after: 1, match: { path: PATH } } as const
  const whole = await permctl([...QUARTER, '--metric', 'nOffered', '-o', 'ndjson'], { env })
  for (const output of ['ndjson', 'csv']) {
    simulator.faults.clear()
    simulator.faults.add(refusal)
    const words = [...QUARTER, '--metric', 'nOffered', '-o', output]
    const { code, stdout, stderr } = await permctl(words, { env })
    t.equal(code, 4, stderr)
    const [, until = ''] = /complete up to (\S+): go on with --from \1/.exec(stderr) ?? []
    t.equal(until, '2026-02-01T00:00:00.000Z', stderr)
    const complete = rowsOf(whole.stdout).filter(({ from }) => from < until)
    const lines = stdout.trimEnd().split('\n').length
    t.equal(lines, output === 'csv' ? complete.length + 1 : complete.length, output)
  }
  simulator.faults.clear()
  simulator.faults.add({ ...refusal, after: 0 })
  t.equal((await permctl(QUARTER, { env })).code, 3, 'nothing was printed')
})

test('analytics queues: a metric that the platform does not have is 2', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const { code, stderr } = await permctl([...DAY, '--metric', 'nOfferred'], { env })
  t.equal(code, 2, stderr)
  t.match(stderr, /nOfferred/)
})

test('analytics queues: what cannot be asked is told, exit code 2', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const cases = [
    [[...DAY, '--queue', 'Suport'], /did you mean Support\?/],
    [[...DAY, '--interval', 'P1M'], /PT30M/],
    [['analytics', 'queues', '--from', '2026-01-01'], /--to/],
    [['analytics', 'queues', '--from', '2026-01-02', '--to', '2026-01-01'], /after from/],
    [['analytics', 'queues', '--from', 'monday', '--to', '2026-01-01'], /must be a date/],
    [[...DAY, '--metric', 'calls offered'], /such as nOffered/],
  ] as const
  for (const [words, told] of cases) {
    const { code, stderr } = await permctl(words, { env })
    t.equal(code, 2, stderr)
    t.match(stderr, told)
  }
  t.equal(simulator.requests.of(`POST ${PATH}`), 0)
})

test('auth: organisation, client and what each command lacks; 1 when it lacks anything', async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const full = await permctl(['auth'], { env })
  t.equal(full.code, 0, full.stderr)
  t.match(JSON.parse(full.stdout), {
    organization: { name: 'Small World' },
    clientId: DEFAULT_CLIENT.id,
    apiUrl: env['GENESYS_BASE_URL'],
  })
  await using poor = await startPlatform(clientWith('directory:user:view'))
  using terminal = permctlInTerminal(['auth'], { env: poor.env })
  t.equal(await terminal.exited, 1)
  t.match(terminal.shown(), /organisation +Small World/)
  t.match(terminal.shown(), /creating queues: routing:queue:add: MISSING/)
  t.match(terminal.shown(), /reading users: directory:user:view: yes/)
})

test('auth: credentials that are refused are 3, and shown nowhere', async (t) => {
  await using platform = await startPlatform()
  const env = { ...platform.env, GENESYS_CLIENT_SECRET: 'not-the-secret' }
  const { code, stdout, stderr } = await permctl(['auth'], { env })
  t.equal(code, 3)
  t.equal(stdout, '')
  t.match(stderr, /does not accept GENESYS_CLIENT_ID/)
  t.notMatch(stderr, /not-the-secret/)
})
