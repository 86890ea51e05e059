import { randomUUID } from 'node:crypto'
import { type Call, json, noContent, type Operation, parameter } from './operation.ts'
import { cut, listing, readPage } from './paging.ts'
import { conflict, notFound, PlatformError } from './platform-error.ts'
import { booleanParameter, choiceParameter, listParameter, textParameter } from './query.ts'
import { QUEUES, queueText } from './queue-json.ts'
import { readQueueName, readSettings } from './queue-settings.ts'
import type { QueueRecord } from './records.ts'
import { object, text } from './request-body.ts'

const MAX_QUEUES_PAGE = 100

function noQueue(): PlatformError {
  return new PlatformError(404, 'resource.not.found', 'Specified queue could not be found.')
}

/** As reads see it. */
export function visibleQueue(call: Call): QueueRecord {
  const queue = call.world.queues.get(parameter(call, 'queueId'))
  if (queue === undefined) throw noQueue()
  return queue
}

/** As its last writer left it. */
export function writableQueue(call: Call): QueueRecord {
  const queue = call.writes.latestQueue(parameter(call, 'queueId'))
  if (queue === undefined) throw noQueue()
  return queue
}

/** The name as a whole, without regard to case; asterisks at its ends stand for anything. */
function nameFilter(given: string | undefined): (name: string) => boolean {
  if (given === undefined || given === '') return () => true
  const wanted = given.toLowerCase()
  const [open, end] = [wanted.startsWith('*'), wanted.endsWith('*')]
  const core = wanted.replaceAll(/^\*+|\*+$/g, '')
  return (name) => {
    const own = name.toLowerCase()
    if (open && end) return own.includes(core)
    if (open) return own.endsWith(core)
    return end ? own.startsWith(core) : own === core
  }
}

function selectedQueues(call: Call): QueueRecord[] {
  const { world, query } = call
  const ids = listParameter(query, 'id')
  const divisions = listParameter(query, 'divisionId')
  const peers = listParameter(query, 'peerId')
  const withPeer = booleanParameter(query, 'hasPeer', false)
  const named = nameFilter(textParameter(query, 'name'))
  const queues = world.queues
    .list()
    .filter(
      ({ id, name, divisionId, settings }) =>
        named(name) &&
        (ids.length === 0 || ids.includes(id)) &&
        (divisions.length === 0 || divisions.includes(divisionId)) &&
        (peers.length === 0 || peers.includes(String(settings['peerId']))) &&
        (!withPeer || settings['peerId'] !== undefined),
    )
  const order = choiceParameter(query, 'sortOrder', ['asc', 'desc', 'ASC', 'DESC'], 'asc')
  return order.toLowerCase() === 'desc' ? queues.toReversed() : queues
}

const listQueues: Operation = {
  method: 'GET',
  path: QUEUES,
  query: [
    ...['pageNumber', 'pageSize', 'sortOrder', 'name', 'id', 'divisionId', 'peerId'],
    ...['cannedResponseLibraryId', 'hasPeer', 'expand'],
  ],
  permissions: ['routing:queue:view'],
  handle(call) {
    const { world, path, query } = call
    const page = readPage(query, { max: MAX_QUEUES_PAGE })
    const queues = selectedQueues(call)
    const entities = cut(queues, page).map((queue) => queueText(world, queue))
    return json(listing({ path, query, page, total: queues.length, entities }))
  },
}

const readQueue: Operation = {
  method: 'GET',
  path: `${QUEUES}/{queueId}`,
  query: ['expand'],
  permissions: ['routing:queue:view'],
  handle: (call) => json(queueText(call.world, visibleQueue(call))),
}

/** The platform documents no code for a name that is taken; the simulator gives the general one. */
function checkName(call: Call, name: string, ownId?: string): void {
  const owner = call.writes.latestQueueNamed(name)
  if (owner !== undefined && owner.id !== ownId) {
    throw conflict(`There is a queue with the name ${name} already.`)
  }
}

function divisionOf(call: Call, body: Readonly<Record<string, unknown>>): string {
  if (body['division'] === undefined) return call.world.homeDivision().id
  const id = text(object(body['division']), 'id')
  if (!call.world.divisions.has(id)) throw notFound('division', id)
  return id
}

/** The settings to start from: those of the queue that is to be copied, else the defaults. */
function copiedSettings(call: Call, body: Readonly<Record<string, unknown>>) {
  if (body['sourceQueueId'] === undefined) return undefined
  const source = call.writes.latestQueue(text(body, 'sourceQueueId'))
  if (source === undefined) throw noQueue()
  return source.settings
}

const createQueue: Operation = {
  method: 'POST',
  path: QUEUES,
  permissions: ['routing:queue:add'],
  handle(call) {
    const body = object(call.body)
    const name = readQueueName(body)
    const now = new Date().toISOString()
    const queue: QueueRecord = {
      id: randomUUID(),
      name,
      divisionId: divisionOf(call, body),
      dateCreated: now,
      dateModified: now,
      createdBy: call.client.id,
      modifiedBy: call.client.id,
      settings: readSettings(body, copiedSettings(call, body)),
    }
    checkName(call, name)
    call.writes.putQueue(queue)
    return json(queueText(call.world, queue))
  },
}

/**
 * Replaces the whole: what the body leaves out falls back to its default, so that a client which
 * does not send what it has read takes it away. There is no version; the last writer wins. The
 * division stays: a queue is moved by assigning it to another.
 */
const updateQueue: Operation = {
  method: 'PUT',
  path: `${QUEUES}/{queueId}`,
  permissions: ['routing:queue:edit'],
  handle(call) {
    const before = writableQueue(call)
    const body = object(call.body)
    const name = readQueueName(body)
    const queue: QueueRecord = {
      ...before,
      name,
      dateModified: new Date().toISOString(),
      modifiedBy: call.client.id,
      settings: readSettings(body),
    }
    checkName(call, name, before.id)
    call.writes.putQueue(queue)
    return json(queueText(call.world, queue))
  },
}

const deleteQueue: Operation = {
  method: 'DELETE',
  path: `${QUEUES}/{queueId}`,
  query: ['forceDelete'],
  permissions: ['routing:queue:delete'],
  handle(call) {
    call.writes.deleteQueue(writableQueue(call).id)
    return noContent()
  },
}

export const queueOperations: readonly Operation[] = [
  listQueues,
  readQueue,
  createQueue,
  updateQueue,
  deleteQueue,
]
