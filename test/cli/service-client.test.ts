import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { permctl, permctlInTerminal, startPermctl } from './support/permctl.ts'
import type { Env } from './support/permctl.ts'
import { sendJson, startStub } from './support/stub-server.ts'
import { until } from '../end-to-end/support/until.ts'

const CHECK = ['check', 'some-id', 'routing:queue:view']
const ESCAPE = '\u001b'
const BOLD_NAME = `${ESCAPE}[1mname`
const ALLOWED = { revision: 1, results: [{ allowed: true }] }

function envOf(url: string, more: Env = {}): { env: Env } {
  return { env: { PERMCTL_CHECK_URL: url, PERMCTL_CHECK_KEY: 'the-key', ...more } }
}

function holder(name: string): object {
  return {
    ...{ id: name, kind: 'user', name, email: '', state: 'active', conditional: false },
    sources: [],
  }
}

test('a read that meets a busy service is asked again, a few times', async (t) => {
  const once = await startStub(t, (_request, response, count) => {
    if (count > 1) return sendJson(response, ALLOWED)
    const type = 'urn:genesys-permission-check:problem:rate-limited'
    sendJson(response, { type, status: 429 }, 429, { 'retry-after': '0' })
  })
  t.equal((await permctl(CHECK, envOf(once.url))).code, 0)
  t.equal(once.seen.length, 2)
  const ids = once.seen.map(({ headers }) => headers['x-request-id'])
  t.match(ids[0], /^permctl-[\w-]{12}$/)

  const always = await startStub(t, (_request, response) => {
    sendJson(response, 'busy', 503, { 'retry-after': '0' })
  })
  t.equal((await permctl(CHECK, envOf(always.url))).code, 3)
  t.equal(always.seen.length, 3)

  const later = await startStub(t, (_request, response) => {
    sendJson(response, {}, 503, { 'retry-after': '3600' })
  })
  t.equal((await permctl(CHECK, envOf(later.url))).code, 3)
  t.equal(later.seen.length, 1, 'nobody is kept waiting for an hour')
})

test('many users are looked up beside each other, as a rate has room', async (t) => {
  const waiting: (() => void)[] = []
  const refused = new Map<string, number>()
  const stub = await startStub(t, (request, response) => {
    if (request.method === 'POST') {
      const results = Array.from({ length: 12 }, () => ({ allowed: true }))
      return sendJson(response, { revision: 1, results })
    }
    const email = new URL(request.url ?? '', 'http://stub').searchParams.get('q') ?? ''
    const times = refused.get(email) ?? 0
    refused.set(email, times + 1)
    // More often than a read that fails is repeated.
    if (email === 'u0@small.example' && times < 5) {
      return sendJson(response, {}, 429, { 'retry-after': '0' })
    }
    // Each is answered once another one waits beside it.
    waiting.push(() => {
      sendJson(response, { items: [{ id: email, kind: 'user', email, state: 'active' }] })
    })
    if (waiting.length > 1) for (const answer of waiting.splice(0)) answer()
  })
  const lines = Array.from({ length: 12 }, (_, index) => `u${index}@small.example,x:y:z\n`)
  const { code, stderr } = await permctl(['check', '--file', '-'], {
    stdin: `user,permission\n${lines.join('')}`,
    ...envOf(stub.url, { PERMCTL_ADMIN_URL: stub.url, PERMCTL_ADMIN_KEY: 'the-key' }),
  })
  t.equal(code, 0, stderr)
  t.equal(refused.get('u0@small.example'), 6)
})

test('a connection that ends under a read is made again', async (t) => {
  const stub = await startStub(t, (request, response, count) => {
    if (count === 1) request.socket.destroy()
    else sendJson(response, ALLOWED)
  })
  t.equal((await permctl(CHECK, envOf(stub.url))).code, 0)
})

test('what cannot be relied on is 3 and names the place', async (t) => {
  const answers: readonly (readonly [unknown, RegExp])[] = [
    [
      { revision: 1 },
      /the answer to POST \/api\/v1\/check-permissions came without a usable "results"/,
    ],
    [{ results: [] }, /gave 0 results for 1 checks/],
    [{ results: [{ allowed: 'yes' }] }, /without a usable "allowed"/],
    [[], /came with no object/],
  ]
  for (const [body, words] of answers) {
    const stub = await startStub(t, (_request, response) => sendJson(response, body))
    const { code, stdout, stderr } = await permctl(CHECK, envOf(stub.url))
    t.equal(code, 3)
    t.equal(stdout, '')
    t.match(stderr, words)
  }
  const page = await startStub(t, (_request, response) => {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>the-key</h1>')
  })
  const { code, stderr } = await permctl(CHECK, envOf(page.url))
  t.equal(code, 3)
  t.match(stderr, /answered 502/)
  t.notMatch(stderr, /the-key/)
})

