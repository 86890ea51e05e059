import { tellBatch, tellWithItems } from './apply-changes.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import {
  describeGrant,
  findBatch,
  followBatch,
  isAtRest,
  ITEM_COLUMNS,
  itemsOf,
  pathOfBatch,
  readBatch,
} from './role-changes.ts'
import type { Batch, BatchItem } from './role-changes.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'

export type CommandOptions = { readonly dryRun?: boolean; readonly wait: boolean }

type Command = {
  readonly name: 'stop' | 'resume' | 'rollback'
  readonly body?: object
  /** Whether the batch is what the command would make of it. */
  readonly isDone: (batch: Batch) => boolean
}

const STOP: Command = { name: 'stop', isDone: isAtRest }
const RESUME: Command = { name: 'resume', isDone: ({ state }) => state === 'succeeded' }
const ROLLBACK: Command = { name: 'rollback', isDone: ({ state }) => state === 'rolled-back' }

/** Halts a batch after the user in hand; one at rest is left as it is. */
export async function stopBatch(
  session: Session,
  id: string,
  options: CommandOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const end = await command(session, admin, STOP, id, options)
  // That it is stopped is what was asked for.
  return end.code === EXIT.partial && end.batch.state === 'stopped' ? EXIT.done : end.code
}

/** Goes on with a stopped batch, to its end. */
export async function resumeBatch(
  session: Session,
  id: string,
  options: CommandOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  return (await command(session, admin, RESUME, id, options)).code
}

type End = { readonly batch: Batch; readonly code: ExitCode }

async function command(
  session: Session,
  admin: ServiceClient,
  { name, body, isDone }: Command,
  id: string,
  { dryRun, wait }: CommandOptions,
): Promise<End> {
  const found = await findBatch(admin, id)
  if (isDone(found)) {
    await session.note(`nothing to do: the batch is ${found.state}`)
    return { batch: found, code: await tellBatch(session, found) }
  }
  if (dryRun === true) {
    await tellBatch(session, found)
    return { batch: found, code: EXIT.denied }
  }
  session.resumeWith(`permctl changes status ${id} says how it stands`)
  const sent = body === undefined ? {} : { body }
  const started = await admin.post(`${pathOfBatch(id)}/${name}`, readBatch, sent)
  if (!wait) return { batch: started, code: await tellBatch(session, started) }
  const batch = await followBatch(session, admin, id)
  return { batch, code: await tellWithItems(session, admin, batch) }
}

/** Users that are named one by one in a question. */
const SHOWN = 20

/** Restores the direct grants from before a batch; asks first, showing what will be taken back. */
export async function rollBackBatch(
  session: Session,
  id: string,
  { force, ...options }: CommandOptions & { readonly force?: boolean },
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const found = await findBatch(admin, id)
  const rollback = { ...ROLLBACK, body: { force: force === true } }
  if (ROLLBACK.isDone(found)) return (await command(session, admin, rollback, id, options)).code
  const applied: BatchItem[] = []
  for await (const item of itemsOf(admin, id, 'applied')) applied.push(item)
  if (options.dryRun === true) {
    await session.output.rows(applied, ITEM_COLUMNS)
    return applied.length > 0 ? EXIT.denied : EXIT.done
  }
  await session.confirm(`roll back batch ${id}, ${found.counts.applied} users?`, [
    ...applied.slice(0, SHOWN).map(undoLine),
    ...(applied.length > SHOWN ? [`and ${applied.length - SHOWN} more users`] : []),
  ])
  return (await command(session, admin, rollback, id, options)).code
}

function undoLine({ userName, userId, written }: BatchItem): string {
  const { add = [], remove = [] } = written ?? {}
  const parts = [
    ...add.map((grant) => `loses ${describeGrant(grant)}`),
    ...remove.map((grant) => `gets back ${describeGrant(grant)}`),
  ]
  return `${userName ?? userId} ${parts.join(', ') || 'stays as it is'}`
}
