import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { lastingPort } from '../support/lasting-port.ts'
import { readCompose, withDefaults } from './support/compose.ts'
import { commandOf, ImageBuilder, pairsOf, runPath, textsOf } from './support/dockerfile.ts'
import { readText, ROOT } from './support/repository.ts'

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 120_000

type Container = {
  readonly child: ChildProcess
  readonly env: NodeJS.ProcessEnv
  readonly directory: string
  /** What it wrote, for a test that fails. */
  output(): string
}

/** Starts a stage's command in its folder, with the image's variables and these. */
function startContainer(
  stage: string,
  root: string,
  variables: Readonly<Record<string, string>>,
): Container {
  const [program = '', ...args] = commandOf(stage, 'CMD')
  const image = Object.entries(pairsOf(stage, 'ENV')).map(([name, value]) => [
    name,
    value.startsWith('/') ? join(root, value) : value,
  ])
  const env = { PATH: runPath(), ...Object.fromEntries(image), ...variables }
  const directory = join(root, textsOf(stage, 'WORKDIR').at(-1) ?? '/')
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => (output += String(chunk)))
  }
  return { child, env, directory, output: () => output }
}

/** Runs the image's own health command until it says healthy. */
async function becomesHealthy(stage: string, container: Container): Promise<boolean> {
  const [program = '', ...args] = commandOf(stage, 'HEALTHCHECK')
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline && container.child.exitCode === null) {
    const { env, directory } = container
    const probe = spawn(program, args, { cwd: directory, env, stdio: 'ignore' })
    const [code] = await once(probe, 'exit')
    if (code === 0) return true
    await delay(100)
  }
  return false
}

async function stop({ child }: Container): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) })
  return code as number | null
}

/** The service's variables as the compose file sets them, with its secrets as files of this folder. */
function composeVariables(): Record<string, string> {
  const { services, secrets } = readCompose()
  const variables = Object.entries(services['service']?.environment ?? {})
  return Object.fromEntries(
    variables.map(([name, value]) => {
      const [, secret] = /^\/run\/secrets\/(.+)$/.exec(value) ?? []
      if (secret === undefined) return [name, withDefaults(value)]
      return [name, join(ROOT, withDefaults(secrets[secret]?.file ?? ''))]
    }),
  )
}

const builder = await ImageBuilder.open()
test('the images', { timeout: 580_000 }, async (t) => {
  t.teardown(() => rm(builder.folder, { recursive: true, force: true }))

  await t.test('hold no devDependency, and of the repository only what they run', async (t) => {
    const root = join(await builder.build('service'), 'app')
    t.same(readdirSync(root).toSorted(), ['bin', 'node_modules', 'openapi', 'package.json', 'src'])
    const lock = JSON.parse(readText('package-lock.json')) as {
      packages: Record<string, { dev?: boolean }>
    }
    const unwanted = Object.keys(lock.packages).filter((path) => lock.packages[path]?.dev === true)
    t.ok(unwanted.includes('node_modules/node'), 'the list is one')
    t.same(
      unwanted.filter((path) => existsSync(join(root, path))),
      [],
    )
  })

  await t.test('have permctl on the PATH', async (t) => {
    const link = join(await builder.build('service'), 'usr/local/bin/permctl')
    // tap makes every child load its own modules: this one is as users run it.
    const child = spawn('env', ['-u', 'NODE_OPTIONS', 'permctl', '--version'], {
      env: { PATH: `${dirname(link)}:${runPath()}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.equal(
      await text(child.stdout),
      `${pairsOf('service', 'LABEL')['org.opencontainers.image.version']}\n`,
    )
  })

  await t.test('start together, serve, and stop at a signal', async (t) => {
    const [port, adminPort, simulatorPort] = [
      await lastingPort(),
      await lastingPort(),
      await lastingPort(),
    ]
    const simulator = startContainer('simulator', await builder.build('simulator'), {
      SIMULATOR_PORT: String(simulatorPort),
      SIMULATOR_USERS: '50',
    })
    t.teardown(() => simulator.child.kill('SIGKILL'))
    if (!(await becomesHealthy('simulator', simulator))) throw new Error(simulator.output())

    const root = await builder.build('service')
    const service = startContainer('service', root, {
      ...composeVariables(),
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      GENESYS_BASE_URL: `http://127.0.0.1:${simulatorPort}`,
    })
    t.teardown(() => service.child.kill('SIGKILL'))
    if (!(await becomesHealthy('service', service))) throw new Error(service.output())

    const ready = `http://127.0.0.1:${port}/health/ready`
    const deadline = Date.now() + START_TIMEOUT_MS
    let answer = await fetch(ready)
    while (answer.status !== 200 && Date.now() < deadline) {
      await delay(100)
      answer = await fetch(ready)
    }
    t.equal(answer.status, 200, 'a matrix is built from the demo values')

    const metrics = await fetch(`http://127.0.0.1:${adminPort}/metrics`, {
      headers: {
        authorization: `Bearer ${readText('monitoring/demo-secrets/metrics-key').trim()}`,
      },
    })
    t.equal(metrics.status, 200, 'Prometheus gets in')
    t.match(await metrics.text(), /^permission_check_matrix_users \d/m)

    t.equal(await stop(service), 0, 'the service ends cleanly')
    t.equal(await stop(simulator), 0, 'and so does the simulator')
    if (!t.passing()) t.comment(service.output(), simulator.output())
    const files = readdirSync(join(root, pairsOf('service', 'ENV')['DATA_DIR'] ?? ''))
    t.ok(
      files.some((name) => name.endsWith('.snapshot')),
      'the matrix is on the volume',
    )
  })
})
