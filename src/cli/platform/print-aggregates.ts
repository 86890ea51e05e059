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
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Column } from '../table-text.ts'
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
  return { name, value: (row) => row[name] }
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
  session.progress.show('reading queues')
  const queues = await listQueues(platform.read, session.signal)
  const lengthMs = range.to - range.from
  const question: AggregateQuestion = {
    range,
    interval,
    metrics,
    queueIds: options.queue && idsOf(options.queue, queues),
    signal: session.signal,
    onWindow: (window) => {
      const share = Math.round(((window.to - range.from) / lengthMs) * 100)
      session.progress.show(`${share} % of the range`)
    },
  }
  await session.output.rows(rowsOf(platform.read, question, queues), COLUMNS)
  return EXIT.done
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
