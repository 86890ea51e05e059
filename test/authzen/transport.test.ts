import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:tls'
import t, { test } from 'tap'
import { Failure } from '../../src/domain/failure.ts'
import { readConfig } from '../../src/config.ts'
import { createService } from '../../src/service.ts'
import { CHECK_KEY } from '../end-to-end/support/environment.ts'
import { until } from '../end-to-end/support/until.ts'
import { CHECK_SECRET } from '../http/support/planes.ts'
import { DIVISIONS, USERS } from '../http/support/organization.ts'
import { makeCertificate, trustedPair } from './support/certificate.ts'
import { startDecisionPoint } from './support/decision-point.ts'
import { startTlsPlane } from './support/tls-plane.ts'

/** Authorization API 1.0: 10 Transport, and of 11 Security Considerations what concerns it. */

const point = await startDecisionPoint()
t.teardown(() => point[Symbol.asyncDispose]())

const QUESTION = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'record', id: 'record-1' },
}
const PATHS = ['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action']

test('10.1 HTTPS JSON Binding: POST and application/json, on every path', async (t) => {
  t.match(point.service.checkUrl, /^https:/)
  for (const path of PATHS) {
    const good = await point.ask(path, QUESTION)
    t.equal(good.status, 200, good.text)
    t.match(good.headers.get('content-type'), /^application\/json/)
    const utf8 = { 'content-type': 'application/json; charset=utf-8' }
    t.equal((await point.ask(path, QUESTION, utf8)).status, 200)
    const get = await point.get(`/access/v1/${path}`, { authorization: `Bearer ${CHECK_KEY}` })
    t.equal(get.status, 405)
    t.match(get.headers.get('content-type'), /^text\/plain/)
  }
})

test('10.1.2 Error Responses: a message for each, 400 for whatever is wrong with the body', async (t) => {
  for (const path of PATHS) {
    for (const type of ['application/xml', 'text/plain', 'text/json', 'application/jsonx']) {
      const { status, text } = await point.ask(path, QUESTION, { 'content-type': type })
      t.equal(status, 400, `${path} ${type}`)
      t.match(text, /application\/json/)
    }
    for (const body of ['', ' ', '{', 'null', '[]', '{}', '"text"', '{"subject":{}}']) {
      const { status, text, headers } = await point.ask(path, body)
      t.equal(status, 400, `${path} ${body}`)
      t.match(headers.get('content-type'), /^text\/plain/)
      t.ok(text.length > 0 && !text.startsWith('{'), text)
    }
  }
  const { status, text } = await point.get('/access/v1/nothing')
  t.equal(status, 404)
  t.equal(text, 'there is no such path')
})

test('10.1.2 Error Responses: 503 while no matrix may be asked, never a decision', async (t) => {
  const { post, served } = await startTlsPlane(t)
  const body = {
    subject: { type: 'user', id: USERS.ada },
    action: { name: 'view' },
    resource: { type: 'routing:queue', id: DIVISIONS.sales },
  }
  for (const path of PATHS) {
    t.equal((await post(`/access/v1/${path}`, body)).statusCode, 200)
    const later = await post(`/access/v1/${path}`, body, { 'x-minimum-revision': '8' })
    t.equal(later.statusCode, 503)
  }
  served.refusal = new Failure('not-ready', 'no matrix yet')
  for (const path of PATHS) {
    const answer = await post(`/access/v1/${path}`, body)
    t.equal(answer.statusCode, 503)
    t.equal(answer.body, 'no matrix yet')
    t.ok(answer.headers['retry-after'])
  }
})

test('10.1.3 Request Identification: the same id comes back, on decisions and errors', async (t) => {
  for (const path of PATHS) {
    for (const body of [QUESTION, {}]) {
      const { headers } = await point.ask(path, body, { 'x-request-id': 'bfe9eb29-ab87-4ca3' })
      t.equal(headers.get('x-request-id'), 'bfe9eb29-ab87-4ca3')
    }
  }
})

const CLAUSE_IDS = [
  'bfe9eb29-ab87-4ca3',
  'a b  "c" {d}; e=f, g',
  '~'.repeat(1_024),
  'x'.repeat(129),
]

