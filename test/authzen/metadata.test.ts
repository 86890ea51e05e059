import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose'
import t, { test } from 'tap'
import { readConfig } from '../../src/config.ts'
import { openMetadata } from '../../src/http/authzen/metadata.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { PUBLIC_URL, startDecisionPoint } from './support/decision-point.ts'
import { startTlsPlane } from './support/tls-plane.ts'

/** Authorization API 1.0: 9 Policy Decision Point Metadata. */

const WELL_KNOWN = '/.well-known/authzen-configuration'
const ENDPOINTS = {
  access_evaluation_endpoint: '/access/v1/evaluation',
  access_evaluations_endpoint: '/access/v1/evaluations',
  search_subject_endpoint: '/access/v1/search/subject',
  search_resource_endpoint: '/access/v1/search/resource',
  search_action_endpoint: '/access/v1/search/action',
}

const folder = await mkdtemp(join(tmpdir(), 'permission-check-keys-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

async function keyFile(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

/** The metadata of a public URL as the check plane serves it, and what was logged about it. */
async function serve(publicUrl: string | undefined, signingKeyFile?: string) {
  const { logger, lines } = recordingLogger()
  const url = publicUrl === undefined ? undefined : new URL(publicUrl)
  const metadata = await openMetadata({ publicUrl: url, signingKeyFile }, logger)
  return { plane: await startTlsPlane(t, { metadata }), lines }
}

test('9.1.1 Endpoint Parameters: all six begin with the public URL, whatever a request says', async (t) => {
  await using point = await startDecisionPoint()
  const forged = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    forwarded: 'host=evil',
  }
  for (const headers of [{}, forged]) {
    const { status, body, headers: given } = await point.get(WELL_KNOWN, headers)
    t.equal(status, 200)
    t.match(given.get('content-type'), /^application\/json/)
    const { capabilities, signed_metadata: signed, ...endpoints } = body
    const expected = Object.entries(ENDPOINTS).map(([name, path]) => [name, PUBLIC_URL + path])
    t.same(endpoints, { policy_decision_point: PUBLIC_URL, ...Object.fromEntries(expected) })
    t.ok(
      capabilities.every((urn: string) => urn.startsWith('urn:')),
      '9.1.2 Capabilities',
    )
    t.type(signed, 'string')
  }
})

test('9.1.3 Signature Parameter: the same as claims of a token, with an issuer and without itself', async (t) => {
  const keys = {
    ed25519: generateKeyPairSync('ed25519'),
    p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    rsa: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  }
  for (const [name, { privateKey, publicKey }] of Object.entries(keys)) {
    const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const jwk = JSON.stringify(privateKey.export({ format: 'jwk' }))
    for (const text of [pem, jwk]) {
      const { plane } = await serve(PUBLIC_URL, await keyFile(name, text))
      const { signed_metadata: signed, ...plain } = (await plane.get(WELL_KNOWN)).json()
      const { payload, protectedHeader } = await jwtVerify(String(signed), publicKey)
      const { iss, iat, ...claims } = payload
      t.same(claims, plain, name)
      t.equal(iss, PUBLIC_URL)
      t.type(iat, 'number')
      t.equal(
        protectedHeader.kid,
        await calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as never),
      )
      const header = JSON.stringify(decodeProtectedHeader(String(signed)))
      t.notMatch(header, /"(d|p|q)":/, 'nothing private in it')
      t.ok(await jwtVerify(String(signed), EmbeddedJWK), 'its header carries the key')
    }
  }
})

test('9.1.3 Signature Parameter: a key that cannot sign ends the start, unseen', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const files = {
    empty: '',
    text: 'c2VjcmV0 secret',
    'half a jwk': '{"kty":"OKP","d":"c2VjcmV0"}',
    public: String(publicKey.export({ type: 'spki', format: 'pem' })),
    'a curve of others': String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    weak: String(weak.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
  for (const [name, text] of Object.entries(files)) {
    const failed = await serve(PUBLIC_URL, await keyFile(name, text)).catch((error: Error) => error)
    t.match(failed, { code: 'invalid', message: /AUTHZEN_SIGNING_KEY_FILE/ }, name)
    t.notMatch(JSON.stringify(failed) + String((failed as Error).stack), /c2VjcmV0/)
  }
  const missing = await serve(PUBLIC_URL, join(folder, 'none')).catch((error: Error) => error)
  t.match(missing, { code: 'invalid', message: /cannot be read \(ENOENT\)/ })
})

test('9.2 Obtaining Metadata: inserted before the path of the public URL', async (t) => {
  const { plane } = await serve('https://pdp.example.com/tenant1')
  const { plane: odd } = await serve('https://pdp.example.com/a:b/~c@d')
  const found = await plane.get(`${WELL_KNOWN}/tenant1`)
  t.match(found.json(), {
    policy_decision_point: 'https://pdp.example.com/tenant1',
    access_evaluation_endpoint: 'https://pdp.example.com/tenant1/access/v1/evaluation',
  })
  for (const path of [WELL_KNOWN, `${WELL_KNOWN}/tenant2`, `${WELL_KNOWN}/tenant1/x`]) {
    t.equal((await plane.get(path)).statusCode, 404, path)
  }
  t.equal((await odd.get(`${WELL_KNOWN}/a:b/~c@d`)).statusCode, 200)
  t.equal((await odd.get(`${WELL_KNOWN}/axb/~c@d`)).statusCode, 404)
})

test('9.1.1 Endpoint Parameters: the public URL is one that can be published as it is', async (t) => {
  const minimal = { GENESYS_CLIENT_ID: 'id', GENESYS_CLIENT_SECRET: 'secret', AUTH: 'none' }
  const publicUrlOf = (url: string) => readConfig({ ...minimal, PUBLIC_URL: url }).authzen.publicUrl
  for (const url of [
    ...['pdp.example.com', 'ftp://pdp', 'https://pdp/?q', 'https://u@pdp', 'https://pdp/#f'],
    ...['https://p/*', 'https://p/caf%C3%A9', 'https://p/café', 'https://p/a%20b', 'https://p/a b'],
    ...['https://p/', 'https://p/tenant1/', 'https://p/a//b', 'https://p/a(b)', 'https://p/a;b'],
  ]) {
    t.throws(() => publicUrlOf(url), { message: /PUBLIC_URL must be an https/ }, url)
  }
  for (const url of ['HTTPS://PDP.example.com', ' https://pdp.example.com', `${PUBLIC_URL}:443`]) {
    const { plane } = await serve(publicUrlOf(url)?.href)
    t.match((await plane.get(WELL_KNOWN)).json(), { policy_decision_point: PUBLIC_URL }, url)
  }
  t.equal(publicUrlOf('')?.href, undefined)
})

test('9.2 Obtaining Metadata: described once, wherever it is found', async (t) => {
  const { plane } = await serve('https://pdp.example.com/tenant1')
  const { paths } = plane.app.swagger() as { paths: Record<string, object> }
  t.ok(paths[WELL_KNOWN])
  t.equal(paths[`${WELL_KNOWN}/tenant1`], undefined)
})

test('9.2.1 Metadata Request: a GET, open to all', async (t) => {
  const { plane } = await serve(PUBLIC_URL)
  const open = await plane.get(WELL_KNOWN, {})
  t.equal(open.statusCode, 200)
  t.equal((await plane.post(WELL_KNOWN, {})).statusCode, 405)
})

test('9.2.2 Metadata Response: 404 without an https URL, and the log says why', async (t) => {
  for (const [url, reason] of [
    [undefined, /PUBLIC_URL is not set/],
    ['http://pdp.example.com', /PUBLIC_URL is not an https URL/],
  ] as const) {
    const { plane, lines } = await serve(url)
    const answer = await plane.get(WELL_KNOWN)
    t.equal(answer.statusCode, 404)
    t.match(answer.headers['content-type'], /problem\+json/)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.match(lines.map((line) => line.msg).join('\n'), reason)
  }
})

test('11.9 Metadata Caching: for minutes', async (t) => {
  const { plane } = await serve(PUBLIC_URL)
  t.match((await plane.get(WELL_KNOWN)).headers['cache-control'], /^public, max-age=\d{2,3}$/)
})
