import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config.ts'
import type { Config } from '../../src/config.ts'

const MINIMAL = { GENESYS_CLIENT_ID: 'id', GENESYS_CLIENT_SECRET: 'secret', AUTH: 'none' }

function configOf(env: Readonly<Record<string, string>>): Config {
  return readConfig({ ...MINIMAL, ...env })
}

function faultOf(env: Readonly<Record<string, string>>): string {
  try {
    configOf(env)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('the database is a file in DATA_DIR unless a URL says otherwise', (t) => {
  const standard = '/var/x/genesys-permission-check.sqlite'
  const paths = [
    ['', standard],
    ['sqlite:', standard],
    ['sqlite:trail.sqlite', 'trail.sqlite'],
    ['sqlite:./a b/trail.sqlite', './a b/trail.sqlite'],
    ['sqlite:/srv/trail.sqlite', '/srv/trail.sqlite'],
    ['sqlite:///srv/trail.sqlite', '/srv/trail.sqlite'],
  ]
  for (const [url = '', path] of paths) {
    const { database } = configOf({ DATA_DIR: '/var/x', DATABASE_URL: url })
    t.same(database, { kind: 'sqlite', path }, url)
  }
  for (const url of ['postgres://u:p%40ss@db:5432/trail', 'postgresql:///trail?host=/run/pg']) {
    const { database } = configOf({ DATABASE_URL: url })
    t.equal(database.kind === 'postgres' && database.url.reveal(), url)
  }
  t.end()
})

test('a database that would not keep anything, or that there is none of, is refused', (t) => {
  for (const url of [
    'sqlite::memory:',
    'sqlite://host/file',
    'sqlite:file?mode=memory',
    'mysql://u:a-password@db/trail',
    'postgres://u:a-password@db',
    'postgres://u:a-pass word@d b/trail',
    'trail.sqlite',
  ]) {
    const fault = faultOf({ DATABASE_URL: url })
    t.match(fault, /^configuration: DATABASE_URL must be sqlite:PATH, or postgres:/, url)
    t.notMatch(fault, 'a-pass')
  }
  t.end()
})

test('the database’s URL and the second client’s secret may come as files', (t) => {
  const folder = t.testdir({ url: 'postgres://u:a-password@db/trail\n', secret: 'a-secret\n' })
  const config = configOf({
    DATABASE_URL_FILE: join(folder, 'url'),
    GENESYS_WRITE_CLIENT_ID: 'writer',
    GENESYS_WRITE_CLIENT_SECRET_FILE: join(folder, 'secret'),
  })
  t.equal(config.genesys.writeClient?.id, 'writer')
  t.equal(config.genesys.writeClient?.secret.reveal(), 'a-secret')
  t.equal(config.database.kind, 'postgres')
  t.notMatch(JSON.stringify(config), /a-secret|a-password/)
  t.end()
})

test('the second client comes whole or not at all', (t) => {
  t.equal(configOf({}).genesys.writeClient, undefined)
  const together = /GENESYS_WRITE_CLIENT_ID and GENESYS_WRITE_CLIENT_SECRET must be set together/
  t.match(faultOf({ GENESYS_WRITE_CLIENT_ID: 'writer' }), together)
  t.match(faultOf({ GENESYS_WRITE_CLIENT_SECRET: 'a-secret' }), together)
  t.end()
})

test('no key has the name of an actor of the trail that is no key', (t) => {
  const keyed = { AUTH: '', ADMIN_API_KEYS: '' }
  for (const name of ['service', 'sunset', 'platform', 'schedule']) {
    for (const variable of ['CHECK_API_KEYS', 'ADMIN_API_KEYS']) {
      const fault = faultOf({ ...keyed, [variable]: `app=secret-a,${name}=secret-b` })
      t.match(fault, `${variable}: key 2 has the name ${name}, under which the trail tells`)
      t.notMatch(fault, 'secret-b')
    }
  }
  t.equal(faultOf({ ...keyed, CHECK_API_KEYS: 'services=a,Sunset=b' }), '')
  t.end()
})

test('every variable at fault is told of once', (t) => {
  const fault = faultOf({
    AUDIT_RETENTION_DAYS: '36501',
    DATABASE_URL: 'sqlite:',
    DATABASE_URL_FILE: '/nowhere',
    PORT: 'eighty',
  })
  t.same(fault.replace('configuration: ', '').split('; '), [
    'DATABASE_URL and DATABASE_URL_FILE are both set',
    'PORT must be a whole number from 0 to 65535',
    'AUDIT_RETENTION_DAYS must be a whole number from 0 to 36500',
  ])
  t.equal(configOf({}).auditRetentionDays, 0)
  t.equal(configOf({ AUDIT_RETENTION_DAYS: '90' }).auditRetentionDays, 90)
  t.end()
})

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

test('webhooks come with a secret, which may be a file', (t) => {
  t.match(configOf({}), { maxEnvironments: 5, webhooks: { addresses: {}, secrets: [] } })
  const folder = t.testdir({ secret: `${WEBHOOK_SECRET}\n` })
  const { webhooks } = configOf({
    GENESYS_SIM_CALLBACK_URL: 'https://siem.example/hook?token=hunter2',
    MONITORING_WEBHOOK_URL: 'http://127.0.0.1:9/',
    WEBHOOK_SECRET_FILE: join(folder, 'secret'),
  })
  t.equal(webhooks.addresses.callback?.reveal(), 'https://siem.example/hook?token=hunter2')
  t.equal(webhooks.addresses.monitoring?.reveal(), 'http://127.0.0.1:9/')
  t.same(
    webhooks.secrets.map((secret) => secret.reveal()),
    [WEBHOOK_SECRET],
  )
  t.notMatch(JSON.stringify(webhooks), /hunter2|whsec/)
  t.match(
    faultOf({ MONITORING_WEBHOOK_URL: 'http://127.0.0.1:9/' }),
    /WEBHOOK_SECRET is missing: MONITORING_WEBHOOK_URL is set/,
  )
  t.end()
})

test('a secret of webhooks is changed by giving both for a while', (t) => {
  const other = `whsec_${Buffer.alloc(24, 8).toString('base64')}`
  for (const both of [`${WEBHOOK_SECRET},${other}`, `${WEBHOOK_SECRET}, ${other}`]) {
    t.same(
      configOf({ WEBHOOK_SECRET: both }).webhooks.secrets.map((secret) => secret.reveal()),
      [WEBHOOK_SECRET, other],
    )
  }
  for (const wrong of [`${other},`, `${other},hunter2`, [other, other, other].join()]) {
    t.match(faultOf({ WEBHOOK_SECRET: wrong }), /WEBHOOK_SECRET must be whsec_/)
  }
  t.end()
})

test('addresses and secrets that cannot be are refused without being shown', (t) => {
  for (const url of ['siem.example', 'ftp://siem.example', 'https://me:hunter2@siem.example']) {
    const fault = faultOf({ GENESYS_SIM_CALLBACK_URL: url, WEBHOOK_SECRET })
    t.match(fault, /GENESYS_SIM_CALLBACK_URL must be an http or https URL without user/, url)
    t.notMatch(fault, 'hunter2')
  }
  for (const secret of ['hunter2', 'whsec_hunter2', 'whsec_aHVudGVyMg==', 'whsec_', 'whsec_%%%%']) {
    const fault = faultOf({ WEBHOOK_SECRET: secret })
    t.match(fault, /WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes in Base64/, secret)
    t.notMatch(fault, 'hunter2')
  }
  t.end()
})
