import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readConfig } from '../src/config.ts'
import type { Config } from '../src/config.ts'
import { Failure } from '../src/domain/failure.ts'
import { createService } from '../src/service.ts'
import type { Service } from '../src/service.ts'
import { startEventReceiver } from './event-receiver.ts'
import { generateWorld } from './generate-world.ts'
import { startSimulator } from './server.ts'
import { DEFAULT_CLIENT } from './simulated-client.ts'

/**
 * Simulator, service and a receiver of events side by side, on a generated organisation and a
 * temporary DATA_DIR. The service's own variables (PORT, LOG_LEVEL, CHECK_API_KEYS, …) are taken
 * from the environment; DEMO_USERS says how many users there are.
 */

const READY_WITHIN_MS = 60_000
/** The demo's platform is generous, so that nobody waits for a rate limit. */
const REQUESTS_PER_MINUTE = '30000'

type Keys = { readonly check: string; readonly admin: string }

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

function userCount(): number {
  const text = process.env['DEMO_USERS'] ?? '5000'
  const count = Number(text)
  if (Number.isInteger(count) && count >= 10 && count <= 100_000) return count
  throw new Failure('invalid', 'DEMO_USERS must be a whole number from 10 to 100000')
}

async function get(url: string, key: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(5_000),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return (await response.json()) as Record<string, unknown>
}

async function untilReady(service: Service, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_WITHIN_MS)])
  while (!(await fetch(`${service.checkUrl}/health/ready`, { signal: limit })).ok) {
    await delay(50, undefined, { signal: limit })
  }
}

/** A user of the organisation and a permission that this user has. */
async function findExample(
  service: Service,
  keys: Keys,
): Promise<{ readonly userId: string; readonly permission: string }> {
  const users = await get(`${service.adminUrl}/admin/v1/users?limit=50`, keys.admin)
  for (const { id } of users['items'] as { id: string }[]) {
    const held = await get(`${service.checkUrl}/api/v1/users/${id}/permissions?limit=1`, keys.check)
    const [first] = held['items'] as { permission: string; conditional: boolean }[]
    if (first && !first.conditional) return { userId: id, permission: first.permission }
  }
  throw new Error('no user of the demo holds a permission')
}

function allowlist(ipAddress: string) {
  return { name: 'Office', entries: [{ ipAddress, direction: 'INBOUND', scope: 'GLOBAL' }] }
}

const ENVIRONMENT = {
  name: 'staging-eu',
  configSource: { type: 'matrix', sources: ['current'] },
  accessControl: [{ role: 'Supervisor', permission: 'read_write' }],
}

function print(
  service: Service,
  keys: Keys,
  example: { userId: string; permission: string },
): void {
  const { checkUrl, adminUrl } = service
  const query = `userId=${example.userId}&permission=${example.permission}`
  const check = `curl -s -H 'authorization: Bearer ${keys.check}' '${checkUrl}/check-permission`
  const admin = `curl -s -H 'authorization: Bearer ${keys.admin}'`
  const post = (path: string, body: unknown): string => {
    const json = `-H 'content-type: application/json'`
    return `  ${admin} ${json} '${adminUrl}/admin/v1/${path}' -d '${JSON.stringify(body)}'`
  }
  process.stdout.write(
    [
      '',
      'The demo is ready.',
      '',
      `  check plane  ${checkUrl}   key ${keys.check}`,
      `  admin plane  ${adminUrl}   key ${keys.admin}`,
      `  try it       ${adminUrl}/docs   (any user name, the admin key as password)`,
      '',
      'May this user do this?',
      '',
      `  ${check}?${query}'`,
      '',
      'Why, or why not?',
      '',
      `  ${check}?${query}&explain=true'`,
      '',
      'What would this user lose without direct roles? (It is only simulated.)',
      '',
      post('role-changes/simulations', {
        updates: [{ userId: example.userId, newRoleIds: [] }],
      }),
      '',
      'What is wrong with this list of networks? (Nothing is created.)',
      '',
      post('ip-allowlists/validations', allowlist('8.8.8.1/24')),
      '',
      'Create it as it should be, and an environment. The events arrive below, verified.',
      '',
      post('ip-allowlists', allowlist('8.8.8.0/24')),
      '',
      post('environments', ENVIRONMENT),
      '',
      'Ctrl-C ends it.',
      '',
    ].join('\n'),
  )
}

async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'permission-check-demo-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const world = generateWorld({ seed: 1, users: userCount() })
  const simulator = await startSimulator({ world, requestsPerMinute: Number(REQUESTS_PER_MINUTE) })
  stack.defer(() => simulator.close())
  const receiver = stack.use(
    await startEventReceiver({
      secrets: () => config.webhooks.secrets.map((secret) => secret.reveal()),
      print: (line) => void process.stdout.write(`${line}\n`),
    }),
  )
  const keys = { check: randomBytes(16).toString('hex'), admin: randomBytes(16).toString('hex') }
  const config: Config = readConfig({
    CHECK_API_KEYS: `demo=${keys.check}`,
    ADMIN_API_KEYS: `demo=${keys.admin}`,
    LOG_LEVEL: 'warn',
    DATA_DIR: dataDir,
    GENESYS_SIM_CALLBACK_URL: `${receiver.url}/callback`,
    MONITORING_WEBHOOK_URL: `${receiver.url}/monitoring`,
    WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
    ...process.env,
    GENESYS_CLIENT_ID: DEFAULT_CLIENT.id,
    GENESYS_CLIENT_SECRET: DEFAULT_CLIENT.secret,
    GENESYS_BASE_URL: simulator.url,
    GENESYS_REQUESTS_PER_MINUTE: REQUESTS_PER_MINUTE,
  })
  const given = {
    check: config.auth.checkKeys.keys[0]?.secret.reveal() ?? keys.check,
    admin: config.auth.adminKeys.keys[0]?.secret.reveal() ?? keys.admin,
  }
  const service = stack.use(await createService(config))
  await service.start(stop.signal)
  await untilReady(service, stop.signal)
  print(service, given, await findExample(service, given))
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
}

try {
  await run()
} catch (error) {
  if (!stop.signal.aborted) {
    process.stderr.write(`the demo cannot run: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
}
