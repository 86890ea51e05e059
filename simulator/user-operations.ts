import { randomUUID } from 'node:crypto'
import { type Call, json, type Operation, parameter } from './operation.ts'
import { cut, cutByCursor, listing, readPage } from './paging.ts'
import { badRequest, conflict, notFound, PlatformError } from './platform-error.ts'
import { choiceParameter, listParameter, type Query } from './query.ts'
import type { UserRecord, UserState } from './records.ts'
import { word, number, object, text } from './request-body.ts'
import { authorizationText, effectiveRoles, userText } from './user-json.ts'
import type { StateFilter } from './world.ts'

export const MAX_USERS_PAGE = 500
const MAX_IDS = 100
const VIEW_USERS = ['directory:user:view']
const STATE_FILTERS: readonly StateFilter[] = ['active', 'inactive', 'deleted', 'any']
const STATES: readonly UserState[] = ['active', 'inactive', 'deleted']

/** The contract's optional parameters of every user listing, most of them without effect here. */
const LISTING_PARAMETERS = [
  'sortOrder',
  'expand',
  'integrationPresenceSource',
  'userCustomAttributeSchemaIds',
  'state',
]

function stateFilter(query: Query): StateFilter {
  return choiceParameter(query, 'state', STATE_FILTERS, 'active')
}

function selectedUsers(call: Call): readonly UserRecord[] {
  const { world, query } = call
  const ids = listParameter(query, 'id')
  if (ids.length > MAX_IDS) {
    throw new PlatformError(400, 'max.user.ids', `No more than ${MAX_IDS} user ids are allowed.`)
  }
  const state = stateFilter(query)
  if (ids.length > 0) {
    return ids
      .flatMap((id) => world.user(id) ?? [])
      .filter((user) => state === 'any' || user.state === state)
  }
  const users = world.users(state)
  const order = choiceParameter(query, 'sortOrder', SORT_ORDERS, 'ASC')
  return order.toLowerCase().startsWith('d') ? users.toReversed() : users
}

const SORT_ORDERS = ['ASC', 'DESC', 'asc', 'desc', 'ascending', 'descending'] as const

const listUsers: Operation = {
  method: 'GET',
  path: '/api/v2/users',
  query: ['pageSize', 'pageNumber', 'id', 'jabberId', ...LISTING_PARAMETERS],
  permissions: VIEW_USERS,
  handle(call) {
    const { world, query } = call
    const page = readPage(query, { max: MAX_USERS_PAGE })
    const limit = call.settings.inactiveListingLimit
    if (stateFilter(query) === 'inactive' && page.number * page.size > limit) {
      throw badRequest(`Inactive users can be listed up to the ${limit}th only.`)
    }
    const users = selectedUsers(call)
    const expand = listParameter(query, 'expand')
    const entities = cut(users, page).map((user) => userText(world, user, expand))
    return json(listing({ path: call.path, query, page, total: users.length, entities }))
  },
}

const queryUsers: Operation = {
  method: 'GET',
  path: '/api/v2/users/query',
  query: ['cursor', 'pageSize', ...LISTING_PARAMETERS],
  permissions: VIEW_USERS,
  everyDivision: true,
  handle(call) {
    const { world, query } = call
    const slice = cutByCursor(selectedUsers(call), query, {
      parameter: 'cursor',
      max: MAX_USERS_PAGE,
    })
    const expand = listParameter(query, 'expand')
    const entities = slice.items.map((user) => userText(world, user, expand))
    const envelope = {
      results: entities.length,
      selfUri: `${call.path}?pageSize=${slice.size}`,
      ...(slice.next !== undefined && {
        cursor: slice.next,
        nextUri: `${call.path}?pageSize=${slice.size}&cursor=${slice.next}`,
      }),
    }
    return json(`{"entities":[${entities.join(',')}],${JSON.stringify(envelope).slice(1)}`)
  },
}

