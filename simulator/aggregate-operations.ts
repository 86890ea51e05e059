import { MetricSheet, type ServiceLevel } from './aggregate-metrics.ts'
import { type AggregateQuery, type DimensionValues, readAggregateQuery } from './aggregate-query.ts'
import { conversationsBetween, type MediaType, mediaOf } from './conversation-facts.ts'
import { json, type Operation } from './operation.ts'
import type { QueueRecord } from './records.ts'
import type { World } from './world.ts'

interface Group {
  readonly values: Readonly<Record<string, string>>
  /** By the number of the part, counted from the start of the interval. */
  readonly parts: Map<number, MetricSheet>
}

/** What the settings of a queue call a medium. */
const SETTINGS_OF: Readonly<Record<MediaType, string>> = {
  voice: 'call',
  callback: 'callback',
  chat: 'chat',
  email: 'email',
  message: 'message',
}

const USUAL_LEVEL: ServiceLevel = { percentage: 0.8, durationMs: 20_000 }

function levelOf(queue: QueueRecord, media: MediaType): ServiceLevel {
  const all = queue.settings['mediaSettings'] as
    | Record<string, { serviceLevel?: Partial<ServiceLevel> } | undefined>
    | undefined
  return { ...USUAL_LEVEL, ...all?.[SETTINGS_OF[media]]?.serviceLevel }
}

/** Groups always tell the medium, asked for or not, as the platform's do. */
function groupFor(groups: Map<string, Group>, query: AggregateQuery, all: DimensionValues): Group {
  const names = ['mediaType', ...query.groupBy] as const
  const values = Object.fromEntries(names.map((name) => [name, all[name]]))
  const key = JSON.stringify(values)
  const group = groups.get(key) ?? { values, parts: new Map<number, MetricSheet>() }
  groups.set(key, group)
  return group
}

function addQueue(groups: Map<string, Group>, query: AggregateQuery, queue: QueueRecord): void {
  const { fromMs, toMs, partMs, metrics } = query
  for (const mediaType of mediaOf(queue.id)) {
    const { id: queueId, divisionId } = queue
    const values = { queueId, mediaType, divisionId, direction: 'inbound' }
    if (!query.admits(values)) continue
    const group = groupFor(groups, query, values)
    const level = levelOf(queue, mediaType)
    for (const conversation of conversationsBetween(queueId, mediaType, fromMs, toMs)) {
      const part = Math.floor((conversation.startMs - fromMs) / partMs)
      const sheet = group.parts.get(part) ?? new MetricSheet(metrics)
      group.parts.set(part, sheet)
      sheet.add(conversation, level)
    }
  }
}

function intervalText({ fromMs, toMs, partMs }: AggregateQuery, part: number): string {
  const start = fromMs + part * partMs
  const end = Math.min(start + partMs, toMs)
  return `${new Date(start).toISOString()}/${new Date(end).toISOString()}`
}

function describe(query: AggregateQuery, { values, parts }: Group): object {
  const ordered = [...parts].toSorted(([left], [right]) => left - right)
  const data = ordered.map(([part, metrics]) => ({
    interval: intervalText(query, part),
    metrics,
  }))
  return { group: values, data }
}

/** Parts without a conversation are left out, and groups without a part. */
function answerTo(world: World, query: AggregateQuery): object[] {
  const groups = new Map<string, Group>()
  for (const queue of world.queues.list()) addQueue(groups, query, queue)
  return [...groups.values()]
    .filter(({ parts }) => parts.size > 0)
    .map((group) => describe(query, group))
}

/**
 * Made-up conversations of every queue there is, the same whoever asks and when: there is no past
 * or future, and a queue that is deleted takes its history along. A conversation counts where it
 * was offered, with all that came of it.
 */
const queryAggregates: Operation = {
  method: 'POST',
  path: '/api/v2/analytics/conversations/aggregates/query',
  permissions: ['analytics:conversationAggregate:view'],
  handle({ world, body, settings }) {
    const query = readAggregateQuery(body, settings.maxAggregateDays)
    return json(JSON.stringify({ results: answerTo(world, query) }))
  },
}

export const aggregateOperations: readonly Operation[] = [queryAggregates]
