import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { test } from 'tap'
import { buildProgram } from '../../src/cli/program.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const VIEW = 'routing:queue:view'
const ALICE = 'alice.adler@small.example'

/** Words of a command, the exit code, and what a person sees of it; BATCH and REBUILD are ids. */
type Shown = readonly [words: string, code: number, shown: RegExp]

const FILES = {
  'checks.csv': `user,permission\n${ALICE},${VIEW}\n`,
  'changes.csv': `userId,operation,roleId,divisionId\nolivia.ott@small.example,grant,Agent,Support\n`,
  'office.json': JSON.stringify({
    name: 'Office',
    entries: [{ ipAddress: '8.8.8.0/24', direction: 'INBOUND', scope: 'GLOBAL' }],
  }),
  'staging.json': JSON.stringify({
    name: 'staging',
    configSource: { type: 'matrix', sources: ['current'] },
    accessControl: [{ role: 'Supervisor', permission: 'read_write' }],
  }),
} as const

/** Whoever is asked at once sheds load: so many side by side. */
const SIDE_BY_SIDE = 3
const LOOKS: readonly Shown[] = [
  [`check ${ALICE} ${VIEW}`, 0, /^allowed$/m],
  ['check --file checks.csv', 0, new RegExp(`^${ALICE} +${VIEW} +true$`, 'm')],
  ['health', 0, /^ready +true$/m],
  ['rebuild status REBUILD', 0, /^state +succeeded$/m],
  ['changes simulate changes.csv', 1, /^1 grant would be added, 0 removed$/m],
  ['allowlists validate office.json', 0, /nothing is at fault/],
  ['environments validate staging.json', 0, /nothing is at fault/],
  ['deliveries retry --all-dead', 0, /^$/],
]

const STEPS: readonly Shown[] = [
  ['changes list', 0, /^BATCH +succeeded +1 of 1/m],
  ['changes status BATCH', 0, /^state +succeeded$/m],
  ['changes stop BATCH', 0, /nothing to do: the batch is succeeded/],
  ['changes resume BATCH', 0, /nothing to do: the batch is succeeded/],
  ['changes rollback BATCH --yes', 0, /^Olivia Ott +rolled-back/m],
  ['allowlists create office.json', 0, /^outcome +created$/m],
  ['allowlists list', 0, /^Office +8\.8\.8\.0\/24 INBOUND GLOBAL/m],
  ['allowlists show Office', 0, /^entries +8\.8\.8\.0\/24 INBOUND GLOBAL$/m],
  ['allowlists undo --yes', 0, /there is no change of the organisation’s list to take back/],
  ['environments create staging.json', 0, /^outcome +created$/m],
  ['environments show staging', 0, /^name +staging$/m],
]

/** Commands that the tests of their subjects run on a terminal. */
const ELSEWHERE: readonly string[] = [
  'explain',
  'who-can',
  'permissions',
  'changes apply',
  'audit list',
  'audit report',
  'audit verify',
  'environments list',
  'deliveries list',
  'users list',
  'users export',
  'users provision',
  'queues list',
  'queues plan',
  'queues apply',
  'analytics queues',
  'auth',
  'completion',
]

/** The words of every command that does something by itself. */
function commandsOf(command: Command, words: readonly string[] = []): readonly string[] {
  const visible = command.createHelp().visibleCommands(command)
  const below = visible.filter((each) => each.name() !== 'help')
  if (below.length === 0) return [words.join(' ')]
  return below.flatMap((each) => commandsOf(each, [...words, each.name()]))
}

test('every command speaks to a person on a terminal', async (t) => {
  const program = buildProgram(
    async () => undefined,
    () => undefined,
  )
  const shown = [...LOOKS, ...STEPS].map(([words]) => words)
  for (const command of commandsOf(program)) {
    const isShown = [...shown, ...ELSEWHERE].some((words) => `${words} `.startsWith(`${command} `))
    t.ok(isShown, command)
  }

  await using world = await startServedWorld()
  await using folder = await temporaryFolder()
  for (const [name, content] of Object.entries(FILES)) {
    await writeFile(join(folder.path, name), content)
  }
  const env = world.permctlEnv
  const idOf = async (...words: readonly string[]): Promise<string> => {
    const options = { env, folder: folder.path }
    const { stdout, stderr } = await permctl([...words, '--output', 'json'], options)
    t.equal(stderr, '')
    return (JSON.parse(stdout) as { readonly id: string }).id
  }
  const ids = { REBUILD: await idOf('rebuild'), BATCH: '' }
  const filled = (text: string): string => {
    return text.replace('REBUILD', ids.REBUILD).replace('BATCH', ids.BATCH)
  }
  const see = async ([words, code, pattern]: Shown): Promise<void> => {
    const given = filled(words).split(' ')
    using terminal = permctlInTerminal(given, { env, folder: folder.path, columns: 200 })
    t.equal(await terminal.exited, code, `${words}\n${terminal.shown()}`)
    t.match(terminal.shown(), new RegExp(filled(pattern.source), pattern.flags), words)
  }
  for (let at = 0; at < LOOKS.length; at += SIDE_BY_SIDE) {
    await Promise.all(LOOKS.slice(at, at + SIDE_BY_SIDE).map(see))
  }
  ids.BATCH = await idOf('changes', 'apply', 'changes.csv')
  for (const step of STEPS) await see(step)
})