const readUser: Operation = {
  method: 'GET',
  path: '/api/v2/users/{userId}',
  query: ['expand', 'integrationPresenceSource', 'userCustomAttributeSchemaIds', 'state'],
  permissions: VIEW_USERS,
  handle(call) {
    const id = parameter(call, 'userId')
    const user = call.world.user(id)
    const state = stateFilter(call.query)
    if (user === undefined || (state !== 'any' && user.state !== state)) throw notFound('user', id)
    return json(userText(call.world, user, listParameter(call.query, 'expand')))
  },
}

/** Another version than the last one written is a conflict: somebody else was here. */
function checkVersion(user: UserRecord, version: number): void {
  if (version === user.version) return
  throw conflict(`The user has version ${user.version}, the request says ${version}.`)
}

/** Leaving the active state drops all direct grants; coming back does not restore them. */
function store(call: Call, user: UserRecord): void {
  call.writes.putUser(user)
  if (user.state !== 'active') {
    call.writes.submit((world) => world.grants.removeSubject(user.id))
  }
}

const updateUser: Operation = {
  method: 'PATCH',
  path: '/api/v2/users/{userId}',
  permissions: ['directory:user:edit'],
  handle(call) {
    const id = parameter(call, 'userId')
    const user = call.writes.latestUser(id)
    if (user === undefined) throw notFound('user', id)
    const body = object(call.body)
    checkVersion(user, number(body, 'version'))
    const changes = { name: text, email: text, department: text, title: text }
    const updated: Record<string, unknown> = { ...user, version: user.version + 1 }
    for (const [field, read] of Object.entries(changes)) {
      if (body[field] !== undefined) updated[field] = read(body, field)
    }
    if (body['state'] !== undefined) updated['state'] = word(body, 'state', STATES)
    const record = updated as unknown as UserRecord
    store(call, record)
    return json(userText(call.world, record, []))
  },
}

const createUser: Operation = {
  method: 'POST',
  path: '/api/v2/users',
  permissions: ['directory:user:add'],
  handle(call) {
    const body = object(call.body)
    const divisionId = text(body, 'divisionId')
    if (!call.world.divisions.has(divisionId)) throw notFound('division', divisionId)
    const user: UserRecord = {
      id: randomUUID(),
      name: text(body, 'name'),
      email: text(body, 'email'),
      state: 'active',
      divisionId,
      groups: [],
      version: 1,
    }
    call.writes.putUser(user)
    return json(userText(call.world, user, []))
  },
}

const deleteUser: Operation = {
  method: 'DELETE',
  path: '/api/v2/users/{userId}',
  permissions: ['directory:user:delete'],
  handle(call) {
    const id = parameter(call, 'userId')
    if (call.writes.latestUser(id) === undefined) throw notFound('user', id)
    call.writes.submit((world) => world.deleteUser(id))
    return json('{}')
  },
}

const readState: Operation = {
  method: 'GET',
  path: '/api/v2/users/{userId}/state',
  permissions: VIEW_USERS,
  handle(call) {
    const id = parameter(call, 'userId')
    const user = call.world.user(id)
    if (user === undefined) throw notFound('user', id)
    return json(JSON.stringify({ state: user.state, version: user.version }))
  },
}

const readUserRoles: Operation = {
  method: 'GET',
  path: '/api/v2/users/{subjectId}/roles',
  permissions: ['authorization:grant:view'],
  handle(call) {
    const id = parameter(call, 'subjectId')
    const { world } = call
    // A user without any role is answered like a user that does not exist.
    if (world.user(id) === undefined || effectiveRoles(world, id).length === 0) {
      throw notFound('user', id)
    }
    return json(authorizationText(world, id))
  },
}

export const userOperations: readonly Operation[] = [
  listUsers,
  queryUsers,
  readUser,
  updateUser,
  createUser,
  deleteUser,
  readState,
  readUserRoles,
]
