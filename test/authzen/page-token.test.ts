import { test } from 'tap'
import { createPageTokens, firstPage } from '../../src/http/authzen/page-token.ts'
import { DIVISIONS, FACTS, matrixOf } from '../http/support/organization.ts'
import { startTlsPlane } from './support/tls-plane.ts'

/** Authorization API 1.0, 8.2: what becomes of page tokens with time. */

const ASKED = { limit: 10, properties: undefined }
const PLACE = { revision: 7, position: 3, page: firstPage(ASKED) }
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
  t.same(tokens.read(token, ['question'], ASKED), PLACE)
  now += 1
  t.throws(() => tokens.read(token, ['question'], ASKED), {
    code: 'invalid',
    message: /has expired/,
  })
  t.end()
})

test('8.2.1 Paginated Requests: a limit is compared as it was sent, above the bound too', async (t) => {
  const { post } = await startTlsPlane(t)
  const tokens = createPageTokens()
  for (const limit of [2_000, undefined]) {
    const asked = { limit, properties: undefined }
    const token = tokens.write({ ...PLACE, page: firstPage(asked) }, [])
    t.match(tokens.read(token, [], asked), { page: { limit } })
    const other = { ...asked, limit: 3_000 }
    t.throws(() => tokens.read(token, [], other), { message: /page\/limit must stay the same/ })
  }
  const none = { ...WHO, page: { limit: 2_000 } }
  t.equal((await post('/access/v1/search/subject', none)).statusCode, 200)
})

test('8.2 Pagination: a token of the process before a restart has expired', (t) => {
  const token = createPageTokens().write(PLACE, [])
  t.throws(() => createPageTokens().read(token, [], ASKED), {
    code: 'invalid',
    message: /has expired/,
  })
  t.end()
})

test('8.2 Pagination: a token whose revision is no longer held has expired', async (t) => {
  const { post, served } = await startTlsPlane(t)
  const first = await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  const page = { token: first.json().page.next_token }
  served.held.push(matrixOf(FACTS, 8))
  t.equal((await post('/access/v1/search/subject', { ...WHO, page })).statusCode, 200)
  served.held.shift()
  const gone = await post('/access/v1/search/subject', { ...WHO, page })
  t.equal(gone.statusCode, 400)
  t.match(gone.body, /page\/token has expired: begin the search again/)
})

test('8.2 Pagination: pages of no hits say where to go on', async (t) => {
  const { post } = await startTlsPlane(t)
  const none = await post('/access/v1/search/subject', { ...WHO, page: { limit: 0 } })
  const { page } = none.json()
  t.equal(page.count, 0)
  t.not(page.next_token, '')
})

test('8.2 Pagination: a token holds its revision, and a last page holds none', async (t) => {
  const { post, served } = await startTlsPlane(t)
  await post('/access/v1/search/subject', WHO)
  t.same(served.named, [])
  await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  t.same(served.named, [7])
})

test('8.2 Pagination: a token that stands before x-minimum-revision is told by its name', async (t) => {
  const { post, served } = await startTlsPlane(t)
  const first = await post('/access/v1/search/subject', { ...WHO, page: { limit: 1 } })
  const page = { token: first.json().page.next_token }
  served.held.push(matrixOf(FACTS, 8))
  const later = { 'x-minimum-revision': '8' }
  const early = await post('/access/v1/search/subject', { ...WHO, page }, later)
  t.equal(early.statusCode, 400)
  t.match(early.body, /^page\/token stands on revision 7, before the x-minimum-revision 8/)
})