test('10.1.3 Request Identification: any text of printable ASCII comes back as it is', async (t) => {
  for (const path of PATHS) {
    for (const id of CLAUSE_IDS) {
      const { headers, status } = await point.ask(path, QUESTION, { 'x-request-id': id })
      t.equal(status, 200)
      t.equal(headers.get('x-request-id'), id)
    }
    for (const id of ['y'.repeat(1_025), 'caf\u00e9']) {
      const { headers } = await point.ask(path, QUESTION, { 'x-request-id': id })
      t.match(headers.get('x-request-id'), /^[\w-]{12,40}$/, 'else there is a new one')
    }
  }
  const { headers } = await point.get('/health/live', { 'x-request-id': 'a b' })
  t.not(headers.get('x-request-id'), 'a b', 'elsewhere ids have no spaces')
})

test('11.2, 11.3 Sender Authentication: 401 with a challenge, 403 without the scope', async (t) => {
  for (const path of PATHS) {
    for (const authorization of ['', 'Bearer wrong', 'Basic YTpi']) {
      const answer = await point.ask(path, QUESTION, { authorization })
      t.equal(answer.status, 401, authorization)
      t.match(answer.headers.get('www-authenticate'), /^Bearer realm="[^"]+"/)
      t.match(answer.headers.get('content-type'), /^text\/plain/)
    }
  }
  const { post } = await startTlsPlane(t, {
    auth: { authenticate: () => ({ name: 'other', scopes: new Set(['metrics'] as const) }) },
  })
  const refused = await post('/access/v1/evaluation', QUESTION)
  t.equal(refused.statusCode, 403)
  t.match(refused.body, /scope check/)
})

