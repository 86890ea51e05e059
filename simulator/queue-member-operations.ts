import { type Call, json, noContent, type Operation, parameter } from './operation.ts'
import { cut, readPage, uncountedListing } from './paging.ts'
import { badRequest, invalidValue, PlatformError } from './platform-error.ts'
import { booleanParameter, choiceParameter, listParameter, textParameter } from './query.ts'
import { membersOf, memberText, type QueueMember, QUEUES } from './queue-json.ts'
import { visibleQueue, writableQueue } from './queue-operations.ts'
import type { QueueMembership, QueueRecord } from './records.ts'
import { list, object, text } from './request-body.ts'

const MAX_MEMBERS_PAGE = 100
const MAX_MEMBERS_WRITTEN = 100
const MAX_RING = 6
const MEMBERS = `${QUEUES}/{queueId}/members`
const MEMBER = `${MEMBERS}/{memberId}`
const VIEW_MEMBERS = ['routing:queue:view', 'routing:queue:edit', 'routing:queueMember:manage']
const MANAGE_MEMBERS = ['routing:queue:edit', 'routing:queueMember:manage']
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function selectedMembers(call: Call, queue: QueueRecord): QueueMember[] {
  const { query } = call
  const memberBy = choiceParameter(query, 'memberBy', ['', 'user', 'group'], '')
  const joined = query['joined'] === undefined ? undefined : booleanParameter(query, 'joined', true)
  const name = textParameter(query, 'name')?.toLowerCase() ?? ''
  const members = membersOf(call.world, queue).filter(
    (member) =>
      (memberBy === '' || member.memberBy === memberBy) &&
      (joined === undefined || member.membership.joined === joined) &&
      member.user.name.toLowerCase().includes(name),
  )
  const order = choiceParameter(query, 'sortOrder', ['asc', 'desc', 'ASC', 'DESC'], 'asc')
  return order.toLowerCase() === 'desc' ? members.toReversed() : members
}

/** The listing has no total: a client knows by `nextUri` whether there is more. */
const listMembers: Operation = {
  method: 'GET',
  path: MEMBERS,
  query: [
    ...['pageNumber', 'pageSize', 'sortOrder', 'expand', 'name', 'profileSkills', 'skills'],
    ...['languages', 'routingStatus', 'presence', 'memberBy', 'joined'],
  ],
  permissions: VIEW_MEMBERS,
  handle(call) {
    const { world, path, query } = call
    const queue = visibleQueue(call)
    const page = readPage(query, { max: MAX_MEMBERS_PAGE })
    const members = selectedMembers(call, queue)
    const expand = listParameter(query, 'expand')
    const entities = cut(members, page).map((member) => memberText(world, queue, member, expand))
    return json(uncountedListing({ path, query, page, total: members.length, entities }))
  },
}

function memberId(id: string): string {
  if (UUID.test(id)) return id
  const message = 'A non-UUID value was specified for an ID field.'
  throw new PlatformError(400, 'invalid.id', message)
}

/** 1 to 100 members, each with its id. */
function givenMembers(call: Call): Readonly<Record<string, unknown>>[] {
  const items = list(call.body, 'The body').map(object)
  if (items.length === 0 || items.length > MAX_MEMBERS_WRITTEN) {
    throw badRequest('Invalid request data.  Make sure you submit a valid number of queue members.')
  }
  for (const item of items) memberId(text(item, 'id'))
  return items
}

/** A user who is not there, or deleted, spoils the whole call, before anything is written. */
function existingUser(call: Call, id: string): string {
  const user = call.writes.latestUser(id)
  if (user === undefined || user.state === 'deleted') {
    throw badRequest(`Invalid request data.  ${id} is not a user.`)
  }
  return id
}

