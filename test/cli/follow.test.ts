import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import type { Env } from './support/permctl.ts'
import { sendJson, startStub } from './support/stub-server.ts'

const CSV = 'userId,operation,roleId,divisionId\na,grant,Agent,Sales\n'

function envOf(url: string): Env {
  return { PERMCTL_ADMIN_URL: url, PERMCTL_ADMIN_KEY: 'the-key' }
}

function rebuild(state: string): object {
  return {
    ...{ id: 'r1', state, requestedBy: 'root', allowShrink: false },
    ...{ progress: { done: 1, total: 4 }, startedAt: '2026-11-21T12:00:00.000Z' },
  }
}

function delivery(id: string, state: string): object {
  const createdAt = '2026-11-21T12:00:00.000Z'
  return { id, state, target: 'm', event: 'e', attempts: 3, createdAt }
}

function entry(userId: string): object {
  return {
    ...{ userId, userName: userId, blocked: false, divisions: [] },
    ...{ addedPermissions: [], removedPermissions: [], conditionalPermissions: [] },
  }
}

test('work goes on to be followed while the service is gone for a moment', async (t) => {
  const stub = await startStub(t, (request, response, count) => {
    if (request.method === 'POST') return sendJson(response, rebuild('running'), 202)
    if (count < 6) return sendJson(response, {}, 503)
    sendJson(response, rebuild('succeeded'))
  })
  const { code, stderr } = await permctl(['rebuild'], { env: envOf(stub.url) })
  t.equal(code, 0, stderr)
  t.ok(stub.seen.length >= 6)
})

test('a service that was started anew knows no rebuild: 3, and what comes of it', async (t) => {
  const stub = await startStub(t, (request, response, count) => {
    if (request.method === 'POST') return sendJson(response, rebuild('running'), 202)
    if (count < 4) return sendJson(response, rebuild('running'))
    const type = 'urn:genesys-permission-check:problem:not-found'
    sendJson(response, { type, detail: 'there is no rebuild r1', status: 404 }, 404)
  })
  const { code, stderr } = await permctl(['rebuild'], { env: envOf(stub.url) })
  t.equal(code, 3)
  t.match(stderr, /started anew while rebuild r1 ran.*it rebuilds at its start/)
  t.notMatch(stderr, /goes on in the service/)
  const never = await permctl(['rebuild', 'status', 'r1', '--wait'], { env: envOf(stub.url) })
  t.equal(never.code, 2, 'what was never there is another mistake')
})

test('retrying all that is dead tells what was done before it broke off', async (t) => {
  const items = ['a', 'b', 'c'].map((id) => delivery(id, 'dead'))
  let broken = /\/b\//
  const stub = await startStub(t, (request, response) => {
    const { url = '' } = request
    if (request.method === 'GET') return sendJson(response, { items })
    if (broken.test(url)) return sendJson(response, {}, 502)
    sendJson(response, delivery('a', 'pending'))
  })
  const words = ['deliveries', 'retry', '--all-dead']
  const part = await permctl(words, { env: envOf(stub.url) })
  t.equal(part.code, 4, part.stderr)
  t.match(JSON.parse(part.stdout), [{ id: 'a', state: 'pending' }])
  t.match(part.stderr, /^b: .*answered 502\n2 are left as they were/)
  t.notOk(stub.seen.some(({ path }) => path.includes('/c/')))
  broken = /./
  const none = await permctl(words, { env: envOf(stub.url) })
  t.equal(none.code, 3, 'nothing was done')
  t.equal(none.stdout, '')
})

test('what is no answer to a look ends the following, and says how to look again', async (t) => {
  const stub = await startStub(t, (request, response) => {
    sendJson(response, rebuild(request.method === 'POST' ? 'running' : 'on its way'), 202)
  })
  const { code, stderr } = await permctl(['rebuild'], { env: envOf(stub.url) })
  t.equal(code, 3)
  t.match(stderr, /says "on its way", which is not known/)
  t.match(stderr, /permctl rebuild status r1 --wait/)
})

test('a change is sent again only where it was surely not done', async (t) => {
  const limited = await startStub(t, (_request, response, count) => {
    if (count > 1) return sendJson(response, rebuild('succeeded'), 202)
    sendJson(response, {}, 429, { 'retry-after': '0' })
  })
  const words = ['rebuild', '--no-wait']
  t.equal((await permctl(words, { env: envOf(limited.url) })).code, 0)
  t.equal(limited.seen.length, 2)
  const busy = await startStub(t, (_request, response) => {
    sendJson(response, {}, 503, { 'retry-after': '0' })
  })
  t.equal((await permctl(words, { env: envOf(busy.url) })).code, 3)
  t.equal(busy.seen.length, 1)
})