test('11.7 Availability: rate and size are bounded', async (t) => {
  const { post } = await startTlsPlane(t, { rateLimit: 1 })
  const statuses = []
  for (let i = 0; i < 3; i++)
    statuses.push((await post('/access/v1/evaluation', QUESTION)).statusCode)
  t.ok(statuses.includes(429))
  const { url } = await startTlsPlane(t)
  const chunked = await fetch(`${url}/access/v1/evaluation`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CHECK_SECRET}`, 'content-type': 'application/json' },
    body: new Blob(['{"a":"', 'x'.repeat(70_000), '"}']).stream(),
    duplex: 'half',
  })
  t.equal(chunked.status, 413, 'also of a body that does not say how long it is')
})

test('10.1 HTTPS JSON Binding: a body may come in pieces', async (t) => {
  const { url } = await startTlsPlane(t)
  const { port } = new URL(url)
  const { cert: ca } = await trustedPair()
  const body = Buffer.from(JSON.stringify({ ...QUESTION, context: { name: 'Zoë' } }))
  const half = body.indexOf(0xc3) + 1
  for (const headers of [{ 'content-length': body.length }, {}]) {
    for (const type of ['application/json', 'application/json; charset=utf-8']) {
      const asked = httpsRequest({
        ...{ host: '127.0.0.1', port, ca, method: 'POST', path: '/access/v1/evaluation' },
        headers: { ...headers, authorization: `Bearer ${CHECK_SECRET}`, 'content-type': type },
      })
      asked.write(body.subarray(0, half))
      await once(asked, 'socket')
      asked.end(body.subarray(half))
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      t.equal(response.statusCode, 200)
      response.resume()
    }
  }
})

test('6, 7, 8: decisions are counted and timed as checks are, and unknown users read', async (t) => {
  const { post, record } = await startTlsPlane(t)
  const subject = { type: 'user', id: USERS.nobody }
  const body = {
    subject,
    action: { name: 'view' },
    resource: { type: 'routing:queue', id: DIVISIONS.sales },
  }
  await post('/access/v1/evaluation', body)
  await post('/access/v1/evaluations', {
    ...body,
    evaluations: [{ subject: { type: 'user', id: USERS.ada } }, {}],
  })
  t.same(record.decided, ['unknown_user', 'allowed', 'unknown_user'])
  t.equal(record.took, 2)
  t.same(record.answered, ['check 200', 'check 200'])
  await post('/access/v1/search/resource', body)
  t.same(new Set(record.unknown), new Set([USERS.nobody]), 'an unknown user is read')
  record.unknown.length = 0
  await post('/access/v1/evaluation', { ...body, subject: { type: 'spaceship', id: USERS.nobody } })
  await post('/access/v1/evaluation', { ...body, subject: { type: 'client', id: USERS.ada } })
  t.same(record.unknown, [], 'but nobody of a type that there is not')
  for (const path of ['evaluation', 'search/resource']) {
    await post(`/access/v1/${path}`, { ...body, subject: { type: 'client', id: USERS.nobody } })
  }
  t.same(record.unknown, [], 'and no client: those are never read by themselves')
})

/** The certificate that the listener shows to a new connection. */
async function shownCertificate(): Promise<string> {
  const { port } = new URL(point.service.checkUrl)
  const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

async function logged(message: RegExp, since: number): Promise<void> {
  await until(`it is logged: ${message}`, () => {
    return point.lines.slice(since).some((line) => message.test(line.msg))
  })
}

async function replace(cert: string, key: string): Promise<void> {
  await writeFile(point.files.cert, cert)
  await writeFile(point.files.key, key)
}

test('11.1 Communication Integrity: TLS, whose certificate is exchanged without a restart', async (t) => {
  t.equal(await shownCertificate(), 'localhost')
  const plain = await fetch(point.service.checkUrl.replace('https', 'http')).catch(() => undefined)
  t.not(plain?.status, 200, 'and nothing else')
  t.notOk(
    point.lines.some(({ msg }) => /the certificate (was|is|has)/.test(msg)),
    'nothing is told of a start like any other',
  )
  const [broken, next] = [await makeCertificate('broken'), await makeCertificate('next')]
  const oldKey = await readFile(point.files.key, 'utf8')
  let since = point.lines.length
  await replace(broken.cert, oldKey)
  await logged(/the certificate is not used/, since)
  t.equal(await shownCertificate(), 'localhost', 'a broken pair leaves the old one in use')
  t.notMatch(JSON.stringify(point.lines), /PRIVATE KEY/)
  since = point.lines.length
  await replace(next.cert, next.key)
  await logged(/the certificate was read again/, since)
  t.equal(await shownCertificate(), 'next')
})

test('11.1 Communication Integrity: a pair that does not belong together, or cannot be read, ends the start', async (t) => {
  const other = await makeCertificate('other')
  const { files, env } = point
  for (const [variables, message] of [
    [{ TLS_KEY_FILE: files.signingKey }, /TLS_CERT_FILE and TLS_KEY_FILE are no certificate/],
    [{ TLS_CERT_FILE: `${files.cert}.none` }, /TLS_CERT_FILE cannot be read \(ENOENT\)/],
  ] as const) {
    await writeFile(files.cert, other.cert)
    const config = readConfig({ ...env, DATA_DIR: `${env['DATA_DIR']}/other`, ...variables })
    const failed = await createService(config).catch((error: unknown) => error)
    t.match(failed, { code: 'invalid', message })
  }
  for (const alone of ['TLS_CERT_FILE', 'TLS_KEY_FILE']) {
    const half = { ...env, [alone]: '' }
    t.throws(() => readConfig(half), {
      message: /TLS_CERT_FILE and TLS_KEY_FILE must be set together/,
    })
  }
})

test('5.2, 5.3: the configuration names the entry that is no name of a type or an action', (t) => {
  const { env } = point
  const faulty = [
    ...[['queue'], ['queue='], ['queue=a:b:c'], ['=a:b'], ['q=a:b,q=c:d', 'q'], ['q=flat']],
    ...[['q/=a:b:c'], ['/x=a:b:c'], ['q/x=a:b:'], ['q/x=a:b:c:d'], ['q/x=a:b:c,q/x=a:b:d', 'q/x']],
  ]
  for (const [types = '', named = types] of faulty) {
    const read = () => readConfig({ ...env, AUTHZEN_RESOURCE_TYPES: types })
    const message = `AUTHZEN_RESOURCE_TYPES cannot be read: ${named} is `
    t.throws(read, { message }, types)
  }
  const given = ' q=a:b , r=c:d,q/GET=a:b:view,https://x/y/PUT=a:b:edit,'
  const { resourceTypes } = readConfig({ ...env, AUTHZEN_RESOURCE_TYPES: given }).authzen
  t.same([...resourceTypes.keys()], ['q', 'r', 'https://x/y'])
  t.same([...(resourceTypes.get('https://x/y')?.actions ?? [])], [['PUT', 'a:b:edit']])
  t.end()
})