test('what is wrong with a request is 2, field by field', async (t) => {
  const stub = await startStub(t, (_request, response) => {
    const errors = [{ field: 'checks/0/userId', message: 'is odd', suggestion: 'another' }]
    const type = 'urn:genesys-permission-check:problem:invalid'
    sendJson(response, { type, title: 'Malformed', detail: 'no', status: 400, errors }, 400)
  })
  const { code, stderr } = await permctl(CHECK, envOf(stub.url))
  t.equal(code, 2)
  t.match(stderr, /^error: no\n {2}checks\/0\/userId: is odd; try another\n {2}request id permctl-/)
})

test('an error answer of any shape is told, and never ends with 1', async (t) => {
  const bodies: readonly unknown[] = [
    { errors: [null], upstream: null },
    { errors: [{ field: 5, message: {} }, 'x', { field: 'user', message: 'm'.repeat(5_000) }] },
    { upstream: { status: 'x', correlationId: {} }, detail: {}, title: 'T'.repeat(5_000) },
    { upstream: 'x', errors: 'x', type: {}, field: {}, retryAfterSeconds: {} },
    null,
    [[null]],
  ]
  for (const body of bodies) {
    const stub = await startStub(t, (_request, response) => sendJson(response, body, 502))
    for (const more of [[], ['-o', 'json']]) {
      const { code, stdout, stderr } = await permctl([...CHECK, ...more], envOf(stub.url))
      t.equal(code, 3, JSON.stringify(body))
      t.equal(stdout, '')
      t.match(stderr, more.length === 0 ? /^error: / : /^\{"error":/)
      t.notMatch(stderr, /TypeError|permctl itself/)
      t.ok(stderr.length < 2_500, 'bounded')
    }
  }
})

test('an address that is not the plane is told with what to look at', async (t) => {
  type Answer = readonly [number, Readonly<Record<string, string>>, string, RegExp]
  const problem = { type: 'urn:genesys-permission-check:problem:not-found', status: 404 }
  const noPath = JSON.stringify({ ...problem, detail: 'there is no such path' })
  const json = { 'content-type': 'application/problem+json' }
  const html = { 'content-type': 'text/html; charset=utf-8' }
  const answers: readonly Answer[] = [
    [404, json, noPath, /is PERMCTL_CHECK_URL the URL of the check plane, not of the admin plane/],
    [405, json, '{}', /is PERMCTL_CHECK_URL the URL of the check plane/],
    [
      302,
      { location: 'https://login.example/' },
      '',
      /leads to https:\/\/login\.example\/.*set PERM/,
    ],
    [200, html, '<h1>Sign in</h1>', /text\/html.*does PERMCTL_CHECK_URL lead to the service/],
    [504, html, '<h1>Late</h1>', /answered 504/],
    [
      400,
      html,
      'The plain HTTP request was sent to HTTPS port',
      /is it https\? Look at PERMCTL_CHE/,
    ],
  ]
  for (const [status, headers, body, words] of answers) {
    const stub = await startStub(t, (_request, response) => {
      response.writeHead(status, headers).end(body)
    })
    const { code, stderr } = await permctl(CHECK, envOf(stub.url))
    t.equal(code, 3, stderr)
    t.match(stderr, words)
  }
  const plain = await startStub(t, (_request, response) => sendJson(response, ALLOWED))
  const { code, stderr } = await permctl(CHECK, envOf(plain.url.replace('http:', 'https:')))
  t.equal(code, 3)
  t.match(stderr, /speaks no TLS: is PERMCTL_CHECK_URL http, not https\?/)
})

test('a failure of the platform comes with its correlation id', async (t) => {
  const stub = await startStub(t, (_request, response) => {
    const upstream = { status: 403, code: 'missing.permission', correlationId: 'c0ffee' }
    const type = 'urn:genesys-permission-check:problem:upstream-refused'
    sendJson(response, { type, title: 'Refused', status: 502, upstream }, 502)
  })
  const { code, stderr } = await permctl(CHECK, envOf(stub.url))
  t.equal(code, 3)
  t.match(stderr, /platform: 403 missing\.permission, correlation id c0ffee/)
})

test('a listing that goes round is refused, and leaves no whole document', async (t) => {
  const stub = await startStub(t, (_request, response) => {
    sendJson(response, { revision: 1, items: [holder('a')], nextCursor: 'same' })
  })
  const { code, stdout, stderr } = await permctl(['who-can', 'x'], envOf(stub.url))
  t.equal(code, 3)
  t.match(stderr, /gave the same page twice/)
  t.throws(() => JSON.parse(stdout) as unknown)
})

test('an answer that does not come ends with the timeout', async (t) => {
  const stub = await startStub(t, () => undefined)
  const { code, stderr } = await permctl([...CHECK, '--timeout', '1'], envOf(stub.url))
  t.equal(code, 3)
  t.match(stderr, /gave no answer within 1 s \(--timeout\)/)
})

/** A listing without an end. */
function endless(response: Parameters<typeof sendJson>[0], count: number): void {
  const items = Array.from({ length: 500 }, (_, index) => holder(`user ${count} ${index}`))
  sendJson(response, { revision: 1, items, nextCursor: `page-${count}` })
}

test('a reader that goes away ends a listing quietly', async (t) => {
  const stub = await startStub(t, (_request, response, count) => endless(response, count))
  for (const format of ['json', 'ndjson', 'csv', 'table']) {
    const child = startPermctl(['who-can', 'x', '-o', format], envOf(stub.url))
    t.teardown(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    t.equal(code, 0, format)
    t.equal(stderr, '', format)
  }
})

test('check --file decides to the end though nobody reads any longer', async (t) => {
  for (const allowed of [false, true]) {
    const stub = await startStub(t, (_request, response, count) => {
      const results = Array.from({ length: 1_000 }, (_, index) => {
        return { allowed: allowed || count < 4 || index < 999 }
      })
      sendJson(response, { revision: 1, results })
    })
    const words = ['check', '--file', '-', '-o', 'ndjson']
    const child = startPermctl(words, envOf(stub.url))
    t.teardown(() => child.kill('SIGKILL'))
    child.stdin.end(`user,permission\n${'some-id,routing:queue:view\n'.repeat(4_000)}`)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    t.equal(code, allowed ? 0 : 1, stderr)
    t.equal(stub.seen.length, 4)
  }
})

test('a slow reader is waited for', async (t) => {
  const stub = await startStub(t, (_request, response, count) => endless(response, count))
  const child = startPermctl(['who-can', 'x', '-o', 'ndjson'], envOf(stub.url))
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'readable')
  let pages = 0
  await until('no more pages are asked for', () => {
    const before = pages
    pages = stub.seen.length
    return pages > 0 && before === pages
  })
  t.ok(pages < 100, `${pages} pages`)
})

test('Ctrl-C ends what waits, with 130, and says that nothing is half done', async (t) => {
  const stub = await startStub(t, () => undefined)
  using terminal = permctlInTerminal(CHECK, envOf(stub.url))
  await until('the request is under way', () => stub.seen.length > 0)
  terminal.type('\u0003')
  t.equal(await terminal.exited, 130)
  t.match(terminal.shown(), /interrupted: nothing is left half done: run the command again/)

  const child = startPermctl(CHECK, envOf(stub.url))
  t.teardown(() => child.kill('SIGKILL'))
  await until('the request is under way', () => stub.seen.length > 1)
  child.kill('SIGTERM')
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 143)
})

test('colours: on a terminal, unless NO_COLOR; in a pipe with FORCE_COLOR', async (t) => {
  const stub = await startStub(t, (_request, response) => {
    sendJson(response, { revision: 1, items: [holder('a')] })
  })
  const words = ['who-can', 'x', '--output', 'table']
  using coloured = permctlInTerminal(words, envOf(stub.url))
  t.equal(await coloured.exited, 0)
  t.ok(coloured.raw().includes(BOLD_NAME))
  using plain = permctlInTerminal(words, envOf(stub.url, { NO_COLOR: '1' }))
  t.equal(await plain.exited, 0)
  t.notOk(plain.raw().includes(ESCAPE))
  t.notOk((await permctl(words, envOf(stub.url))).stdout.includes(ESCAPE))
  const forced = await permctl(words, envOf(stub.url, { FORCE_COLOR: '1' }))
  t.ok(forced.stdout.includes(BOLD_NAME))
})
