import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { until } from '../end-to-end/support/until.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const { users, roles, divisions } = SMALL_WORLD
const CHANGES = ['changes']
const HEADINGS = 'userId,operation,roleId,divisionId\n'
const GRANT = `${HEADINGS}alice.adler@small.example,grant,Quality Evaluator,Sales\n${users.bob},revoke,Supervisor,*\n`
/** By default a supervisor must be no agent. */
const FORBIDDEN = `${HEADINGS}alice.adler@small.example,grant,Supervisor,Sales\n`
/** The platform's own path of writing a user's grants. */
const WRITES = /\/api\/v2\/authorization\/subjects\/[^/]+\/bulkadd/

const served = await startServedWorld()
const env = served.permctlEnv

type Item = { readonly userId: string; readonly state: string }
type Batch = { readonly id: string; readonly state: string; readonly items: readonly Item[] }

function apply(stdin: string, ...more: string[]) {
  return permctl([...CHANGES, 'apply', '-', ...more], { env, stdin })
}

function states({ items }: Batch): readonly string[] {
  return items.map(({ state }) => state)
}

test('permctl changes', async (t) => {
  t.teardown(() => served[Symbol.asyncDispose]())

  await t.test('simulate tells what would differ, and changes nothing', async (t) => {
    const words = [...CHANGES, 'simulate', '-']
    const { code, stdout, stderr } = await permctl(words, { env, stdin: GRANT })
    t.equal(code, 1, stderr)
    const told = JSON.parse(stdout) as Record<string, unknown>
    t.match(told, { revision: 1, blastRadius: { grantsAdded: 1, grantsRemoved: 1 } })
    t.equal((told['entries'] as unknown[]).length, 2)
    const json = JSON.stringify([
      { userId: users.alice, grant: [{ roleId: 'Agent', divisionId: 'Sales' }] },
    ])
    const nothing = await permctl(words, { env, stdin: json })
    t.equal(nothing.code, 0, 'she has it')
    t.match(JSON.parse(nothing.stdout), {
      entries: [],
      withoutEffect: [{ reason: 'held-already' }],
    })
    const lines = await permctl([...words, '-o', 'ndjson', '--limit', '1'], { env, stdin: GRANT })
    t.equal(lines.stdout.trimEnd().split('\n').length, 1)
    t.match(JSON.parse(lines.stdout), { action: 'role_assignment_change' })
    t.equal((await served.caller.admin('/admin/v1/role-changes')).body.items.length, 0)
  })

  await t.test('simulate as a person reads it: conflicts with rules among it', async (t) => {
    const words = [...CHANGES, 'simulate', '-', '--output', 'table']
    const { code, stdout } = await permctl(words, { env, stdin: FORBIDDEN })
    t.equal(code, 1)
    t.match(stdout, /1 user would be skipped for a rule/)
    t.match(stdout, /^conflict \(new\): Alice Adler: supervisor-excludes-agent: /m)
    t.match(stdout, /^user +blocked +added/m)
    const edited = {
      roleId: 'Agent',
      addPolicies: [{ domain: 'routing', entity: 'queue', actions: ['edit'] }],
    }
    const role = await permctl([...CHANGES, 'simulate', '-'], {
      env,
      stdin: JSON.stringify(edited),
    })
    t.equal(role.code, 1, role.stderr)
    t.match(JSON.parse(role.stdout), { licences: [{ roleId: roles.agent }] })
    const told = await permctl([...CHANGES, 'simulate', '-', '--output', 'table'], {
      env,
      stdin: JSON.stringify(edited),
    })
    t.match(told.stdout, /^licences of Agent \([^()]+\): \d+ gained, \d+ lost$/m)
  })

  await t.test('what cannot be read is 2, every fault at its row', async (t) => {
    const stdin = `${HEADINGS}alice.adler@small.example,gramt,Agent,Sales\nnobody@small.example,grant,Agent,Sales\n`
    const { code, stderr } = await apply(stdin)
    t.equal(code, 2)
    t.match(stderr, /row 2 operation: must be grant or revoke/)
    const unknown = await apply(`${HEADINGS}nobody@small.example,grant,Agnet,Sales\n`)
    t.equal(unknown.code, 2)
    t.match(unknown.stderr, /row 2 userId/)
    t.match((await apply('{"updates":[{')).stderr, /standard input is no JSON/)
    t.match((await apply(' ')).stderr, /nothing to change/)
  })

  await t.test('apply --dry-run is a simulation', async (t) => {
    const { code, stdout } = await apply(GRANT, '--dry-run', '--comment', 'try')
    t.equal(code, 1)
    t.match(JSON.parse(stdout), { blastRadius: { users: 2 } })
    t.equal((await served.caller.admin('/admin/v1/role-changes')).body.items.length, 0)
  })

  await t.test('apply follows to the end; the same line again applies nothing', async (t) => {
    const first = await apply(GRANT, '--comment', 'new team')
    t.equal(first.code, 0, first.stderr)
    const batch = JSON.parse(first.stdout) as Batch
    t.match(batch, { state: 'succeeded', comment: 'new team', progress: { done: 2, total: 2 } })
    t.same(states(batch), ['applied', 'applied'])
    const again = await apply(GRANT, '--comment', 'new team')
    t.equal(again.code, 0)
    t.match(again.stderr, new RegExp(`accepted before: batch ${batch.id} of root`))
    t.same(JSON.parse(again.stdout), batch)
    const anew = await apply(GRANT, '--comment', 'new team', '--key', 'second-run')
    t.equal(anew.code, 0)
    t.same(states(JSON.parse(anew.stdout) as Batch), ['unchanged', 'unchanged'])
    const { stdout } = await permctl([...CHANGES, 'list', '--user', 'BOB.brandt@small.example'], {
      env,
    })
    t.equal((JSON.parse(stdout) as Batch[]).length, 2)
  })

  await t.test('the same line again tells that things are no longer so', async (t) => {
    const grant = `${HEADINGS}${users.olivia},grant,Agent,Support\n`
    const first = await apply(grant, '--comment', 'again')
    t.equal(first.code, 0, first.stderr)
    const { id } = JSON.parse(first.stdout) as Batch
    const taken = `${HEADINGS}${users.olivia},revoke,Agent,Support\n`
    t.equal((await apply(taken)).code, 0)
    const gone = await apply(grant, '--comment', 'again')
    t.equal(gone.code, 1, gone.stderr)
    t.match(gone.stderr, /accepted before, but no longer so: --key NAME applies it again/)
    t.equal((JSON.parse(gone.stdout) as Batch).id, id)
    const restored = await apply(grant, '--comment', 'again', '--key', 'again-2')
    t.equal(restored.code, 0, restored.stderr)
    t.equal((await apply(grant, '--comment', 'again')).code, 0, 'it is so once more')
    const { id: last } = JSON.parse(restored.stdout) as Batch
    t.equal((await permctl([...CHANGES, 'rollback', last, '--yes'], { env })).code, 0)
    const rolledBack = await apply(grant, '--comment', 'again', '--key', 'again-2')
    t.equal(rolledBack.code, 1, rolledBack.stderr)
    t.match(rolledBack.stderr, /no longer so/)
  })

  await t.test('a list with something behind it is no list', async (t) => {
    const update = { userId: users.olivia, grant: [{ roleId: 'Agent', divisionId: 'Sales' }] }
    const { code, stderr } = await apply(`[${JSON.stringify(update)}], "force": true`)
    t.equal(code, 2)
    t.match(stderr, /standard input is no JSON at position/)
  })

  await t.test('what breaks a rule is skipped: 3 for nothing, 4 for a part', async (t) => {
    const none = await apply(FORBIDDEN, '--output', 'csv')
    t.equal(none.code, 3)
    t.match(none.stdout, /^user,state,added,removed,error,userId\r\n.*,skipped-conflict,/)
    const both = `${FORBIDDEN}${users.heidi},grant,Agent,Support\n`
    const part = await apply(both, '--on-failure', 'continue', '--output', 'ndjson')
    t.equal(part.code, 4, part.stdout)
    const items = part.stdout.trimEnd().split('\n')
    t.same(items.map((line) => (JSON.parse(line) as Item).state).toSorted(), [
      'applied',
      'skipped-conflict',
    ])
  })

  await t.test('Ctrl-C leaves a batch to the service; it can be stopped and resumed', async (t) => {
    await using folder = await temporaryFolder()
    const { carol, dave, heidi, ivan, judy, olivia } = users
    const people = [carol, dave, heidi, ivan, judy, olivia]
    const rows = people.map((id) => `${id},grant,Quality Evaluator,${divisions.support}\n`)
    await writeFile(join(folder.path, 'all.csv'), HEADINGS + rows.join(''))
    // The first is written, the second is held until the stop has been asked for.
    const gate = Promise.withResolvers<void>()
    const held = { kind: 'slow', match: { path: WRITES }, until: gate.promise, after: 1 } as const
    served.simulator.faults.add(held)
    using terminal = permctlInTerminal([...CHANGES, 'apply', 'all.csv'], {
      env,
      folder: folder.path,
    })
    await terminal.until(/users: 1 of 6/)
    terminal.type('\u0003')
    t.equal(await terminal.exited, 130)
    const [, id = ''] =
      /in the service: permctl changes status (\S+) --wait/.exec(terminal.shown()) ?? []
    const stopping = permctl([...CHANGES, 'stop', id], { env })
    await until('the stop has been asked for', async () => {
      const { body } = await served.caller.admin(`/admin/v1/role-changes/${id}`)
      return body.stopRequested === true
    })
    gate.resolve()
    const stopped = await stopping
    served.simulator.faults.clear()
    t.equal(stopped.code, 0, stopped.stderr)
    t.match(JSON.parse(stopped.stdout), { id, state: 'stopped' })
    t.match(stopped.stderr, new RegExp(`permctl changes resume ${id}`))
    t.equal((await permctl([...CHANGES, 'stop', id], { env })).code, 0, 'twice is once')
    t.equal((await permctl([...CHANGES, 'status', id], { env })).code, 4, 'a part was done')
    t.equal((await permctl([...CHANGES, 'resume', id, '--dry-run'], { env })).code, 1)
    const resumed = await permctl([...CHANGES, 'resume', id], { env })
    t.equal(resumed.code, 0, resumed.stderr)
    t.same(new Set(states(JSON.parse(resumed.stdout) as Batch)), new Set(['applied']))
    const twice = await permctl([...CHANGES, 'resume', id], { env })
    t.equal(twice.code, 0)
    t.match(twice.stderr, /nothing to do: the batch is succeeded/)
  })

  await t.test('rollback shows what it takes back, and asks', async (t) => {
    const { id } = JSON.parse((await apply(GRANT, '--comment', 'new team')).stdout) as Batch
    const words = [...CHANGES, 'rollback', id]
    const piped = await permctl(words, { env })
    t.equal(piped.code, 2)
    t.match(piped.stderr, /Nobody can be asked here: say so with --yes/)
    t.equal((await permctl([...words, '--dry-run'], { env })).code, 1)
    using no = permctlInTerminal(words, { env })
    const question = await no.until(/\[y\/N\]/)
    t.match(question, /^Alice Adler loses Quality Evaluator in Sales$/m)
    t.match(question, /^Bob Brandt gets back Supervisor in all divisions$/m)
    no.type('n\r')
    t.equal(await no.exited, 2)
    t.match(no.shown(), /not confirmed/)
    using yes = permctlInTerminal(words, { env })
    await yes.until(/\[y\/N\]/)
    yes.type('y\r')
    t.equal(await yes.exited, 0, yes.shown())
    t.match(yes.shown(), /^state +rolled-back$/m)
    t.match(yes.shown(), /^Alice Adler +rolled-back/m)
    t.equal((await permctl([...words, '--yes'], { env })).code, 0, 'twice is once')
    const status = await permctl([...CHANGES, 'status', id, '--state', 'applied'], { env })
    t.match(JSON.parse(status.stdout), { state: 'rolled-back', items: [] })
    const anew = JSON.parse((await apply(GRANT, '--key', 'once-more')).stdout) as Batch
    served.simulator.grant(users.alice, roles.unused, divisions.home)
    const others = await permctl([...CHANGES, 'rollback', anew.id, '--yes'], { env })
    t.equal(others.code, 4, 'others changed her grants since')
    const forced = await permctl([...CHANGES, 'rollback', anew.id, '--yes', '--force'], { env })
    t.equal(forced.code, 0, forced.stdout)
  })

  await t.test('what the platform refuses is 3, with its correlation id', async (t) => {
    served.simulator.faults.add({ kind: 'status', status: 400, match: { path: WRITES } })
    t.teardown(() => served.simulator.faults.clear())
    const { code, stdout } = await apply(`${HEADINGS}${users.olivia},grant,Agent,Sales\n`)
    t.equal(code, 3, stdout)
    t.match(JSON.parse(stdout), { state: 'failed', items: [{ upstream: { correlationId: /./ } }] })
  })
})
