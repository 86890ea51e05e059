import { test } from 'tap'
import { createPageTokens } from '../../src/http/authzen/page-token.ts'
import { DIVISIONS, FACTS, matrixOf } from '../http/support/organization.ts'
import { startCheckPlane } from '../http/support/planes.ts'

/** Authorization API 1.0, 8.2: what becomes of page tokens with time. */

const PLACE = { revision: 7, position: 3, limit: 10 }
const WHO = {
  subject: { type: 'user' },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: DIVISIONS.sales },
}

test('8.2 Pagination: a token is good for fifteen minutes', (t) => {
  let now = 1_000_000
  const tokens = createPageTokens(() => now)
  const token = tokens.write(PLACE, ['question'])
  now += 15 * 60_000
  t.same(tokens.read(token, ['question']), PLACE)
  now += 1
  t.throws(() => tokens.read(token, ['question']), { code: 'invalid', message: /has expired/ })
  t.end()
})

test('8.2 Pagination: a token of the process before a restart has expired', (t) => {
  const token = createPageTokens().write(PLACE, [])
  t.throws(() => createPageTokens().read(token, []), { code: 'invalid', message: /has expired/ })
  t.end()
})

test('8.2 Pagination: a token whose revision is no longer held has expired', async (t) => {
  const { post, served } = startCheckPlane(t)
  const first = await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  const page = { token: first.json<{ page: { next_token: string } }>().page.next_token }
  served.held.push(matrixOf(FACTS, 8))
  t.equal((await post('/access/v1/search/subject', { ...WHO, page })).statusCode, 200)
  served.held.shift()
  const gone = await post('/access/v1/search/subject', { ...WHO, page })
  t.equal(gone.statusCode, 400)
  t.match(gone.body, /page\/token has expired: begin the search again/)
})

test('8.2 Pagination: pages of no hits say where to go on', async (t) => {
  const { post } = startCheckPlane(t)
  const none = await post('/access/v1/search/subject', { ...WHO, page: { limit: 0 } })
  const { page } = none.json<{ page: { next_token: string; count: number } }>()
  t.equal(page.count, 0)
  t.not(page.next_token, '')
})

test('8.2 Pagination: a token holds its revision, and a last page holds none', async (t) => {
  const { post, served } = startCheckPlane(t)
  await post('/access/v1/search/subject', WHO)
  t.same(served.named, [])
  await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  t.same(served.named, [7])
})

test('8.2 Pagination: a token that stands before x-minimum-revision is told by its name', async (t) => {
  const { post, served } = startCheckPlane(t)
  const first = await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  const page = { token: first.json<{ page: { next_token: string } }>().page.next_token }
  served.held.push(matrixOf(FACTS, 8))
  const later = { 'x-minimum-revision': '8' }
  const early = await post('/access/v1/search/subject', { ...WHO, page }, later)
  t.equal(early.statusCode, 400)
  t.match(early.body, /^page\/token stands on revision 7, before the x-minimum-revision 8/)
})
