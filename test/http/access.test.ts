import { Agent, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import t from 'tap'
import { createKeySet, sameText } from '../../src/http/api-keys.ts'
import { createAuthenticator, openAuthenticator } from '../../src/http/authenticator.ts'
import { AUDIENCE, startIssuer, trust } from './support/issuer.ts'
import { USERS } from './support/organization.ts'
import { bearer, CHECK_SECRET, key, startCheckPlane } from './support/planes.ts'

const URL = `/check-permission?userId=${USERS.ada}&permission=routing:queue:view`
const FIRST = key('first', 'secret-one', ['check'])

t.test('finds keys by their whole secret', async (t) => {
  const keys = createKeySet([FIRST, key('second', 'secret-two-which-is-longer', ['check'])])
  t.equal(keys.find('secret-one')?.name, 'first')
  t.equal(keys.find('secret-two-which-is-longer')?.name, 'second')
  const wrong = ['', 'secret-on', 'secret-one\0', 'secret-onE', 'secret-two', 'x'.repeat(9_000)]
  wrong.push('secret-two-which-is-longer-still', 'sécret-one')
  for (const secret of wrong) t.equal(keys.find(secret), undefined, secret)
  t.equal(createKeySet([]).find(''), undefined)
  t.notOk('secret' in (keys.find('secret-one') ?? {}), 'a principal does not carry its secret')
})

t.test('looks at every key, also after one that fits', async (t) => {
  // The one that fits does not end the search, but of two with one secret it is the first that counts.
  const keys = createKeySet([FIRST, key('last', 'secret-one', ['admin:read'])])
  const found = keys.find('secret-one')
  t.equal(found?.name, 'first')
  t.same([...(found?.scopes ?? [])], ['check'], 'and its scopes are not added to')
  t.equal(createKeySet([key('other', 'secret-0', []), FIRST]).find('secret-one')?.name, 'first')
  t.ok(sameText('abc', 'abc'))
  t.notOk(sameText('abc', 'abd'))
  t.notOk(sameText('abc', 'ab'))
})

t.test('asks for credentials, and says when those given are wrong', async (t) => {
  const { app, record } = startCheckPlane(t)
  const without = await app.inject(URL)
  t.equal(without.statusCode, 401)
  t.equal(without.headers['www-authenticate'], 'Bearer realm="genesys-permission-check"')
  t.match(without.json(), { type: /unauthenticated$/, status: 401 })
  const headers = [
    'Bearer wrong',
    'Bearer',
    'Bearer ',
    CHECK_SECRET,
    `Basic ${btoa(`x:${CHECK_SECRET}`)}`,
  ]
  headers.push(`Bearer ${CHECK_SECRET} x`, 'Bearer a.b.c', `Bearer ${'x'.repeat(9_000)}`)
  for (const authorization of headers) {
    const wrong = await app.inject({ url: URL, headers: { authorization } })
    t.equal(wrong.statusCode, 401, authorization)
    t.match(wrong.headers['www-authenticate'], /error="invalid_token"/)
    t.notMatch(wrong.body, CHECK_SECRET)
  }
  t.same(
    record.failed,
    Array.from({ length: 9 }, () => 'check unauthenticated'),
  )
  t.same(record.logged, [], 'refused logins are counted, not logged')
  t.same(record.decided, [])
})

t.test('takes the scheme in any case of letters', async (t) => {
  const { app } = startCheckPlane(t)
  const headers = { authorization: `bEARER ${CHECK_SECRET}` }
  t.equal((await app.inject({ url: URL, headers })).statusCode, 200)
})

t.test('names the scope that a key lacks', async (t) => {
  const auth = createAuthenticator({ keys: [key('prometheus', 'metrics-only', ['metrics'])] })
  const { app, record } = startCheckPlane(t, { auth })
  const response = await app.inject({ url: URL, headers: bearer('metrics-only') })
  t.equal(response.statusCode, 403)
  t.match(response.json(), { type: /forbidden$/, detail: /scope check/ })
  t.same(record.failed, ['check forbidden'])
})

t.test('lets everyone in without authentication', async (t) => {
  const { app } = startCheckPlane(t, { auth: openAuthenticator })
  t.equal((await app.inject(URL)).statusCode, 200)
})

t.test('refuses a replaced key on a connection that stays open', async (t) => {
  const auth = createAuthenticator({ keys: [FIRST] })
  const { app } = startCheckPlane(t, { auth })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  const status = (secret: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: URL, agent, headers: bearer(secret) }
      const sent = httpRequest(options, (response) => {
        ports.add(response.socket.localPort)
        response.resume().once('end', () => resolve(response.statusCode))
      })
      sent.once('error', reject).end()
    })
  t.equal(await status('secret-one'), 200)
  t.equal(await status('secret-one'), 200)
  t.equal(await status('secret-two'), 401)
  auth.replaceKeys([FIRST, key('first', 'secret-two', ['check'])])
  t.equal(await status('secret-one'), 200, 'both while the secret is changed')
  t.equal(await status('secret-two'), 200)
  auth.replaceKeys([key('first', 'secret-two', ['check'])])
  t.equal(await status('secret-one'), 401)
  t.equal(await status('secret-two'), 200)
  t.equal(ports.size, 1, 'all over one connection')
})

