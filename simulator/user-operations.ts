import { type Call, json, type Operation, parameter } from './operation.ts'
import { cut, cutByCursor, listing, readPage } from './paging.ts'
import { badRequest, notFound, PlatformError } from './platform-error.ts'
import { choiceParameter, listParameter, type Query } from './query.ts'
import type { UserRecord } from './records.ts'
import { authorizationText, effectiveRoles, userText } from './user-json.ts'
import type { StateFilter } from './world.ts'

export const MAX_USERS_PAGE = 500
const MAX_IDS = 100
const VIEW_USERS = ['directory:user:view']
const STATE_FILTERS: readonly StateFilter[] = ['active', 'inactive', 'deleted', 'any']

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
  readState,
  readUserRoles,
]
