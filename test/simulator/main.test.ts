import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'tap'

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ['simulator/main.ts', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the process has no output')
  const [line] = await once(createInterface(child.stdout), 'line')
  return line
}

test('the process says where it serves and ends on SIGTERM', async (t) => {
  const child = start(['--world', 'small'], { SIMULATOR_PORT: '0' })
  t.teardown(() => child.kill('SIGKILL'))
  const [url] = /http:\S+/.exec(await firstLine(child)) ?? []
  const world = await fetch(`${url}/simulator/world`)
  t.match(await world.json(), { organization: { name: 'Small World' }, counts: { users: 11 } })
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null])
})

test('the command line wins over the environment', async (t) => {
  const child = start(['--users', '30', '--port', '0'], { SIMULATOR_USERS: '20' })
  t.teardown(() => child.kill('SIGKILL'))
  const [url] = /http:\S+/.exec(await firstLine(child)) ?? []
  const world = await fetch(`${url}/simulator/world`)
  t.match(await world.json(), { counts: { users: 30 } })
  child.kill('SIGINT')
  t.strictSame(await once(child, 'exit'), [0, null])
})

test('the process refuses options that it does not understand', async (t) => {
  const child = start(['--users', 'many'])
  t.teardown(() => child.kill('SIGKILL'))
  const [code] = await once(child, 'exit')
  t.equal(code, 1)
})
