import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { startReceiver, WEBHOOK_SECRET } from '../support/webhook-receiver.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { until } from '../end-to-end/support/until.ts'
import { executeOnSqlite } from '../store/support/test-database.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const OFFICE = {
  name: 'Office',
  entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
}
const STAGING = {
  name: 'staging',
  configSource: { type: 'matrix', sources: ['current'] },
  accessControl: [{ role: 'Superviser', permission: 'full' }],
}
const FAULTY = {
  name: 'Bad',
  entries: [
    { ipAddress: '8.8.8.1/24', direction: 'inbound', scope: 'GLOBAL' },
    { ipAddress: '10.0.0.0/8', direction: 'INBOUND', scope: 'GLOBAL' },
  ],
}
const networks = (...addresses: readonly string[]) => {
  return JSON.stringify({ entries: addresses.map((ipAddress) => ({ ipAddress })) })
}

test('permctl allowlists, environments and deliveries', async (t) => {
  const receiver = await startReceiver(t)
  await using served = await startServedWorld({
    env: { MONITORING_WEBHOOK_URL: receiver.url, WEBHOOK_SECRET },
  })
  const { permctlEnv: env, simulator } = served
  await until('the offers are known', async () => {
    const { body } = await served.caller.admin('/admin/v1/matrix')
    return body.offers.environments !== null
  })
  const run = (words: readonly string[], body?: unknown) => {
    const stdin = typeof body === 'string' ? body : JSON.stringify(body)
    return permctl(words, { env, ...(body === undefined ? {} : { stdin }) })
  }

  await t.test('allowlists validate: every fault at its entry, 1 for any', async (t) => {
    const faulty = await run(['allowlists', 'validate', '-', '-o', 'csv'], FAULTY)
    t.equal(faulty.code, 1, faulty.stderr)
    t.match(faulty.stdout, /^error,entries\/0\/ipAddress,.*,8\.8\.8\.0\/24\r$/m)
    t.match(faulty.stdout, /^error,entries\/0\/direction,.*,INBOUND\r$/m)
    t.match(faulty.stdout, /^warning,entries\/1\/ipAddress,/m)
    const sound = await run(['allowlists', 'validate', '-'], OFFICE)
    t.equal(sound.code, 0)
    t.same(JSON.parse(sound.stdout), { valid: true, errors: [], warnings: [] })
    const own = await run(['allowlists', 'validate', '-', '--organization'], OFFICE)
    t.equal(own.code, 1, 'what is not for that list is a fault')
    t.match(own.stdout, /entries\/0\/direction/)
    t.match((await run(['allowlists', 'validate', '-'], '[]')).stderr, /is no JSON object/)
  })

  await t.test('allowlists create: twice is once, other content is a conflict', async (t) => {
    const words = ['allowlists', 'create', '-']
    const dry = await run([...words, '--dry-run'], OFFICE)
    t.equal(dry.code, 1)
    t.match(JSON.parse(dry.stdout), { dryRun: true, outcome: 'created' })
    const first = await run(words, OFFICE)
    t.equal(first.code, 0, first.stderr)
    t.match(JSON.parse(first.stdout), { outcome: 'created', allowlist: OFFICE })
    const second = await run(words, OFFICE)
    t.equal(second.code, 0)
    t.match(JSON.parse(second.stdout), { outcome: 'existing' })
    t.match(second.stderr, /there already: Office/)
    t.equal((await run([...words, '--dry-run'], OFFICE)).code, 0)
    const other = await run(words, { ...OFFICE, description: 'x' })
    t.equal(other.code, 3)
    const faulty = await run(words, FAULTY)
    t.equal(faulty.code, 2)
    t.match(faulty.stderr, /entries\/0\/ipAddress: .*; try 8\.8\.8\.0\/24/)
    t.match(JSON.parse((await run(['allowlists', 'list'])).stdout), [OFFICE])
    t.match(JSON.parse((await run(['allowlists', 'show', 'Office'])).stdout), OFFICE)
    t.equal((await run(['allowlists', 'show', 'Attic'])).code, 2)
  })

  await t.test('the organisation’s own list: difference, question, undo', async (t) => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'login.json'), networks('203.0.113.0/24', '8.8.8.0/24'))
    const words = ['allowlists', 'create', 'login.json', '--organization']
    const here = { env, folder: folder.path }
    const dry = await permctl([...words, '--dry-run'], here)
    t.equal(dry.code, 1, dry.stderr)
    t.match(JSON.parse(dry.stdout), { added: ['203.0.113.0/24', '8.8.8.0/24'], before: [] })
    const piped = await permctl(words, here)
    t.equal(piped.code, 2)
    t.match(piped.stderr, /say so with --yes/)
    t.same(simulator.world.ipAddressAllowlist, [])
    const shut = await permctl([...words, '--yes', '--caller-address', '9.9.9.9'], here)
    t.equal(shut.code, 3, 'it would shut the caller out')
    using terminal = permctlInTerminal(words, here)
    t.match(await terminal.until(/\[y\/N\]/), /^\+ 203\.0\.113\.0\/24$/m)
    terminal.type('yes\r')
    t.equal(await terminal.exited, 0, terminal.shown())
    t.same(simulator.world.ipAddressAllowlist, ['203.0.113.0/24', '8.8.8.0/24'])
    const again = await permctl(words, here)
    t.equal(again.code, 0, 'nothing differs: nobody has to be asked')
    const shown = await run(['allowlists', 'show', 'organization', '-o', 'table'])
    t.match(shown.stdout, /^networks +203\.0\.113\.0\/24; 8\.8\.8\.0\/24$/m)
    const undo = await run(['allowlists', 'undo', '--dry-run'])
    t.equal(undo.code, 1)
    t.match(JSON.parse(undo.stdout), { added: [], removed: ['203.0.113.0/24', '8.8.8.0/24'] })
    t.equal((await run(['allowlists', 'undo'])).code, 2)
    t.equal((await run(['allowlists', 'undo', '--yes'])).code, 0)
    t.same(simulator.world.ipAddressAllowlist, [])
    const none = await run(['allowlists', 'undo', '--yes'])
    t.equal(none.code, 0)
    t.match(none.stderr, /no change of the organisation’s list to take back/)
  })

  await t.test('environments: validated, created once, shown', async (t) => {
    const words = ['environments', 'create', '-']
    const faulty = await run(['environments', 'validate', '-'], { ...STAGING, name: 'Dev 1' })
    t.equal(faulty.code, 1)
    t.match(JSON.parse(faulty.stdout), { errors: [{ field: 'name', suggestion: 'dev-1' }] })
    const dry = await run([...words, '--dry-run'], STAGING)
    t.equal(dry.code, 1, dry.stderr)
    t.match(JSON.parse(dry.stdout), { dryRun: true, count: 0 })
    receiver.answer = (response) => void response.writeHead(500).end()
    const first = await run(words, STAGING)
    t.equal(first.code, 0, first.stderr)
    t.match(JSON.parse(first.stdout), { outcome: 'created', environment: STAGING })
    t.match(first.stderr, /^warning: accessControl\/0\/role: /m)
    const second = await run(words, STAGING)
    t.equal(second.code, 0, second.stderr)
    t.match(second.stderr, /there already: staging/)
    t.equal((await run([...words, '--dry-run'], STAGING)).code, 0)
    const other = { ...STAGING, description: 'another' }
    t.equal((await run(words, other)).code, 3)
    t.match(JSON.parse((await run(['environments', 'show', 'staging'])).stdout), STAGING)
    t.match((await run(['environments', 'list', '-o', 'csv'])).stdout, /^staging,/m)
    using terminal = permctlInTerminal(['environments', 'list'], { env, columns: 200 })
    t.equal(await terminal.exited, 0)
    t.match(terminal.shown(), /^staging +/m)
  })

  await t.test('deliveries: listed, and retried one by one or all', async (t) => {
    const listed = async (state: string): Promise<{ id: string; attempts: number }[]> => {
      const words = ['deliveries', 'list', '--state', state]
      return JSON.parse((await run(words)).stdout) as { id: string; attempts: number }[]
    }
    const [tried] = await until('it was tried', async () => {
      const waiting = await listed('pending')
      return (waiting[0]?.attempts ?? 0) > 0 && waiting
    })
    const path = join(served.env['DATA_DIR'] ?? '', 'genesys-permission-check.sqlite')
    await executeOnSqlite(path, [`update deliveries set state = 'dead', finished_at = created_at`])
    const dry = await run(['deliveries', 'retry', '--all-dead', '--dry-run'])
    t.equal(dry.code, 1)
    t.match(JSON.parse(dry.stdout), [{ id: tried?.id, state: 'dead' }])
    const one = await run(['deliveries', 'retry', tried?.id ?? '', '--dry-run'])
    t.equal(one.code, 1, one.stderr)
    t.match(JSON.parse(one.stdout), { id: tried?.id, state: 'dead' })
    receiver.answer = (response) => void response.writeHead(204).end()
    const retried = await run(['deliveries', 'retry', '--all-dead'])
    t.equal(retried.code, 0, retried.stderr)
    t.match(JSON.parse(retried.stdout), [{ id: tried?.id }])
    await until('it has arrived', async () => (await listed('delivered')).length > 0)
    t.same(JSON.parse((await run(['deliveries', 'retry', '--all-dead'])).stdout), [])
    const arrived = await run(['deliveries', 'retry', tried?.id ?? ''])
    t.equal(arrived.code, 3, 'what has arrived is not sent again')
    t.equal((await run(['deliveries', 'retry', tried?.id ?? '', '--dry-run'])).code, 3)
    t.equal((await run(['deliveries', 'retry', 'unknown'])).code, 2)
    t.equal((await run(['deliveries', 'retry', 'unknown', '--dry-run'])).code, 2)
    t.match((await run(['deliveries', 'retry'])).stderr, /either the id .* or --all-dead/)
    using terminal = permctlInTerminal(['deliveries', 'list'], { env, columns: 200 })
    t.equal(await terminal.exited, 0)
    t.match(terminal.shown(), /^environment\.created +monitoring +delivered/m)
  })

  await t.test('an organisation without the architecture API is 3, and says so', async (t) => {
    simulator.world.architecture.offered = false
    const { code, stderr } = await run(['environments', 'list'])
    t.equal(code, 3)
    t.match(stderr, /does not offer/)
  })
})
