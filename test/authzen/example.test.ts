import { test } from 'tap'
import { buildExample } from '../../examples/protect-a-route.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { CHECK_KEY } from '../end-to-end/support/environment.ts'
import { startUnderTest } from '../end-to-end/support/service-under-test.ts'
import { readText } from '../operations/support/repository.ts'

const { users, divisions } = SMALL_WORLD

/** What the example answers a user whose decisions are asked for there with this key. */
async function status(url: string, key: string, userId?: string): Promise<number> {
  const app = buildExample({ url, key })
  const headers = userId === undefined ? {} : { 'x-user-id': userId }
  const answer = await app.inject({ url: `/divisions/${divisions.sales}/queues`, headers })
  await app.close()
  return answer.statusCode
}

test('the example lets in who may, and nobody without a clear yes', async (t) => {
  await using context = await startUnderTest()
  const { checkUrl } = context.service
  t.equal(await status(checkUrl, CHECK_KEY, users.alice), 200)
  t.equal(await status(checkUrl, CHECK_KEY, users.erin), 403)
  t.equal(await status(checkUrl, CHECK_KEY), 401)
  t.equal(await status(checkUrl, 'wrong', users.alice), 503)
  t.equal(await status('http://127.0.0.1:9', CHECK_KEY, users.alice), 503)
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
