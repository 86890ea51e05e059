import { changeRequest, readChangeFile, simulationRequest } from './change-file.ts'
import type { ChangeFile, ChangeOptions } from './change-file.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import {
  BATCH_COLUMNS,
  CHANGES_PATH,
  exitCodeOfBatch,
  followBatch,
  isAtRest,
  ITEM_COLUMNS,
  itemsOf,
  readBatch,
} from './role-changes.ts'
import type { Batch } from './role-changes.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'
import { changesAnything, makesDifference, simulate } from './simulation.ts'
import { ENTRY_COLUMNS, simulationLines } from './simulation-text.ts'
import type { ItemState } from '../domain/role-change.ts'

export type ApplyOptions = ChangeOptions & {
  readonly key?: string
  readonly dryRun?: boolean
  readonly wait: boolean
}

/** Prints what the changes in a file would do; exit code 1 when that is anything. */
export async function simulateFile(
  session: Session,
  path: string,
  options: ChangeOptions & { readonly limit?: number },
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const file = await readChangeFile(session, path)
  return await simulateChanges(session, admin, file, options)
}

async function simulateChanges(
  session: Session,
  admin: ServiceClient,
  file: ChangeFile,
  options: ChangeOptions & { readonly limit?: number },
): Promise<ExitCode> {
  const request = simulationRequest(file, options)
  const { head, entries } = await simulate(admin, request, options.limit)
  const { format } = session.output
  if (format === 'csv' || format === 'ndjson') {
    for (const line of simulationLines(head)) await session.note(line)
  }
  await session.output.listing(
    head,
    { columns: [], text: simulationLines },
    { name: 'entries', rows: entries, columns: ENTRY_COLUMNS },
  )
  return makesDifference(head) ? EXIT.denied : EXIT.done
}

/** Has the changes in a file done, and follows them to their end. */
export async function applyFile(
  session: Session,
  path: string,
  { key, dryRun, wait, ...options }: ApplyOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const file = await readChangeFile(session, path)
  const isDryRun = dryRun === true || (file.kind === 'json' && file.body['dryRun'] === true)
  if (isDryRun) return await simulateChanges(session, admin, file, options)
  session.resumeWith(
    'it may have been accepted: the same line again follows it, and applies nothing twice',
  )
  const request = changeRequest(file, options, key)
  const { value: batch, isNew } = await admin.send(CHANGES_PATH, readBatch, request)
  if (!isNew) {
    const { id, requestedBy, createdAt } = batch
    await session.note(
      `accepted before: batch ${id} of ${requestedBy}, ${createdAt}; --key NAME applies it once more`,
    )
  }
  if (!wait) return await tellBatch(session, batch)
  if (!isNew && isAtRest(batch)) return await tellAgain(session, admin, file, batch)
  const end = isAtRest(batch) ? batch : await followBatch(session, admin, batch.id)
  await tellWithItems(session, admin, end)
  // What was applied and taken back again was not what this was run for.
  return end.state === 'rolled-back' ? EXIT.upstream : exitCodeOfBatch(end)
}

/**
 * A batch that was over before this run. What it did may have been undone since: whoever runs the
 * line again wants to know whether things are as the file says, not whether they once were.
 */
async function tellAgain(
  session: Session,
  admin: ServiceClient,
  file: ChangeFile,
  batch: Batch,
): Promise<ExitCode> {
  const code = await tellWithItems(session, admin, batch)
  if (code !== EXIT.done) return code
  const { head } = await simulate(admin, simulationRequest(asOfNow(file), {}), 1)
  if (!changesAnything(head)) return EXIT.done
  await session.note('accepted before, but no longer so: --key NAME applies it again')
  return EXIT.denied
}

/** Without the revision that the changes were thought out on: that one is past. */
function asOfNow(file: ChangeFile): ChangeFile {
  if (file.kind === 'csv') return file
  const { baseRevision: _, ...body } = file.body
  return { kind: 'json', body }
}

export async function tellBatch(session: Session, batch: Batch): Promise<ExitCode> {
  await session.output.document(batch, { columns: BATCH_COLUMNS })
  return exitCodeOfBatch(batch)
}

/** The batch and its users, all or those in a state, and how to go on where it stopped. */
export async function tellWithItems(
  session: Session,
  admin: ServiceClient,
  batch: Batch,
  state?: ItemState,
): Promise<ExitCode> {
  await session.output.listing(
    batch,
    { columns: BATCH_COLUMNS },
    { name: 'items', rows: itemsOf(admin, batch.id, state), columns: ITEM_COLUMNS },
  )
  if (batch.state === 'stopped') {
    await session.note(`it was stopped: permctl changes resume ${batch.id} goes on with it`)
  }
  return exitCodeOfBatch(batch)
}
