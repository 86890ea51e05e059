import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { buildExample } from '../../examples/protect-a-route.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { CHECK_KEY } from '../end-to-end/support/environment.ts'
import { startUnderTest } from '../end-to-end/support/service-under-test.ts'
import { readText } from '../operations/support/repository.ts'

const { users, divisions } = SMALL_WORLD

/** What the example answers a user whose decisions are asked for there with this key, and logs. */
async function ask(url: string, key: string, userId?: string) {
  const logged: string[] = []
  const stream = { write: (line: string) => void logged.push(line) }
  const app = buildExample({ url, key }, { logger: { level: 'warn', stream } })
  const headers = userId === undefined ? {} : { 'x-user-id': userId }
  const answer = await app.inject({ url: `/divisions/${divisions.sales}/queues`, headers })
  await app.close()
  return { status: answer.statusCode, logged: logged.join('') }
}

test('the example lets in who may, and nobody without a clear yes', async (t) => {
  await using context = await startUnderTest({ overrides: { maxEventLoopDelayMs: Infinity } })
  const { checkUrl } = context.service
  t.same(await ask(checkUrl, CHECK_KEY, users.alice), { status: 200, logged: '' })
  t.same(await ask(checkUrl, CHECK_KEY, users.erin), { status: 403, logged: '' })
  t.same(await ask(checkUrl, CHECK_KEY), { status: 401, logged: '' })
  const wrongKey = await ask(checkUrl, 'wrong', users.alice)
  t.equal(wrongKey.status, 503)
  t.match(wrongKey.logged, /the decision point answered 401/)
  const nobody = await ask('http://127.0.0.1:9', CHECK_KEY, users.alice)
  t.equal(nobody.status, 503)
  t.match(nobody.logged, /no decision can be had/)
  t.notMatch(wrongKey.logged + nobody.logged, CHECK_KEY)
})

test('the example asks below the path of its base, follows no redirect, and starts with no URL that is none', async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const moved = { location: '/tenant/access/v1/evaluation' }
    if (request.url?.startsWith('/tenant/')) response.end('{"decision":true}')
    else response.writeHead(307, moved).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const path of ['/tenant', '/tenant/']) {
    t.equal((await ask(base + path, CHECK_KEY, users.alice)).status, 200)
  }
  t.equal((await ask(base, CHECK_KEY, users.alice)).status, 503)
  t.same(asked, [...Array(2).fill('/tenant/access/v1/evaluation'), '/access/v1/evaluation'])
  for (const url of ['', '127.0.0.1:8080', 'ftp://pdp', 'pdp']) {
    t.throws(() => buildExample({ url, key: CHECK_KEY }), url)
  }
})

test('the README runs the example as the example says', (t) => {
  const commands = readText('examples/protect-a-route.ts')
    .split('\n')
    .filter((line) => line.startsWith(' *   '))
    .map((line) => line.slice(5).trim())
  t.equal(commands.length, 3)
  for (const command of commands) t.match(readText('README.md'), command)
  t.end()
})

/** What a block of the README sends, and what is shown below it. */
function readmeExample(): {
  headers: Record<string, string>
  path: string
  body: string
  shown: object
} {
  const [, request = '', shown = ''] =
    /^```http\n([\s\S]*?)^```$[\s\S]*?^```json\n([\s\S]*?)^```$/m.exec(readText('README.md')) ?? []
  const [head = '', body = ''] = request.split('\n\n')
  const [line = '', ...lines] = head.split('\n')
  const headers = Object.fromEntries(lines.map((each) => each.split(': ') as [string, string]))
  return { headers, path: line.split(' ')[1] ?? '', body, shown: JSON.parse(shown) as object }
}

test('the gateway of the README is answered as shown', async (t) => {
  const { headers, path, body, shown } = readmeExample()
  const { Host: _, Authorization: credentials = '', ...sent } = headers
  await using context = await startUnderTest({
    overrides: { maxEventLoopDelayMs: Infinity },
    env: {
      CHECK_API_KEYS: `app=${credentials.replace('Bearer ', '')}`,
      AUTHZEN_RESOURCE_TYPES: 'queue=routing:queue,feature=permission',
    },
  })
  t.match(readText('README.md'), context.env['AUTHZEN_RESOURCE_TYPES'])
  const response = await fetch(context.service.checkUrl + path, {
    method: 'POST',
    headers: { ...sent, Authorization: credentials },
    body,
  })
  t.equal(response.headers.get('x-request-id'), headers['X-Request-ID'])
  const answer = (await response.json()) as { context: { age: number } }
  answer.context.age = 0
  t.strictSame(answer, shown)
})
