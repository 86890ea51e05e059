import type { Command } from 'commander'
import type { Rebuild } from '../../domain/rebuild.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { follow } from '../follow.ts'
import { addExamples } from '../global-options.ts'
import { reader, requireWord } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { ServiceClient } from '../service-client.ts'
import type { Run, Session } from '../session.ts'

type Options = { readonly allowShrink?: boolean; readonly wait: boolean }

const PATH = '/admin/v1/rebuilds'

/** `permctl rebuild`: exit code 1 when a guard refused what was read, 3 when it could not be read. */
export function addRebuild(program: Command, run: Run): void {
  const command = program
    .command('rebuild')
    .description('read the organisation again; exit code 1 when a guard refuses what was read')
    .option('--allow-shrink', 'take far fewer users or grants for real')
    .option('--no-wait', 'only start it')
    .action((options: Options) => run((session) => rebuild(session, options)))
  addExamples(command, [
    'permctl rebuild',
    'permctl rebuild --allow-shrink',
    'permctl rebuild --no-wait --output json | jq -r .id',
  ])
  const status = command
    .command('status')
    .description('how far one of the last rebuilds is; exit codes as rebuild')
    .argument('<id>', 'id of the rebuild')
    .option('--wait', 'follow it to its end')
    .action((id: string, { wait }: { readonly wait?: boolean }) => {
      return run((session) => rebuildStatus(session, id, wait === true))
    })
  addExamples(status, [
    'permctl rebuild status 3f0c5d1e-6a1b-4f7e-9a52-0d3c8e7b1a94',
    'permctl rebuild status 3f0c5d1e-6a1b-4f7e-9a52-0d3c8e7b1a94 --wait',
  ])
}

async function rebuild(session: Session, { allowShrink, wait }: Options): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const body = { allowShrink: allowShrink === true }
  session.resumeWith('it may have been started: running the command again follows it')
  const { value: started, isNew } = await admin.send(PATH, readRebuild, { body })
  if (!isNew) {
    await session.note(`one runs already, asked for by ${started.requestedBy}: ${started.id}`)
  }
  return await tell(session, wait ? await followRebuild(session, admin, started.id) : started)
}

async function rebuildStatus(session: Session, id: string, wait: boolean): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const found = wait
    ? await followRebuild(session, admin, id)
    : await admin.get(pathOf(id), readRebuild)
  return await tell(session, found)
}

async function followRebuild(session: Session, admin: ServiceClient, id: string): Promise<Rebuild> {
  return await follow(session, {
    name: 'requests to the platform',
    read: () => admin.get(pathOf(id), readRebuild),
    isOver: ({ state }) => state !== 'running',
    progressOf: ({ progress }) => progress,
    advice: `the rebuild goes on in the service: permctl rebuild status ${id} --wait`,
  })
}

async function tell(session: Session, told: Rebuild): Promise<ExitCode> {
  await session.output.document(told, {
    columns: [
      { name: 'id', value: ({ id }) => id },
      { name: 'state', value: ({ state }) => state },
      { name: 'revision', value: ({ revision }) => revision },
      { name: 'requestedBy', value: ({ requestedBy }) => requestedBy },
      { name: 'allowShrink', value: ({ allowShrink }) => (allowShrink ? 'yes' : '') },
      { name: 'requests', value: ({ progress: { done, total } }) => `${done} of ${total}` },
      { name: 'startedAt', value: ({ startedAt }) => startedAt },
      { name: 'finishedAt', value: ({ finishedAt }) => finishedAt },
      { name: 'error', value: ({ error }) => error },
    ],
  })
  return EXIT_OF[told.state]
}

const EXIT_OF: Readonly<Record<Rebuild['state'], ExitCode>> = {
  running: EXIT.done,
  succeeded: EXIT.done,
  refused: EXIT.denied,
  failed: EXIT.upstream,
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`
}

const readMembers = reader({
  id: 'string',
  state: 'string',
  requestedBy: 'string',
  allowShrink: 'boolean',
  progress: 'object',
  startedAt: 'string',
  finishedAt: 'string?',
  revision: 'number?',
  error: 'string?',
})
const readProgress = reader({ done: 'number', total: 'number' })

const readRebuild: Reader<Rebuild> = (answer, where) => {
  const rebuilt = readMembers(answer, where)
  readProgress(rebuilt.progress, where)
  requireWord(rebuilt.state, Object.keys(EXIT_OF), where)
  return rebuilt as unknown as Rebuild
}
