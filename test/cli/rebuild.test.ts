import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { SMALL_WORLD, smallWorld } from '../../simulator/small-world.ts'
import { until } from '../end-to-end/support/until.ts'
import { permctl, permctlInTerminal, startPermctl } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const world = smallWorld()
const served = await startServedWorld({ simulator: { world } })
const env = served.permctlEnv

type Told = { readonly id: string; readonly state: string; readonly revision?: number }

test('permctl rebuild', async (t) => {
  t.teardown(() => served[Symbol.asyncDispose]())

  await t.test('waits for the end and prints the outcome', async (t) => {
    const { code, stdout, stderr } = await permctl(['rebuild'], { env })
    t.equal(code, 0, stderr)
    t.match(JSON.parse(stdout), { state: 'succeeded', requestedBy: 'root', revision: 2 })
    t.equal(stderr, '', 'no progress in a pipe')
  })

  await t.test('--dry-run starts nothing', async (t) => {
    const { code, stdout, stderr } = await permctl(['rebuild', '--dry-run'], { env })
    t.equal(code, 1, stderr)
    t.match(stderr, /would read the whole organisation again/)
    t.match(JSON.parse(stdout), { dryRun: true, revision: 2 })
    const { body } = await served.caller.admin('/admin/v1/matrix')
    t.match(body, { matrix: { revision: 2 } })
  })

  await t.test('--no-wait only starts it, and status follows it', async (t) => {
    served.simulator.faults.add({
      kind: 'slow',
      match: { path: '/api/v2/authorization/divisions' },
      delayMs: 300,
      times: 1,
    })
    const started = await permctl(['rebuild', '--no-wait'], { env })
    t.equal(started.code, 0, started.stderr)
    const { id, state } = JSON.parse(started.stdout) as Told
    t.equal(state, 'running')
    const ended = await permctl(['rebuild', 'status', id, '--wait'], { env })
    t.equal(ended.code, 0, ended.stderr)
    t.match(JSON.parse(ended.stdout), { id, state: 'succeeded' })
    const again = await permctl(['rebuild', 'status', id, '--output', 'csv'], { env })
    t.match(again.stdout, /^id,state,.*\r\n.*,succeeded,/)
    const unknown = await permctl(['rebuild', 'status', 'none'], { env })
    t.equal(unknown.code, 2)
  })

  await t.test('a terminal sees progress; Ctrl-C leaves it running', async (t) => {
    const gate = Promise.withResolvers<void>()
    served.simulator.faults.add({
      kind: 'slow',
      match: { path: '/api/v2/authorization/divisions' },
      until: gate.promise,
    })
    using terminal = permctlInTerminal(['rebuild'], { env })
    await terminal.until(/requests to the platform: \d+ of \d+/)
    terminal.type('\u0003')
    t.equal(await terminal.exited, 130)
    const shown = terminal.shown()
    const [, id = ''] = /permctl rebuild status (\S+) --wait/.exec(shown) ?? []
    t.match(shown, /interrupted: the rebuild goes on in the service/)
    const joining = startPermctl(['rebuild'], { env })
    let told = ''
    joining.stderr.on('data', (chunk: Buffer) => void (told += chunk.toString()))
    const ended = Promise.all([text(joining.stdout), once(joining, 'close')])
    await until('it has joined', () => told.includes(`one runs already, asked for by root: ${id}`))
    gate.resolve()
    const [stdout, [code]] = await ended
    served.simulator.faults.clear()
    t.equal(code, 0, told)
    t.match(JSON.parse(stdout), { id, state: 'succeeded' })
  })

  await t.test('what a guard refuses is 1, and --allow-shrink takes it', async (t) => {
    for (const user of Object.values(SMALL_WORLD.users).slice(0, 8)) {
      served.simulator.deleteUser(user)
    }
    const refused = await permctl(['rebuild'], { env })
    t.equal(refused.code, 1, refused.stderr)
    t.match(JSON.parse(refused.stdout), { state: 'refused', error: /./ })
    const taken = await permctl(['rebuild', '--allow-shrink'], { env })
    t.equal(taken.code, 0, taken.stdout)
    t.match(JSON.parse(taken.stdout), { state: 'succeeded', allowShrink: true })
  })

  await t.test('a platform that cannot be read is 3', async (t) => {
    served.simulator.faults.add({
      kind: 'status',
      status: 403,
      match: { path: '/api/v2/authorization/divisions' },
    })
    t.teardown(() => served.simulator.faults.clear())
    using terminal = permctlInTerminal(['rebuild'], { env })
    t.equal(await terminal.exited, 3, terminal.shown())
    t.match(terminal.shown(), /^state +failed$/m)
    t.match(terminal.shown(), /^error +\S/m)
  })
})
