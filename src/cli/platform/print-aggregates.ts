import { Failure } from '../../domain/failure.ts'
import { FaultList } from '../../domain/fault-list.ts'
import { readRange } from '../../domain/interval-windows.ts'
import type { IntervalName } from '../../domain/interval-windows.ts'
import { NameLookup } from '../../domain/name-lookup.ts'
import type { PlatformQueue } from '../../domain/plan-queue.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import { queueAggregates, readMetrics, STATS } from '../../genesys/queue-aggregates.ts'
import type { AggregateQuestion, QueueAggregate } from '../../genesys/queue-aggregates.ts'
import { listQueues } from '../../genesys/read-queues.ts'
import type { PlatformClient } from '../../genesys/platform-client.ts'
import { EXIT, PartialFailure } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Column } from '../table-text.ts'
import { queueProgress } from './list-queues.ts'
import { requireNeeds } from './require-needs.ts'

export type AggregateOptions = {
  readonly from: string
  readonly to: string
  readonly interval: IntervalName
  /** Names or ids; all queues when left out. */
  readonly queue?: readonly string[]
  readonly metric: readonly string[]
}

type Row = Omit<QueueAggregate, 'stats'> & { readonly queue: string } & QueueAggregate['stats']

const PLACE = ['from', 'to', 'queue', 'queueId', 'mediaType', 'metric', 'qualifier'] as const
const COLUMNS: readonly Column<Row>[] = [...PLACE, ...STATS].map((name) => {
  const value = (row: Row) => row[name]
  // Times, figures and ids that are cut short look like others.
  return name === 'queue' ? { name, value } : { name, value, whole: true }
})

/** Prints conversation aggregates of queues as they come, window by window. */
export async function printAggregates(
  session: Session,
  options: AggregateOptions,
): Promise<ExitCode> {
  const { from, to, interval } = options
  const range = readRange(from, to, interval)
  const metrics = readMetrics(options.metric)
  const { platform } = await session.connect(['platform'])
  await requireNeeds(session, platform, COMMAND_NEEDS.analytics)
  const queues = await listQueues(platform.read, session.signal, queueProgress(session))
  const lengthMs = range.to - range.from
  let completeTo = range.from
  const question: AggregateQuestion = {
    range,
    interval,
    metrics,
    queueIds: options.queue && idsOf(options.queue, queues),
    signal: session.signal,
    onWindow: (window) => {
      completeTo = window.to
      const share = Math.round(((window.to - range.from) / lengthMs) * 100)
      session.progress.show(`${share} % of the range`)
    },
  }
  try {
    await session.output.rows(rowsOf(platform.read, question, queues), COLUMNS)
  } catch (error) {
    // All is printed before it is said how far all is complete.
    await session.output.flush()
    if (completeTo === range.from) throw explained(error)
    const time = new Date(completeTo).toISOString()
    const advice = `the rows are complete up to ${time}: go on with --from ${time}`
    session.resumeWith(advice)
    if (!(error instanceof Failure)) throw error
    const { code, message, field, faults, upstream } = error
    throw new PartialFailure(code, `${message}; ${advice}`, { field, faults, upstream })
  }
  return EXIT.done
}

function explained(error: unknown): unknown {
  if (!(error instanceof Failure)) return error
  const { message, upstream } = error
  // Which metrics there are only the platform knows.
  const unknown = upstream?.status === 400 && /metric/i.test(message)
  return unknown ? new Failure('invalid', message, { field: '--metric', upstream }) : error
}

function idsOf(texts: readonly string[], queues: readonly PlatformQueue[]): readonly string[] {
  const lookup = new NameLookup('queue', queues)
  const faults = new FaultList()
  const ids = texts.flatMap((text) => {
    const found = lookup.find(text)
    if ('id' in found) return [found.id]
    faults.add('--queue', found.fault)
    return []
  })
  faults.throwIfAny()
  return ids
}

async function* rowsOf(
  client: PlatformClient,
  question: AggregateQuestion,
  queues: readonly PlatformQueue[],
): AsyncGenerator<Row> {
  const names = new Map(queues.map(({ id, name }) => [id, name]))
  for await (const rows of queueAggregates(client, question)) {
    for (const { from, to, queueId, mediaType, metric, qualifier, stats } of rows) {
      // A queue that was deleted has figures and no name.
      const queue = names.get(queueId) ?? ''
      yield { from, to, queue, queueId, mediaType, metric, qualifier, ...stats }
    }
  }
}
