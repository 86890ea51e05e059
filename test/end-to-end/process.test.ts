import { readdir, readFile, watch } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import type { Simulator } from '../../simulator/server.ts'
import type { Caller } from './support/caller.ts'
import { CHECK_KEY, environment, temporaryFolder } from './support/environment.ts'
import { startProgram, startServiceProcess } from './support/processes.ts'
import type { ServiceProcess } from './support/processes.ts'
import { startPlatform } from './support/service-under-test.ts'
import { crowdedWorld, outcomesOf, TELLING_QUESTIONS } from './support/two-organizations.ts'
import { until } from './support/until.ts'

const { users } = SMALL_WORLD
const VIEW = 'routing:queue:view'
const NODE = process.execPath
const HOLDERS = '/api/v2/authorization/roles/{roleId}/subjectgrants'

/** Nothing at all, half a head, and a head without its body. */
const STARTS_OF_REQUESTS = [
  '',
  'GET / HTTP/1.1\r\n',
  'POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n',
]

type Platform = { readonly simulator: Simulator; readonly env: Record<string, string> }

/** A simulator and a DATA_DIR, both gone with the test. */
async function platformFor(t: Test, world?: ReturnType<typeof crowdedWorld>): Promise<Platform> {
  const folder = await temporaryFolder()
  t.teardown(() => folder[Symbol.asyncDispose]())
  const simulator = await startPlatform(world ? { world } : {})
  t.teardown(() => simulator.close())
  return { simulator, env: environment(simulator.url, folder.path) }
}

/** The database and what is kept beside it. */
function isOfStore(name: string): boolean {
  return name === 'audit-head.json' || name.startsWith('genesys-permission-check.sqlite')
}

function nonEmptyLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

