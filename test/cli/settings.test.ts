import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generate } from 'selfsigned'
import { test } from 'tap'
import { mayNeedVault, readAddresses } from '../../src/cli/connections.ts'
import { Variables } from '../../src/cli/variables.ts'
import { readVault } from '../../src/cli/vault.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { ROOT } from '../operations/support/repository.ts'
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
    if (request.url === '/v1/bad/data/permctl') return sendJson(response, { errors: [] }, 400)
    if (request.url === '/v1/list/data/permctl') {
      return sendJson(response, { data: { data: { PERMCTL_CHECK_KEY: [1] } } })
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
    [{ VAULT_TOKEN: '' }, 2, /VAULT_TOKEN is missing; missing: PERMCTL_CHECK_KEY/],
    [{ VAULT_TOKEN: '', VAULT_TOKEN_FILE: 'none' }, 2, /VAULT_TOKEN_FILE cannot be read.*missing/],
    [{ VAULT_PATH: 'sealed/permctl' }, 3, /answered 503: it is sealed/],
    [
      { VAULT_PATH: 'moved/permctl' },
      3,
      /answered 307 and leads to http.*stolen: set VAULT_ADDR to the node/,
    ],
    [{ VAULT_PATH: 'bad/permctl' }, 3, /answered 400: are VAULT_PATH, VAULT_TOKEN and VAULT_NAM/],
    [{ VAULT_PATH: 'list/permctl' }, 2, /PERMCTL_CHECK_KEY in Vault is no text/],
    [{ VAULT_NAMESPACE: 'two words' }, 2, /VAULT_NAMESPACE must be printable ASCII/],
    [{ VAULT_CACERT: '/nowhere/ca.pem' }, 2, /VAULT_CACERT cannot be read \(ENOENT\)/],
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

/** A Vault that holds this for whoever asks. */
async function startVault(t: Parameters<typeof startStub>[0], data: object) {
  const stub = await startStub(t, (_request, response) => {
    sendJson(response, { data: { data, metadata: { version: 1 } } })
  })
  const env = { VAULT_ADDR: stub.url, VAULT_TOKEN: TOKEN, VAULT_PATH: 'secret/permctl' }
  return { ...stub, env }
}

test('what stands in Vault decides neither where a key goes nor which file is read', async (t) => {
  const plane = await startCheckPlane(t)
  const thief = await startCheckPlane(t)
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'private')
  await writeFile(file, 'private-of-the-admin')
  const vault = await startVault(t, {
    ...{ PERMCTL_CHECK_KEY_FILE: file, PERMCTL_CHECK_URL: thief.url },
    ...{ PERMCTL_ADMIN_URL: thief.url, GENESYS_BASE_URL: thief.url },
  })
  const { code, stderr } = await permctl(CHECK, { env: vault.env })
  t.equal(code, 2)
  t.match(stderr, /missing: PERMCTL_CHECK_KEY/)
  const platform = { ...vault.env, GENESYS_CLIENT_ID: 'id', GENESYS_CLIENT_SECRET: 'secret' }
  t.match((await permctl(['auth'], { env: platform })).stderr, /missing: --environment/)
  const key = { PERMCTL_CHECK_KEY: 'key' }
  await permctl(CHECK, { env: { ...vault.env, ...key, PERMCTL_CHECK_URL: plane.url } })
  t.equal(plane.seen.length, 1)
  t.equal(thief.seen.length, 0)
})

test('Vault is asked for a write client too, and its values are taken as they were meant', async (t) => {
  const vault = await startVault(t, {
    ...{ GENESYS_WRITE_CLIENT_SECRET: 'w-secret\n', GENESYS_CLIENT_SECRET: 4711 },
    PERMCTL_CHECK_KEY: 'the-key\n',
  })
  const layer = { ...vault.env, GENESYS_CLIENT_ID: 'id', GENESYS_WRITE_CLIENT_ID: 'writer' }
  const variables = new Variables([
    { ...layer, GENESYS_CLIENT_SECRET: 'own', GENESYS_REGION: 'eu' },
  ])
  t.equal(mayNeedVault(['platform'], variables), true)
  variables.addVault(await readVault(variables, new AbortController().signal, 60_000))
  const { platform } = readAddresses(['platform'], variables, {})
  t.match(platform, { clientSecret: 'own', writeClient: { id: 'writer', secret: 'w-secret' } })
  t.equal(mayNeedVault(['platform'], variables), false)
  t.equal(mayNeedVault(['probe'], new Variables([{}])), false)
  const plain = new Variables([layer])
  plain.addVault(await readVault(plain, new AbortController().signal, 60_000))
  t.equal(plain.read('GENESYS_CLIENT_SECRET'), '4711')
  t.equal(plain.read('PERMCTL_CHECK_KEY'), 'the-key')
  t.equal(vault.seen.length, 2)
})