t.test('remembers a caller with the connection, for the same header only', async (t) => {
  const auth = createAuthenticator({ keys: [FIRST] })
  const connection = {}
  const first = auth.authenticate('Bearer secret-one', connection)
  t.equal(auth.authenticate('Bearer secret-one', connection), first)
  t.throws(() => auth.authenticate('Bearer secret-two', connection), { code: 'unauthenticated' })
  t.throws(() => auth.authenticate(undefined, connection), { code: 'unauthenticated' })
})

t.test('takes tokens of the issuer and asks it for keys once', async (t) => {
  const { issuer, state, sign } = await startIssuer(t)
  const auth = createAuthenticator({ keys: [FIRST], jwt: trust(issuer) })
  const { app } = startCheckPlane(t, { auth })
  const status = async (token: string) =>
    (await app.inject({ url: URL, headers: bearer(token) })).statusCode
  const token = await sign({})
  t.equal(await status(token), 200)
  t.equal(await status(token), 200)
  t.equal(
    await status(await sign({ sub: undefined, client_id: 'c', scope: undefined, scp: ['check'] })),
    200,
  )
  t.equal(
    await status(await sign({ sub: undefined, azp: 'a', scope: 'openid check profile' })),
    200,
  )
  t.equal(await status(await sign({ scope: 'admin:read' })), 403)
  t.equal(await status(await sign({ scope: 'checks' })), 403)
  t.equal(await status('secret-one'), 200, 'keys are still taken')
  t.same(state.asked, ['/.well-known/openid-configuration', '/keys'])
  const again = auth.authenticate(`Bearer ${token}`, {})
  t.notOk(again instanceof Promise, 'a token seen before is known at once')
})

t.test('refuses tokens that are not good here', async (t) => {
  const { issuer, sign, publicJwk } = await startIssuer(t)
  const auth = createAuthenticator({ keys: [], jwt: trust(issuer) })
  const { app, record } = startCheckPlane(t, { auth })
  const claims = { iss: issuer, aud: AUDIENCE, sub: 'x', scope: 'check' }
  const foreign = await generateKeyPair('ES256')
  const shared = new TextEncoder().encode(JSON.stringify(publicJwk))
  const tokens = {
    expired: await sign({ exp: Math.floor(Date.now() / 1000) - 60 }),
    'of another audience': await sign({ aud: 'someone-else' }),
    'of another issuer': await sign({ iss: 'https://elsewhere.example' }),
    'not yet valid': await sign({ nbf: Math.floor(Date.now() / 1000) + 600 }),
    'naming nobody': await sign({ sub: undefined }),
    'signed by another key': await sign({}, foreign.privateKey),
    'without signature': new UnsecuredJWT(claims).setExpirationTime('5m').encode(),
    'signed with the public key as a secret': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setExpirationTime('5m')
      .sign(shared),
    'without expiry': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(foreign.privateKey),
    'no token at all': 'a.b.c',
  }
  for (const [name, token] of Object.entries(tokens)) {
    const response = await app.inject({ url: URL, headers: bearer(token) })
    t.equal(response.statusCode, 401, name)
    t.match(response.headers['www-authenticate'], /error="invalid_token"/, name)
  }
  t.same(record.logged, [])
})

t.test('never calls a token wrong because the issuer is down', async (t) => {
  const { issuer, state, sign } = await startIssuer(t)
  state.down = '/.well-known'
  // The pause after a failed discovery does not pass.
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const jwt = trust(issuer)
  const { app } = startCheckPlane(t, { auth: createAuthenticator({ keys: [FIRST], jwt }) })
  const token = await sign({})
  const response = await app.inject({ url: URL, headers: bearer(token) })
  t.equal(response.statusCode, 503)
  t.match(response.json(), {
    type: /upstream-busy$/,
    title: /^An upstream service/,
    detail: /no token can be verified/,
  })
  t.ok(response.headers['retry-after'])
  t.equal((await app.inject({ url: URL, headers: bearer('secret-one') })).statusCode, 200)
  await app.inject({ url: URL, headers: bearer(token) })
  t.equal(state.asked.length, 1, 'and does not hammer it')
})

t.test('never calls a token wrong because the keys are down', async (t) => {
  const { issuer, state, sign } = await startIssuer(t)
  const auth = createAuthenticator({ keys: [], jwt: trust(issuer) })
  const header = `Bearer ${await sign({})}`
  state.down = '/keys'
  await t.rejects(Promise.resolve(auth.authenticate(header, {})), { code: 'upstream-busy' })
  state.down = ''
  t.match(await auth.authenticate(header, {}), { name: 'app-1' })
})

t.test('does not follow a discovery document of another issuer', async (t) => {
  const { issuer, sign } = await startIssuer(t)
  const other = trust(`${issuer}/`)
  const auth = createAuthenticator({ keys: [], jwt: other })
  const asked = Promise.resolve(auth.authenticate(`Bearer ${await sign({})}`, {}))
  await t.rejects(asked, { code: 'upstream-busy' })
})