/** Who is a member already stays as he is; removing who is none is done already. */
const changeMembers: Operation = {
  method: 'POST',
  path: MEMBERS,
  query: ['delete'],
  permissions: MANAGE_MEMBERS,
  handle(call) {
    const queue = writableQueue(call)
    const removes = booleanParameter(call.query, 'delete', false)
    const ids = givenMembers(call).map((item) => text(item, 'id'))
    if (!removes) for (const id of ids) existingUser(call, id)
    call.writes.submit(({ queues }) => {
      for (const id of ids) {
        if (removes) queues.removeMember(queue.id, id)
        else if (!queues.members(queue.id).has(id)) {
          queues.putMember(queue.id, id, { ringNumber: 1, joined: true })
        }
      }
    })
    return noContent()
  },
}

function joinedOf(item: Readonly<Record<string, unknown>>): boolean {
  const { joined } = item
  if (typeof joined === 'boolean') return joined
  throw badRequest(
    'Invalid request data.  Make sure a valid number of queue members was submitted, ' +
      'and all have the joined property specified.',
  )
}

/** Changes a membership that there is when the write shows; others are disregarded. */
function change(
  call: Call,
  queueId: string,
  userId: string,
  changes: Partial<QueueMembership>,
): void {
  call.writes.submit(({ queues }) => {
    const before = queues.members(queueId).get(userId)
    if (before !== undefined) queues.putMember(queueId, userId, { ...before, ...changes })
  })
}

const joinMembers: Operation = {
  method: 'PATCH',
  path: MEMBERS,
  permissions: MANAGE_MEMBERS,
  handle(call) {
    const { world, path, query } = call
    const queue = writableQueue(call)
    const items = givenMembers(call)
    const changes = items.map((item) => ({ id: text(item, 'id'), joined: joinedOf(item) }))
    for (const { id, joined } of changes) change(call, queue.id, id, { joined })
    const named = membersOf(world, queue).filter(({ user }) =>
      changes.some(({ id }) => id === user.id),
    )
    const entities = named.map((member) => memberText(world, queue, member, []))
    const page = { size: MAX_MEMBERS_WRITTEN, number: 1 }
    return json(uncountedListing({ path, query, page, total: entities.length, entities }))
  },
}

function changesOf(body: Readonly<Record<string, unknown>>): Partial<QueueMembership> {
  const { joined, ringNumber } = body
  if (joined === undefined && ringNumber === undefined) {
    throw badRequest(
      'Invalid request data.  Make sure the joined OR ringNumber property is specified.',
    )
  }
  const isRing =
    Number.isInteger(ringNumber) && Number(ringNumber) >= 1 && Number(ringNumber) <= MAX_RING
  if (ringNumber !== undefined && !isRing) {
    throw invalidValue('ringNumber', JSON.stringify(ringNumber), `1 to ${MAX_RING}`)
  }
  return {
    ...(joined !== undefined && { joined: joinedOf(body) }),
    ...(ringNumber !== undefined && { ringNumber: Number(ringNumber) }),
  }
}

function existingMember(call: Call, queue: QueueRecord): QueueMember {
  const id = memberId(parameter(call, 'memberId'))
  const member = membersOf(call.world, queue).find(({ user }) => user.id === id)
  if (member !== undefined) return member
  throw new PlatformError(404, 'resource.not.found', 'The resource could not be found.')
}

const updateMember: Operation = {
  method: 'PATCH',
  path: MEMBER,
  permissions: MANAGE_MEMBERS,
  handle(call) {
    const queue = writableQueue(call)
    const { user } = existingMember(call, queue)
    change(call, queue.id, user.id, changesOf(object(call.body)))
    return { status: 202 }
  },
}

const removeMember: Operation = {
  method: 'DELETE',
  path: MEMBER,
  permissions: MANAGE_MEMBERS,
  handle(call) {
    const queue = writableQueue(call)
    const { user, memberBy } = existingMember(call, queue)
    if (memberBy === 'group') {
      const message = 'Group-type queue members cannot be individually deleted.'
      throw new PlatformError(400, 'invalid.type', message)
    }
    call.writes.submit((world) => world.queues.removeMember(queue.id, user.id))
    return noContent()
  },
}

export const queueMemberOperations: readonly Operation[] = [
  listMembers,
  changeMembers,
  joinMembers,
  updateMember,
  removeMember,
]
