import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import type { Rebuild } from '../../domain/rebuild.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { follow } from '../follow.ts'
import { addDryRun, addExamples } from '../global-options.ts'
import { reader, requireWord } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { ServiceClient } from '../service-client.ts'
import type { Run, Session } from '../session.ts'

type Options = {
  readonly allowShrink?: boolean
  readonly dryRun?: boolean
  readonly wait: boolean
}

const PATH = '/admin/v1/rebuilds'

/** `permctl rebuild`: exit code 1 when a guard refused what was read, 3 when it could not be read. */
export function addRebuild(program: Command, run: Run): void {
  const command = program
    .command('rebuild')
    .description('read the organisation again; exit code 1 when a guard refuses what was read')
    .option('--allow-shrink', 'take far fewer users or grants for real')
    .option('--no-wait', 'only start it')
    .action((options: Options) => run((session) => rebuild(session, options)))
  addDryRun(command)
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

async function rebuild(
  session: Session,
  { allowShrink, dryRun, wait }: Options,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  if (dryRun === true) return await tellPlan(session, admin)
  const body = { allowShrink: allowShrink === true }
  session.resumeWith('it may have been started: running the command again follows it')
  const { value: started, isNew } = await admin.send(PATH, readRebuild, { body })
  if (!isNew) {
    await session.note(`one runs already, asked for by ${started.requestedBy}: ${started.id}`)
  }
  return await tell(session, wait ? await followRebuild(session, admin, started.id, true) : started)
}

async function rebuildStatus(session: Session, id: string, wait: boolean): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const found = wait
    ? await followRebuild(session, admin, id)
    : await admin.get(pathOf(id), readRebuild)
  return await tell(session, found)
}

/** Rebuilds are kept in the memory of the service: one that is not there any longer ended with it. */
async function followRebuild(
  session: Session,
  admin: ServiceClient,
  id: string,
  isKnown = false,
): Promise<Rebuild> {
  let wasThere = isKnown
  const ended = await follow<Rebuild | undefined>(session, {
    name: 'requests to the platform',
    read: async () => {
      try {
        const found = await admin.get(pathOf(id), readRebuild)
        wasThere = true
        return found
      } catch (error) {
        if (wasThere && error instanceof Failure && error.code === 'not-found') return undefined
        throw error
      }
    },
    isOver: (found) => found?.state !== 'running',
    progressOf: (found) => found?.progress ?? { done: 0, total: 0 },
    advice: `the rebuild goes on in the service: permctl rebuild status ${id} --wait`,
  })
  if (ended) return ended
  const message = `the service was started anew while rebuild ${id} ran, and knows nothing of it`
  throw new Failure(
    'upstream-broken',
    `${message}: it rebuilds at its start; \`permctl health\` says how it stands`,
  )
}

const readStatus = reader({ runningRebuild: 'object?', matrix: 'object?' })
const readHeld = reader({ revision: 'number', takenAt: 'string' })

type Plan = {
  readonly dryRun: true
  /** The one that would be followed instead of starting another. */
  readonly running?: string
  readonly revision?: number
  readonly takenAt?: string
}

/** What `rebuild` would do. */
async function tellPlan(session: Session, admin: ServiceClient): Promise<ExitCode> {
  const path = '/admin/v1/matrix'
  const { runningRebuild, matrix } = await admin.get(path, readStatus)
  const held = matrix && readHeld(matrix, path)
  const running = runningRebuild && readRebuild(runningRebuild, path)
  const plan: Plan = {
    dryRun: true,
    ...(running && { running: running.id }),
    ...(held && { revision: held.revision, takenAt: held.takenAt }),
  }
  const would = running
    ? `would follow the rebuild that runs already: ${running.id}`
    : 'would read the whole organisation again'
  await session.note(would)
  await session.output.document(plan, {
    columns: [
      { name: 'running', value: (each) => each.running },
      { name: 'revision', value: ({ revision }) => revision },
      { name: 'takenAt', value: ({ takenAt }) => takenAt },
    ],
  })
  return running ? EXIT.done : EXIT.denied
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
