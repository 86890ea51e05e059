import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { startCaller } from './caller.ts'

const USERS = '/api/v2/users'
const ROLES = '/api/v2/authorization/roles'

test('faults strike what they match, and nothing else', async (t) => {
  const caller = await startCaller(t)
  const { faults } = caller.simulator
  t.afterEach(() => faults.clear())
  await caller.login()

  t.test('a status, with its code and Retry-After', async (t) => {
    faults.add({ match: { path: USERS }, kind: 'status', status: 429, retryAfterSeconds: 7 })
    const { status, body, headers } = await caller.get(USERS)
    t.equal(status, 429)
    t.equal(body.code, 'too.many.requests')
    t.equal(headers.get('retry-after'), '7')
    t.equal((await caller.get(ROLES)).status, 200)
    faults.clear()
    faults.add({ match: { path: USERS }, kind: 'status', status: 400, code: 'max.user.ids' })
    t.equal((await caller.get(USERS)).body.code, 'max.user.ids')
  })

  t.test('after so many requests, so many times', async (t) => {
    faults.add({ match: { path: USERS }, kind: 'status', status: 503, after: 1, times: 2 })
    const statuses = []
    for (let count = 0; count < 5; count += 1) statuses.push((await caller.get(USERS)).status)
    t.strictSame(statuses, [200, 503, 503, 200, 200])
  })

  t.test('by method, template, path or expression', async (t) => {
    const role = `${ROLES}/${SMALL_WORLD.roles.agent}`
    const subjects = `${role}/subjectgrants`
    const struck = async (path: string | RegExp, method?: string) => {
      faults.clear()
      faults.add({ match: { path, ...(method && { method }) }, kind: 'status' })
      const paths = [USERS, `${USERS}?pageNumber=2`, role, subjects]
      const replies = await Promise.all(paths.map((each) => caller.get(each)))
      return replies.map(({ status }) => (status === 500 ? 'x' : '-')).join('')
    }
    t.equal(await struck(`${ROLES}/{roleId}/subjectgrants`), '---x')
    t.equal(await struck(role), '--x-')
    t.equal(await struck(/pageNumber=2/), '-x--')
    t.equal(await struck(/./, 'POST'), '----')
    t.equal(await struck(/./, 'get'), 'xxxx')
  })

  t.test('pages that lie', async (t) => {
    const truth = (await caller.get(`${USERS}?expand=groups`)).body
    faults.add({ match: { path: USERS }, kind: 'truncate-page', times: 1 })
    const short = (await caller.get(USERS)).body
    t.equal(short.total, truth.total)
    t.ok(short.entities.length < truth.entities.length)

    faults.add({ match: { path: USERS }, kind: 'wrong-total', times: 1 })
    t.equal((await caller.get(USERS)).body.total, truth.total + 1)

    faults.add({ match: { path: USERS }, kind: 'drop-field', field: 'groups', times: 1 })
    const bare = (await caller.get(`${USERS}?expand=groups`)).body
    t.notOk(bare.entities.some((user: object) => 'groups' in user))
    faults.add({ match: { path: USERS }, kind: 'drop-field', field: 'total', times: 1 })
    t.notOk('total' in (await caller.get(USERS)).body)
  })

  t.test('bodies that are no JSON', async (t) => {
    faults.add({ match: { path: USERS }, kind: 'malformed-body', times: 1 })
    const broken = await caller.get(USERS)
    t.equal(broken.status, 200)
    t.throws(() => JSON.parse(broken.text))
    faults.add({ match: { path: USERS }, kind: 'html-error' })
    const html = await caller.get(USERS)
    t.equal(html.status, 502)
    t.match(html.headers.get('content-type'), 'text/html')
  })

  t.test('connections that break', async (t) => {
    faults.add({ match: { path: USERS }, kind: 'reset', times: 1 })
    await t.rejects(caller.get(USERS))
    faults.add({ match: { path: USERS }, kind: 'close-mid-body', times: 1 })
    await t.rejects(caller.get(USERS))
    t.equal((await caller.get(USERS)).status, 200)
  })

  t.test('an answer that is lost, the work being done', async (t) => {
    const { users, roles } = SMALL_WORLD
    const path = `/api/v2/authorization/subjects/${users.olivia}/divisions/*/roles/${roles.agent}`
    faults.add({ match: { path }, kind: 'lost-answer', times: 1 })
    await t.rejects(caller.send('POST', path))
    t.equal(caller.simulator.world.grants.ofSubject(users.olivia).length, 1)
    faults.add({ match: { path: USERS }, kind: 'lost-answer', times: 1 })
    await t.rejects(caller.get(USERS))
  })

  t.test('a refusal in words of one’s own', async (t) => {
    const said = { status: 422, code: 'some.code', message: 'Not today.' }
    faults.add({ match: { path: USERS }, kind: 'status', ...said, times: 1 })
    t.match((await caller.get(USERS)).body, said)
  })

  t.test('an answer that takes its time is still true', async (t) => {
    faults.add({ match: { path: USERS }, kind: 'slow', delayMs: 20 })
    t.equal((await caller.get(USERS)).body.total, 9)
  })

  t.test('an answer that is held back until something has happened', async (t) => {
    const gate = Promise.withResolvers<void>()
    const slow = faults.add({ match: { path: USERS }, kind: 'slow', until: gate.promise })
    const waiting = caller.get(USERS)
    while (slow.applied === 0) await new Promise(setImmediate)
    gate.resolve()
    t.equal((await waiting).body.total, 9)
  })

  t.test('the login as well', async (t) => {
    faults.add({ match: { path: '/oauth/token' }, kind: 'html-error', times: 1 })
    t.equal((await caller.login()).status, 502)
    faults.add({ match: { path: '/oauth/token' }, kind: 'malformed-body', times: 1 })
    t.equal((await caller.login()).body, undefined)
    t.equal((await caller.login()).status, 200)
  })
})

test('closing ends hung and slow requests', async (t) => {
  const caller = await startCaller(t)
  const { faults } = caller.simulator
  await caller.login()
  const hung = faults.add({ match: { path: USERS }, kind: 'hang' })
  const slow = faults.add({ match: { path: ROLES }, kind: 'slow', delayMs: 3_600_000 })
  const waiting = [caller.get(USERS), caller.get(ROLES)]
  const ended = Promise.allSettled(waiting)
  while (hung.applied + slow.applied < 2) await new Promise(setImmediate)
  await caller.simulator.close()
  t.strictSame(
    (await ended).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})

test('faults are set from other processes', async (t) => {
  const caller = await startCaller(t)
  const rule = { match: { pathPattern: 'pageNumber=2' }, kind: 'status', status: 503 }
  t.equal((await caller.send('POST', '/simulator/faults', rule)).status, 201)
  t.equal((await caller.get(`${USERS}?pageNumber=2`)).status, 503)
  t.equal((await caller.get(USERS)).status, 200)
  const listed = await caller.get('/simulator/faults')
  t.match(listed.body, [{ rule, matched: 1, applied: 1 }])
  t.equal((await caller.send('DELETE', '/simulator/faults')).status, 204)
  t.equal((await caller.get(`${USERS}?pageNumber=2`)).status, 200)
  const unknown = { match: { path: USERS }, kind: 'earthquake' }
  t.equal((await caller.send('POST', '/simulator/faults', unknown)).status, 400)
  t.equal((await caller.send('POST', '/simulator/faults', { ...rule, match: {} })).status, 400)
})
