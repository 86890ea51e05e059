import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { permctl } from './support/permctl.ts'
import type { Env } from './support/permctl.ts'
import { sendJson, startStub } from './support/stub-server.ts'

const CHECK = ['check', 'some-id', 'routing:queue:view']

/** A check plane that allows everything, and tells by which key it was asked. */
async function startCheckPlane(t: Parameters<typeof startStub>[0]) {
  const stub = await startStub(t, (_request, response) => {
    sendJson(response, { revision: 1, results: [{ allowed: true }] })
  })
  return { ...stub, key: () => stub.seen.at(-1)?.headers.authorization?.replace('Bearer ', '') }
}

test('everything missing is named in one refusal, before any request', async (t) => {
  const plane = await startCheckPlane(t)
  const words = ['who-can', 'routing:queue:view', '--division', 'Sales', '--check-url', plane.url]
  const { code, stdout, stderr } = await permctl(words)
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, /PERMCTL_CHECK_KEY \(.*PERMCTL_ADMIN_KEY \(/)
  t.match(stderr, /--profile NAME.*environment.*NAME_FILE.*Vault/)
  t.equal(plane.seen.length, 0)
})

test('a key comes from its variable, else from a file', async (t) => {
  const plane = await startCheckPlane(t)
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'key')
  await writeFile(file, 'from-file\n')
  const env = { PERMCTL_CHECK_URL: plane.url, PERMCTL_CHECK_KEY_FILE: file }
  t.equal((await permctl(CHECK, { env })).code, 0)
  t.equal(plane.key(), 'from-file')
  t.equal((await permctl(CHECK, { env: { ...env, PERMCTL_CHECK_KEY: 'from-variable' } })).code, 0)
  t.equal(plane.key(), 'from-variable')
  const nowhere = { ...env, PERMCTL_CHECK_KEY_FILE: join(folder.path, 'nowhere') }
  const { code, stderr } = await permctl(CHECK, { env: nowhere })
  t.equal(code, 2)
  t.match(stderr, /PERMCTL_CHECK_KEY_FILE cannot be read \(ENOENT\)/)
})

test('a profile named on the command line comes before the environment', async (t) => {
  const plane = await startCheckPlane(t)
  await using folder = await temporaryFolder()
  const file = join(folder.path, '.env.staging')
  await writeFile(file, `PERMCTL_CHECK_URL=${plane.url}\nPERMCTL_CHECK_KEY='from profile'\n`)
  await chmod(file, 0o600)
  const at = { folder: folder.path }
  const env = { PERMCTL_CHECK_KEY: 'from-environment', PERMCTL_CHECK_URL: 'http://127.0.0.1:9' }
  const spaced = await permctl([...CHECK, '--profile', 'staging'], { ...at, env })
  t.equal(spaced.code, 2, 'what cannot be a key is refused')
  t.notMatch(spaced.stderr, /from profile/)

  await writeFile(file, `PERMCTL_CHECK_URL=${plane.url}\nPERMCTL_CHECK_KEY='from-profile'\n`)
  const { code, stderr } = await permctl([...CHECK, '--profile', 'staging'], { ...at, env })
  t.equal(code, 0, stderr)
  t.equal(stderr, '')
  t.equal(plane.key(), 'from-profile')

  await chmod(file, 0o644)
  const readable = await permctl([...CHECK, '--profile', 'staging'], { ...at, env })
  t.equal(readable.code, 0)
  t.match(readable.stderr, /warning: \.env\.staging can be read by others: chmod 600/)

  for (const name of ['../staging', 'example', 'nowhere', '']) {
    const refused = await permctl([...CHECK, '--profile', name], { ...at, env })
    t.equal(refused.code, 2, name)
    t.match(refused.stderr, /--profile/)
  }
})

test('an option comes before every variable', async (t) => {
  const plane = await startCheckPlane(t)
  const env = { PERMCTL_CHECK_URL: 'http://127.0.0.1:9', PERMCTL_CHECK_KEY: 'key' }
  t.equal((await permctl([...CHECK, '--check-url', `${plane.url}/`], { env })).code, 0)
  const { code, stderr } = await permctl([...CHECK, '--check-url', 'ftp://x'], { env })
  t.equal(code, 2)
  t.match(stderr, /--check-url must be an http or https URL/)
})

