import { groupEntity } from './group-json.ts'
import { type Call, json, type Operation, parameter } from './operation.ts'
import { cut, listing, readPage } from './paging.ts'
import { notFound } from './platform-error.ts'
import { listParameter } from './query.ts'
import type { GroupRecord, UserRecord } from './records.ts'
import { object, texts } from './request-body.ts'
import { userText } from './user-json.ts'

export const MAX_GROUPS_PAGE = 500
export const MAX_MEMBERS_PAGE = 100
const GROUPS = '/api/v2/groups'

function existingGroup(call: Call): GroupRecord {
  const id = parameter(call, 'groupId')
  const group = call.world.groups.get(id)
  if (group === undefined) throw notFound('group', id)
  return group
}

const listGroups: Operation = {
  method: 'GET',
  path: GROUPS,
  query: ['pageSize', 'pageNumber', 'id', 'jabberId', 'sortOrder'],
  handle(call) {
    const { world, path, query } = call
    const page = readPage(query, { max: MAX_GROUPS_PAGE })
    const ids = listParameter(query, 'id')
    const all = [...world.groups.values()]
    const groups = ids.length === 0 ? all : all.filter((group) => ids.includes(group.id))
    const entities = cut(groups, page).map((group) => JSON.stringify(groupEntity(world, group)))
    return json(listing({ path, query, page, total: groups.length, entities }))
  },
}

const readGroup: Operation = {
  method: 'GET',
  path: `${GROUPS}/{groupId}`,
  handle: (call) => json(JSON.stringify(groupEntity(call.world, existingGroup(call)))),
}

const listMembers: Operation = {
  method: 'GET',
  path: `${GROUPS}/{groupId}/members`,
  query: ['pageSize', 'pageNumber', 'sortOrder', 'expand'],
  handle(call) {
    const { world, path, query } = call
    const page = readPage(query, { max: MAX_MEMBERS_PAGE })
    const expand = listParameter(query, 'expand')
    const members = [...world.members(existingGroup(call).id)]
    const entities = cut(members, page).flatMap((id) => {
      const user = world.user(id)
      return user === undefined ? [] : userText(world, user, expand)
    })
    return json(listing({ path, query, page, total: members.length, entities }))
  },
}

/** Membership is kept with the user, whose version rises. */
function changeMembers(
  call: Call,
  userIds: readonly string[],
  change: (groups: readonly string[]) => readonly string[],
): void {
  const users = userIds.map((id): UserRecord => {
    const user = call.writes.latestUser(id)
    if (user === undefined) throw notFound('user', id)
    return user
  })
  for (const user of users) {
    call.writes.putUser({ ...user, groups: change(user.groups), version: user.version + 1 })
  }
}

const addMembers: Operation = {
  method: 'POST',
  path: `${GROUPS}/{groupId}/members`,
  permissions: ['directory:group:edit'],
  handle(call) {
    const { id } = existingGroup(call)
    changeMembers(call, texts(object(call.body), 'memberIds'), (groups) => [
      ...new Set([...groups, id]),
    ])
    return json('{}', 202)
  },
}

const removeMembers: Operation = {
  method: 'DELETE',
  path: `${GROUPS}/{groupId}/members`,
  query: ['ids'],
  permissions: ['directory:group:edit'],
  handle(call) {
    const { id } = existingGroup(call)
    changeMembers(call, listParameter(call.query, 'ids'), (groups) =>
      groups.filter((groupId) => groupId !== id),
    )
    return json('{}', 202)
  },
}

export const groupOperations: readonly Operation[] = [
  listGroups,
  readGroup,
  listMembers,
  addMembers,
  removeMembers,
]