test('a private authority is named as what is missing, and VAULT_CACERT gives it', async (t) => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  const namespaces: unknown[] = []
  const server = createServer({ key, cert }, (request, response) => {
    namespaces.push(request.headers['x-vault-namespace'])
    sendJson(response, { data: { data: { PERMCTL_CHECK_KEY: 'from-vault' } } })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  const plane = await startCheckPlane(t)
  const own = { PERMCTL_CHECK_URL: url, PERMCTL_CHECK_KEY: 'key' }
  const refused = await permctl(CHECK, { env: own })
  t.equal(refused.code, 3)
  t.match(refused.stderr, /SELF_SIGNED.*put the file.*into NODE_EXTRA_CA_CERTS/)
  const named = { VAULT_ADDR: url, VAULT_TOKEN: TOKEN, VAULT_PATH: 'secret/permctl' }
  const env = { ...named, PERMCTL_CHECK_URL: plane.url, VAULT_NAMESPACE: 'team/a' }
  t.match((await permctl(CHECK, { env })).stderr, /SELF_SIGNED.*into VAULT_CACERT/)
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'authority.pem')
  await writeFile(file, cert)
  const { code, stderr } = await permctl(CHECK, { env: { ...env, VAULT_CACERT: file } })
  t.equal(code, 0, stderr)
  t.equal(plane.key(), 'from-vault')
  t.same(namespaces, ['team/a'])
  const plain = await permctl(CHECK, { env: { ...own, PERMCTL_CHECK_URL: url.replace('s:', ':') } })
  t.match(plain.stderr, /is PERMCTL_CHECK_URL https, not http\?/)
})

test('a secret may come from what can be read once', async (t) => {
  const plane = await startCheckPlane(t)
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'large'), 'x'.repeat(2 * 1024 * 1024))
  const run = (script: string) => {
    const { PATH = '' } = process.env
    const env = { PATH, PERMCTL_CHECK_URL: plane.url }
    const options = { env, cwd: folder.path } as const
    const program = join(ROOT, 'bin/permctl')
    const words = ['-u', 'NODE_OPTIONS', 'bash', '-c', script, program, ...CHECK]
    return promisify(execFile)('env', words, options)
  }
  await run('PERMCTL_CHECK_KEY_FILE=<(echo once) "$0" "$@"')
  t.equal(plane.key(), 'once')
  await run('echo piped | PERMCTL_CHECK_KEY_FILE=/dev/stdin "$0" "$@"')
  t.equal(plane.key(), 'piped')
  const large = { code: 2, stderr: /PERMCTL_CHECK_KEY_FILE cannot be read \(EFBIG\)/ }
  await t.rejects(run('PERMCTL_CHECK_KEY_FILE=large "$0" "$@"'), large)
})

test('a profile is read as it was meant, or refused', async (t) => {
  const plane = await startCheckPlane(t)
  await using folder = await temporaryFolder()
  const file = join(folder.path, '.env.staging')
  const run = async (content: string | Buffer) => {
    await writeFile(file, content, { mode: 0o600 })
    return await permctl([...CHECK, '--profile', 'staging'], { folder: folder.path })
  }
  const url = `PERMCTL_CHECK_URL=${plane.url}\n`
  t.equal((await run(`\ufeffPERMCTL_CHECK_KEY=first\n${url}`)).code, 0)
  t.equal(plane.key(), 'first')
  t.equal((await run(`PERMCTL_CHECK_KEY='"quoted'\n${url}`)).code, 0)
  t.equal(plane.key(), '"quoted')
  const cases: readonly (readonly [string | Buffer, RegExp])[] = [
    [`${url}PERMCTL_CHECK_KEY="open\n`, /the quote that begins PERMCTL_CHECK_KEY does not end/],
    [Buffer.from(`\ufeffPERMCTL_CHECK_KEY=x\n`, 'utf16le'), /\.env\.staging is no text in UTF-8/],
    [`PERMCTL_CHECK_KEY=a\0b\n`, /is no text in UTF-8/],
    [
      `${url}PERMCTL_CHECK_KY=typo-secret\nc2VjcmV0=\nPORT=1\n`,
      /not known in \.env\.staging: PERMCTL_CHECK_KY \(did you mean PERMCTL_CHECK_KEY\?\); missing/,
    ],
  ]
  for (const [content, words] of cases) {
    const { code, stderr } = await run(content)
    t.equal(code, 2)
    t.match(stderr, words)
    t.notMatch(stderr, /typo-secret|c2VjcmV0|PORT/)
  }
  await rm(file)
  await promisify(execFile)('mkfifo', [file])
  const { code, stderr } = await permctl([...CHECK, '--profile', 'staging'], {
    folder: folder.path,
  })
  t.equal(code, 2)
  t.match(stderr, /\.env\.staging is no regular file/)
})