const TOKEN = 'hvs.vault-token'

test('an unknown environment is refused by every command', async (t) => {
  const plane = await startCheckPlane(t)
  const env = { PERMCTL_CHECK_URL: plane.url, PERMCTL_CHECK_KEY: 'key' }
  const { code, stderr } = await permctl([...CHECK, '--environment', 'mars'], { env })
  t.equal(code, 2)
  t.match(stderr, /--environment mars is no region of Genesys Cloud: us, eu, ap, us-east-1/)
  t.equal(plane.seen.length, 0)
})

test('Vault has what is set nowhere else', async (t) => {
  const plane = await startCheckPlane(t)
  // As its documentation has it: a KV v2 answer holds the secret in data.data.
  const vault = await startStub(t, (request, response) => {
    if (request.headers['x-vault-token'] !== TOKEN) {
      return sendJson(response, { errors: ['permission denied'] }, 403)
    }
    if (request.url === '/v1/sealed/data/permctl') return sendJson(response, { errors: [] }, 503)
    if (request.url === '/v1/moved/data/permctl') {
      return sendJson(response, {}, 307, { location: `${plane.url}/stolen` })
    }
    if (request.url === '/v1/odd/data/permctl') return sendJson(response, { data: null })
    const known = ['/v1/secret/data/teams/permctl', '/v1/team/kv/data/permctl']
    if (!known.includes(request.url ?? '')) return sendJson(response, { errors: [] }, 404)
    sendJson(response, {
      request_id: 'b2a5',
      data: {
        data: { PERMCTL_CHECK_KEY: 'from-vault', PERMCTL_CHECK_URL: 'http://127.0.0.1:9' },
        metadata: { version: 3, destroyed: false },
      },
    })
  })
  const env = (path: string, more: Env = {}): { env: Env } => {
    const { url } = vault
    const named = { VAULT_ADDR: url, VAULT_TOKEN: TOKEN, VAULT_PATH: path }
    return { env: { PERMCTL_CHECK_URL: plane.url, ...named, ...more } }
  }

  for (const path of ['secret/teams/permctl', 'team/kv/data/permctl']) {
    const { code, stderr } = await permctl(CHECK, env(path))
    t.equal(code, 0, stderr)
    t.equal(plane.key(), 'from-vault', path)
  }
  const asked = vault.seen.length
  await permctl(CHECK, env('secret/teams/permctl', { PERMCTL_CHECK_KEY: 'own' }))
  t.equal(plane.key(), 'own')
  t.equal(vault.seen.length, asked, 'Vault is asked only for what is missing')

  const cases: readonly (readonly [Env, number, RegExp])[] = [
    [{ VAULT_PATH: 'secret/nothing' }, 2, /has no KV v2 secret at VAULT_PATH secret\/nothing/],
    [{ VAULT_TOKEN: 'expired' }, 3, /does not let VAULT_TOKEN read/],
    [{ VAULT_TOKEN: '' }, 2, /VAULT_TOKEN is missing/],
    [{ VAULT_PATH: 'sealed/permctl' }, 3, /answered 503: it is sealed/],
    [{ VAULT_PATH: 'moved/permctl' }, 3, /answered 307/],
    [{ VAULT_PATH: 'odd/permctl' }, 3, /something else than a KV v2 secret/],
    [{ VAULT_PATH: 'permctl' }, 2, /VAULT_PATH must be MOUNT\/PATH/],
    [{ VAULT_PATH: '../sys/data/x' }, 2, /VAULT_PATH must be MOUNT\/PATH/],
    [{ VAULT_ADDR: 'http://vault.example:8200' }, 2, /VAULT_ADDR must be an https URL/],
    [{ VAULT_ADDR: 'http://127.0.0.1:9' }, 3, /cannot be asked/],
  ]
  for (const [more, expected, words] of cases) {
    const { code, stderr } = await permctl(CHECK, env('secret/teams/permctl', more))
    t.equal(code, expected, stderr)
    t.match(stderr, words)
    t.notMatch(stderr, new RegExp(TOKEN))
  }
  t.notOk(
    plane.seen.some(({ path }) => path === '/stolen'),
    'a redirect is not followed',
  )
})
