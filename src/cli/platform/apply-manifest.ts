import { Failure } from '../../domain/failure.ts'
import { readQueueManifest } from '../../domain/queue-manifest.ts'
import type { WantedQueue } from '../../domain/queue-manifest.ts'
import { planQueues, runQueues } from '../../genesys/apply-queues.ts'
import type { PlannedQueue } from '../../genesys/apply-queues.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import type { CommandNeed } from '../../genesys/command-permissions.ts'
import type { Platform } from '../../genesys/platform-client.ts'
import type { ExitCode } from '../exit-codes.ts'
import { readInput } from '../input-file.ts'
import { parseJsonObject } from '../json-input.ts'
import type { Session } from '../session.ts'
import { carryOut } from './carry-out.ts'
import { exitCodeOfPlan, outcomeColumns } from './outcome-rows.ts'
import type { OutcomeRow } from './outcome-rows.ts'
import { requireNeeds } from './require-needs.ts'

/** Prints what applying the manifest would do; 1 when that is anything. */
export async function planManifest(session: Session, path: string): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  const manifest = await readManifest(session, path)
  await requireNeeds(session, platform, neededToRead(manifest, COMMAND_NEEDS.planQueues))
  const planned = await plan(session, platform, manifest)
  return printPlan(session, planned)
}

async function printPlan(session: Session, planned: readonly PlannedQueue[]): Promise<ExitCode> {
  const rows = planned.map(plannedRow)
  await session.output.rows(rows, outcomeColumns('queue'))
  return exitCodeOfPlan(rows)
}

/** Makes the queues as the manifest wants them; a second time changes nothing. */
export async function applyManifest(
  session: Session,
  path: string,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  const manifest = await readManifest(session, path)
  await requireNeeds(session, platform, neededToRead(manifest, COMMAND_NEEDS.applyQueues))
  const planned = await plan(session, platform, manifest)
  if (dryRun) {
    return printPlan(session, planned)
  }
  await requireNeeds(session, platform, neededToWrite(planned))
  const losses = lossesOf(planned)
  if (losses !== undefined) await session.confirm(losses)
  return carryOut(session, {
    what: 'queue',
    thing: 'queue',
    items: planned,
    nameOf: ({ wanted }) => wanted.name,
    concurrency: platform.write.concurrency,
    // Who loses members was asked about.
    run: (how) => runQueues(platform, planned, { ...how, allowRemoval: true }),
  })
}

/** Queues of which the question about removals tells one by one. */
const SHOWN_LOSSES = 10

/** `3 members will be removed from Sales, 1 from Support.` Undefined when nobody is removed. */
function lossesOf(planned: readonly PlannedQueue[]): string | undefined {
  const losses = planned.flatMap(({ wanted, difference }): [string, number][] => {
    const lost = difference?.removeMembers.length ?? 0
    return lost === 0 ? [] : [[wanted.name, lost]]
  })
  if (losses.length === 0) return undefined
  const parts = losses.slice(0, SHOWN_LOSSES).map(([name, lost], index) => {
    const what = lost === 1 ? 'member' : 'members'
    return index === 0 ? `${lost} ${what} will be removed from ${name}` : `${lost} from ${name}`
  })
  const others = losses.slice(SHOWN_LOSSES)
  const lost = others.reduce((sum, [, each]) => sum + each, 0)
  if (others.length > 0) parts.push(`${lost} from ${others.length} more queues`)
  return `${parts.join(', ')}.`
}

async function readManifest(session: Session, path: string): Promise<readonly WantedQueue[]> {
  const content = await readInput(session, path)
  if (/^\ufeff?\s*\[/.test(content)) {
    const name = path === '-' ? 'standard input' : path
    throw new Failure('invalid', `${name} is a list; a manifest is {"queues": [ … ]}`)
  }
  return readQueueManifest(parseJsonObject(content, path))
}

async function plan(
  session: Session,
  platform: Platform,
  manifest: readonly WantedQueue[],
): Promise<readonly PlannedQueue[]> {
  session.progress.show(`comparing ${manifest.length} queues`)
  return planQueues(platform, manifest, session.signal)
}

const WOULD = { create: 'would-create', change: 'would-change', none: 'unchanged' } as const

function plannedRow({ wanted, current, action, changes }: PlannedQueue): OutcomeRow {
  const id = current === undefined ? {} : { id: current.id }
  return { name: wanted.name, outcome: WOULD[action], ...id, changes }
}

/** Users are read only where the manifest speaks of members. */
function neededToRead(
  manifest: readonly WantedQueue[],
  [queues, users]: readonly [CommandNeed, CommandNeed],
): readonly CommandNeed[] {
  return manifest.some(({ members = [] }) => members.length > 0) ? [queues, users] : [queues]
}

function neededToWrite(planned: readonly PlannedQueue[]): readonly CommandNeed[] {
  const creates = planned.filter(({ action }) => action === 'create')
  const differences = planned.flatMap(({ difference }) => difference ?? [])
  const edits = differences.some(({ settings, division }) => settings.length > 0 || division)
  const members =
    creates.some(({ wanted }) => (wanted.members?.length ?? 0) > 0) ||
    differences.some(
      ({ addMembers, removeMembers }) => addMembers.length + removeMembers.length > 0,
    )
  return [
    ...(creates.length > 0 ? COMMAND_NEEDS.addQueues : []),
    ...(edits ? COMMAND_NEEDS.editQueues : []),
    ...(members ? COMMAND_NEEDS.editMembers : []),
  ]
}