test('SIGTERM: what is in flight is finished, then it ends with 0', async (t) => {
  const { env } = await platformFor(t)
  await using service = await startServiceProcess(env)
  const { caller } = service
  await caller.untilReady()
  const body = JSON.stringify({ userId: users.alice, permissions: [VIEW] })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const inFlight = request(
    `${new URL(service.lines().find((l) => l.msg === 'listening')?.['check'] as string).origin}/api/v1/check-permissions`,
    {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${CHECK_KEY}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    },
  )
  inFlight.write(body.slice(0, 10))
  await once(inFlight, 'socket')
  t.equal(await caller.outcome({ userId: users.alice, permission: VIEW }), 'allowed')
  service.child.kill('SIGTERM')
  await until('it stops', () => service.lines().some(({ msg }) => msg === 'stopping'))
  inFlight.end(body.slice(10))
  const [response] = (await once(inFlight, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 200)
  response.resume()
  t.same(await service.exited, { code: 0, signal: null })
  t.equal(service.stderr(), '')
  t.equal(service.lines().at(-1)?.msg, 'stopped', 'every line is JSON')
})

test('SIGTERM ends the process also while connections say nothing, and begins no rebuild', async (t) => {
  const { env } = await platformFor(t)
  await using service = await startServiceProcess({ ...env, REBUILD_CRON: '* * * * * *' })
  await service.caller.untilReady()
  const ports = service.lines().find((line) => line.msg === 'listening')
  const sockets = ['check', 'admin'].flatMap((plane) => {
    const port = Number(new URL(String(ports?.[plane])).port)
    return STARTS_OF_REQUESTS.map((text) => {
      const socket = connect(port, '127.0.0.1', () => void socket.write(text))
      return socket.on('error', () => undefined)
    })
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  service.child.kill('SIGTERM')
  t.same(await service.exited, { code: 0, signal: null })
  const messages = service.lines().map((line) => line.msg)
  t.notOk(messages.slice(messages.indexOf('stopping')).includes('rebuild started'))
  for (const socket of sockets) socket.destroy()
})

test('SIGTERM while the platform hangs ends the process all the same', async (t) => {
  for (const path of ['/oauth/token', HOLDERS]) {
    const { simulator, env } = await platformFor(t)
    const hung = simulator.faults.add({ match: { path }, kind: 'hang' })
    await using service = await startServiceProcess(env)
    await until('the platform hangs', () => hung.applied > 0)
    t.equal((await service.caller.ready()).status, 503)
    service.child.kill('SIGTERM')
    t.same(await service.exited, { code: 0, signal: null }, path)
    t.equal(service.stderr(), '')
  }
})

test('what is missing or wrong is said in one line', async (t) => {
  const { env } = await platformFor(t)
  const { DATA_DIR = '' } = env
  const cases: readonly (readonly [string, Record<string, string>, readonly RegExp[]])[] = [
    [
      'nothing is set',
      {},
      [
        /GENESYS_CLIENT_ID is missing/,
        /GENESYS_CLIENT_SECRET is missing/,
        /CHECK_API_KEYS, ADMIN_API_KEYS or JWT_ISSUER/,
      ],
    ],
    [
      'much is wrong',
      { ...env, PORT: 'http', REBUILD_CRON: 'soon', LOG_LEVEL: 'loud', CHECK_API_KEYS: 'app=a b' },
      [/PORT must be/, /REBUILD_CRON is no/, /LOG_LEVEL must be/, /CHECK_API_KEYS: key 1/],
    ],
    [
      'the secret is wrong',
      { ...env, GENESYS_CLIENT_SECRET: 'not-the-secret' },
      [/the platform does not accept GENESYS_CLIENT_ID \/ GENESYS_CLIENT_SECRET/],
    ],
    [
      'DATA_DIR is a file',
      { ...env, DATA_DIR: join(import.meta.dirname, 'process.test.ts') },
      [/DATA_DIR \(.*\) cannot be written: EEXIST/],
    ],
  ]
  for (const [name, given, patterns] of cases) {
    await using program = startProgram([NODE, 'src/main.ts'], given)
    t.same(await program.exited, { code: 1, signal: null }, name)
    const lines = nonEmptyLines(program.stderr())
    t.equal(lines.length, 1, `one line: ${program.stderr()}`)
    for (const pattern of patterns) t.match(lines[0], pattern)
    t.notMatch(program.stderr() + program.stdout(), /\n {4}at |not-the-secret|a b/)
    for (const line of nonEmptyLines(program.stdout())) t.ok(JSON.parse(line))
  }
  const left = (await readdir(DATA_DIR)).filter((name) => !isOfStore(name))
  t.same(left, [], 'nothing but an empty database is left behind')
})

test('a second start on the same ports names the variables to change', async (t) => {
  const { env } = await platformFor(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  for (const [variable, host] of [
    ['PORT', 'HOST'],
    ['ADMIN_PORT', 'ADMIN_HOST'],
  ] as const) {
    await using second = startProgram([NODE, 'src/main.ts'], { ...env, [variable]: String(port) })
    t.same(await second.exited, { code: 1, signal: null })
    const expected = `cannot start: cannot listen on 127.0.0.1:${port} (EADDRINUSE): see ${host} and ${variable}\n`
    t.equal(second.stderr(), expected)
  }
})

/** What is answered, and that it is right; undefined while nothing may be served. */
async function soundRevision(
  t: Test,
  caller: Caller,
  expected: readonly string[],
): Promise<number | undefined> {
  const { status, body } = await caller.batch(TELLING_QUESTIONS)
  if (status === 503) return undefined
  type Result = { allowed: boolean; reason: string }
  const outcomes = body.results.map((each: Result) => (each.allowed ? 'allowed' : each.reason))
  t.same(outcomes, expected, `revision ${body.revision} is sound`)
  return body.revision
}

/** Kills while such a file is being written, or right after. */
async function killWhileWriting(
  { child, caller }: ServiceProcess,
  folder: string,
  wanted: RegExp,
): Promise<void> {
  const watching = new AbortController()
  // Again and again: what the start wrote may have been written before anybody watched.
  const asking = until('a file is written', async () => {
    const body = {}
    await caller.admin('/admin/v1/rebuilds', { body }).catch((error: unknown) => {
      if (!child.killed) throw error
    })
    return child.killed
  }).finally(() => watching.abort())
  const watched = (async () => {
    for await (const { filename } of watch(folder, { signal: watching.signal })) {
      if (wanted.test(filename ?? '')) break
    }
    child.kill('SIGKILL')
  })()
  await Promise.all([asking, watched])
}

test('SIGKILL at any moment leaves a sound snapshot or none, and no revision twice', async (t) => {
  const { simulator, env } = await platformFor(t, crowdedWorld())
  const { DATA_DIR = '' } = env
  const expected = outcomesOf(simulator.world)
  /** When the facts behind each revision were read: another time is another matrix. */
  const takenAt = new Map<number, string>()
  let highest = 0
  const look = async (caller: Caller): Promise<void> => {
    const { status, body } = await caller.ready()
    if (status !== 200) return
    const known = takenAt.get(body.revision)
    t.ok(known === undefined || known === body.takenAt, `revision ${body.revision} is one matrix`)
    takenAt.set(body.revision, body.takenAt)
    highest = Math.max(highest, body.revision)
  }
  for (let round = 0; round < 10; round++) {
    const before = highest
    const kept = (await readdir(DATA_DIR)).some((name) => name.endsWith('.snapshot'))
    await using service = await startServiceProcess(env)
    const restored = await soundRevision(t, service.caller, expected)
    if (restored === undefined) t.notOk(kept, 'a snapshot that is there serves at once')
    await look(service.caller)
    if (round % 2 === 0) {
      await killWhileWriting(service, DATA_DIR, round % 4 === 0 ? /snapshot.*tmp$/ : /tmp$/)
    } else {
      await until('a new revision is served', async () => {
        await look(service.caller)
        return highest > before
      })
      // Joins the one that runs, if any.
      await service.caller.admin('/admin/v1/rebuilds', { body: {} })
      await delay(Math.random() * 200)
      await look(service.caller)
      service.child.kill('SIGKILL')
    }
    t.match(await service.exited, { signal: 'SIGKILL' })
  }
  const before = highest
  await using service = await startServiceProcess(env)
  await until('the organisation is read', async () => {
    await look(service.caller)
    return highest > before
  })
  t.ok(await soundRevision(t, service.caller, expected))
})

test('two services on one DATA_DIR leave it sound', async (t) => {
  const { simulator, env } = await platformFor(t, crowdedWorld())
  const expected = outcomesOf(simulator.world)
  {
    await using first = await startServiceProcess(env)
    await using second = await startServiceProcess(env)
    for (const { caller } of [first, second]) await caller.untilReady()
    for (let round = 0; round < 5; round++) {
      const rebuilds = [first, second].map(({ caller }) => caller.rebuild())
      for (const { state } of await Promise.all(rebuilds)) t.equal(state, 'succeeded')
    }
    for (const service of [first, second]) {
      service.child.kill('SIGTERM')
      t.same(await service.exited, { code: 0, signal: null })
      const failed = service.lines().filter((line) => /not written|not be reserved/.test(line.msg))
      t.same(failed, [])
    }
  }
  const names = await readdir(env['DATA_DIR'] ?? '')
  t.same(
    names.filter((name) => name.endsWith('.tmp')),
    [],
  )
  simulator.faults.add({ match: { path: HOLDERS }, kind: 'hang' })
  await using third = await startServiceProcess(env)
  const revision = await soundRevision(t, third.caller, expected)
  t.ok(Number(revision) >= 6, `revision ${revision} is served`)
  t.notOk(third.lines().some((line) => line.msg === 'a snapshot is not used'))
})

test('a disk without room costs the snapshot, and nothing else', async (t) => {
  const { simulator, env } = await platformFor(t, crowdedWorld())
  const { DATA_DIR = '' } = env
  const expected = outcomesOf(simulator.world)
  {
    await using service = await startServiceProcess(env)
    await service.caller.untilReady()
    await until('the snapshot is written', async () => {
      return (await service.caller.metric('snapshot_writes_total{result="written"}')) === 1
    })
  }
  const snapshot = (await readdir(DATA_DIR)).find((name) => name.endsWith('.snapshot')) ?? ''
  const written = await readFile(join(DATA_DIR, snapshot))
  t.ok(written.length > 8 * 1024, 'it is longer than the limit')
  {
    const limited = ['bash', '-c', `ulimit -f 8; exec "${NODE}" src/main.ts`]
    await using service = await startServiceProcess(env, limited)
    const { caller } = service
    await until('a new matrix is served', async () => (await caller.ready()).body.revision === 2)
    await until('a write has failed', async () => {
      return (await caller.metric('snapshot_writes_total{result="failed"}')) > 0
    })
    const refused = await caller.admin('/admin/v1/rebuilds', { body: {} })
    t.match([refused.status, refused.body.type], [503, /:store-unavailable$/])
    t.equal(await soundRevision(t, caller, expected), 2, 'checks go on')
    const told = await until('it is logged', () =>
      service.lines().find((line) => line.msg === 'the snapshot was not written'),
    )
    t.match(told, { level: 50, revision: 2, err: { message: /EFBIG/ } })
    service.child.kill('SIGTERM')
    t.same(await service.exited, { code: 0, signal: null })
  }
  const left = (await readdir(DATA_DIR)).filter((name) => !isOfStore(name) && name !== 'archive')
  t.same(left.toSorted(), [snapshot, 'revision'], 'no torn file is left')
  simulator.faults.add({ match: { path: HOLDERS }, kind: 'hang' })
  await using service = await startServiceProcess(env)
  t.equal(await soundRevision(t, service.caller, expected), 1, 'the sound one serves')
})

test('the demo prints curls that work, receives their events, and leaves nothing behind', async (t) => {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8'))
  t.equal(scripts.demo, 'node simulator/demo.ts')
  await using folder = await temporaryFolder()
  const env = { DEMO_USERS: '50', PORT: '0', ADMIN_PORT: '0', TMPDIR: folder.path }
  await using demo = startProgram([NODE, 'simulator/demo.ts'], env)
  const text = await until('the demo is ready', () => {
    return /The demo is ready\.[^]*Ctrl-C/.test(demo.stdout()) && demo.stdout()
  })
  t.ok((await readdir(folder.path)).length > 0)
  const curls = [...text.matchAll(/curl -s -H 'authorization: (\S+ \S+)' '(\S+)'/g)]
  t.equal(curls.length, 2)
  for (const [, authorization = '', url = ''] of curls) {
    // 503: its event loop was late.
    const response = await until('the demo has time', async () => {
      const answer = await fetch(url, { headers: { authorization } })
      return answer.status !== 503 && answer
    })
    t.equal(response.status, 200)
    t.match(await response.json(), { allowed: true })
  }
  const posts = text.matchAll(/curl -s -H '(\S+): (.+)' -H '(\S+): (.+)' '(\S+)' -d '(.+)'/g)
  const answers: { readonly status: number; readonly body: unknown }[] = []
  for (const posted of posts) {
    const [, name = '', authorization = '', type = '', json = '', url = '', body = ''] = posted
    const headers = { [name]: authorization, [type]: json }
    const response = await until('the demo has time', async () => {
      const answer = await fetch(url, { method: 'POST', headers, body })
      return answer.status !== 503 && answer
    })
    answers.push({ status: response.status, body: await response.json() })
  }
  t.match(answers, [
    {
      status: 200,
      body: {
        entries: [{ addedPermissions: [], removedPermissions: [/./] }],
        blastRadius: { users: 1 },
      },
    },
    { status: 200, body: { valid: false, errors: [{ suggestion: '8.8.8.0/24' }] } },
    { status: 201, body: { allowlistId: String } },
    { status: 201, body: { environmentId: String, warnings: { length: 0 } } },
  ])
  for (const event of ['callback: ALLOWLIST_CREATED', 'monitoring: environment.created']) {
    const line = new RegExp(`^event for ${event} .* \\(signature verified\\)$`, 'm')
    await until(`${event} arrives`, () => line.test(demo.stdout()))
  }
  const [, docs = ''] = /(\S+\/docs)/.exec(text) ?? []
  const [, adminKey = ''] = /admin plane\s+\S+\s+key (\S+)/.exec(text) ?? []
  const basic = `Basic ${Buffer.from(`anyone:${adminKey}`).toString('base64')}`
  t.equal((await fetch(docs, { headers: { authorization: basic } })).status, 200)
  demo.child.kill('SIGTERM')
  t.same(await demo.exited, { code: 0, signal: null })
  t.equal(demo.stderr(), '')
  t.same(await readdir(folder.path), [])
  t.notMatch(text, DEFAULT_CLIENT.secret)
})