test('a change with a key is sent again after a broken connection, under the same key', async (t) => {
  const stub = await startStub(t, (request, response, count) => {
    if (count === 1) request.socket.destroy()
    else sendJson(response, {}, 400)
  })
  const { code } = await permctl(['changes', 'apply', '-'], { env: envOf(stub.url), stdin: CSV })
  t.equal(code, 3)
  const keys = stub.seen.map(({ headers }) => headers['idempotency-key'])
  t.match(keys[0], /^permctl-[\w-]{43}$/)
  t.same(keys, [keys[0], keys[0]])
  const { stdout } = await permctl(['changes', 'apply', '-', '--comment', 'x'], {
    env: envOf(stub.url),
    stdin: CSV,
  })
  t.equal(stdout, '')
  t.not(stub.seen.at(-1)?.headers['idempotency-key'], keys[0], 'other options are another batch')
})

test('Ctrl-C at a question changes nothing', async (t) => {
  const counts = { pending: 0, applying: 0, applied: 0, unchanged: 0, failed: 0 }
  const batch = {
    ...{ id: 'b1', state: 'succeeded', progress: { done: 1, total: 1 }, requestedBy: 'root' },
    counts: { ...counts, 'skipped-conflict': 0, 'changed-meanwhile': 0, 'rolled-back': 0 },
    ...{ comment: '', createdAt: '2026-11-21T12:00:00.000Z', items: [] },
  }
  const methods = new Set<string | undefined>()
  const stub = await startStub(t, (request, response) => {
    methods.add(request.method)
    sendJson(response, batch)
  })
  using terminal = permctlInTerminal(['changes', 'rollback', 'b1'], { env: envOf(stub.url) })
  await terminal.until(/\[y\/N\]/)
  terminal.type('\u0003')
  t.equal(await terminal.exited, 130, terminal.shown())
  t.match(terminal.shown(), /interrupted: nothing is left half done/)
  t.same([...methods], ['GET'])
})

test('a report that breaks off is no whole: 3, and no file', async (t) => {
  const stub = await startStub(t, (request, response, count) => {
    const report = { id: 'r1', state: 'succeeded', progress: { done: 1, total: 1 } }
    if (request.method === 'POST' || count % 3 !== 0) return sendJson(response, report)
    response.writeHead(200, { 'content-type': 'text/csv', 'content-length': '100' })
    response.write('half of it\n', () => request.socket.destroy())
  })
  await using folder = await temporaryFolder()
  const words = ['audit', 'report', 'conflicts', '--format', 'csv']
  const { code, stdout, stderr } = await permctl(words, { env: envOf(stub.url) })
  t.equal(code, 3)
  t.equal(stdout, 'half of it\n')
  t.match(stderr, /cannot be reached \(UND_ERR_SOCKET\)/)
  const intoFile = await permctl([...words, '--out', 'report.csv'], {
    env: envOf(stub.url),
    folder: folder.path,
  })
  t.equal(intoFile.code, 3)
  t.same(await readdir(folder.path), [])
})

test('a simulation is read page after page, and never round in a circle', async (t) => {
  const radius = { users: 2, clients: 0, grantsAdded: 2, grantsRemoved: 0, permissions: 1 }
  const head = {
    ...{ revision: 7, conflicts: [], blockedUsers: 0, withoutEffect: [], keptThroughGroups: [] },
    blastRadius: { ...radius, orphanedPermissions: [] },
    ...{ lockouts: [], sunsets: [], sunsetsKnown: true, licences: [], truncated: false },
  }
  const pages: Readonly<Record<string, object>> = {
    '': { ...head, entries: [entry('a')], nextCursor: 'second' },
    second: { ...head, entries: [entry('b')] },
  }
  const stub = await startStub(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://stub')
    sendJson(response, pages[searchParams.get('cursor') ?? ''])
  })
  const words = ['changes', 'simulate', '-']
  const whole = await permctl(words, { env: envOf(stub.url), stdin: CSV })
  t.equal(whole.code, 1, whole.stderr)
  t.same(JSON.parse(whole.stdout), { ...head, entries: [entry('a'), entry('b')] })
  const circle = await startStub(t, (_request, response) => sendJson(response, pages['']))
  const broken = await permctl(words, { env: envOf(circle.url), stdin: CSV })
  t.equal(broken.code, 3)
  t.match(broken.stderr, /gave the same page twice/)
})
