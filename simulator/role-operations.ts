import { randomUUID } from 'node:crypto'
import { subjectOfRoleText } from './grant-json.ts'
import { type Call, json, noContent, type Operation, parameter } from './operation.ts'
import { cut, linklessListing, listing, readPage } from './paging.ts'
import { conflict, notFound, PlatformError } from './platform-error.ts'
import { booleanParameter, listParameter, textParameter } from './query.ts'
import type { RoleRecord } from './records.ts'
import { object, optionalText, text, texts } from './request-body.ts'
import { roleEntity, usersOfRole } from './role-json.ts'
import { readPolicies } from './role-policies.ts'

export const MAX_ROLES_PAGE = 100
export const MAX_SUBJECT_GRANTS_PAGE = 100
const MAX_IDS = 100
const VIEW_ROLES = ['authorization:role:view']

export function existingRole(call: Call): RoleRecord {
  const id = parameter(call, 'roleId')
  const role = call.world.roles.get(id)
  if (role === undefined) throw notFound('role', id)
  return role
}

function selectedRoles(call: Call): RoleRecord[] {
  const { world, query } = call
  const ids = listParameter(query, 'id')
  if (ids.length > MAX_IDS) {
    throw new PlatformError(400, 'max.role.ids', `No more than ${MAX_IDS} role ids are allowed.`)
  }
  const name = textParameter(query, 'name')?.replaceAll('*', '').toLowerCase()
  const defaults = listParameter(query, 'defaultRoleId')
  return [...world.roles.values()].filter(
    (role) =>
      (ids.length === 0 || ids.includes(role.id)) &&
      (name === undefined || role.name.toLowerCase().includes(name)) &&
      (defaults.length === 0 || defaults.includes(role.defaultRoleId ?? '')),
  )
}

const listRoles: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/roles',
  query: ['pageSize', 'pageNumber', 'sortBy', 'name', 'defaultRoleId', 'userCount', 'id'],
  permissions: VIEW_ROLES,
  handle(call) {
    const { world, query } = call
    const page = readPage(query, { max: MAX_ROLES_PAGE })
    const withUserCount = booleanParameter(query, 'userCount', true)
    const roles = selectedRoles(call)
    const entities = cut(roles, page).map((role) =>
      JSON.stringify(roleEntity(world, role, withUserCount)),
    )
    return json(listing({ path: call.path, query, page, total: roles.length, entities }))
  },
}

const readRole: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/roles/{roleId}',
  query: ['userCount', 'expand'],
  permissions: VIEW_ROLES,
  handle(call) {
    const withUserCount = booleanParameter(call.query, 'userCount', true)
    return json(JSON.stringify(roleEntity(call.world, existingRole(call), withUserCount)))
  },
}

/** As the platform: policies and permissions that no catalogue knows are taken without a word. */
function roleFrom(body: unknown, id: string, before?: RoleRecord): RoleRecord {
  const given = object(body)
  const description = optionalText(given, 'description')
  return {
    id,
    name: text(given, 'name'),
    ...(description !== undefined && { description }),
    ...(before?.defaultRoleId !== undefined && { defaultRoleId: before.defaultRoleId }),
    permissions: given['permissions'] === undefined ? [] : texts(given, 'permissions'),
    policies: readPolicies(given['permissionPolicies']),
  }
}

function refuseSameName(call: Call, role: RoleRecord): void {
  for (const other of call.world.roles.values()) {
    if (other.name === role.name && other.id !== role.id) {
      throw conflict(`There is a role named ${role.name} already.`)
    }
  }
}

const createRole: Operation = {
  method: 'POST',
  path: '/api/v2/authorization/roles',
  permissions: ['authorization:role:add'],
  handle(call) {
    const role = roleFrom(call.body, randomUUID())
    refuseSameName(call, role)
    call.writes.putRole(role)
    return json(JSON.stringify(roleEntity(call.world, role, false)))
  },
}

/** Replaces the role as a whole; what the body leaves out is gone. No version guards it. */
const replaceRole: Operation = {
  method: 'PUT',
  path: '/api/v2/authorization/roles/{roleId}',
  permissions: ['authorization:role:edit'],
  handle(call) {
    const id = parameter(call, 'roleId')
    const before = call.writes.latestRole(id)
    if (before === undefined) throw notFound('role', id)
    const role = roleFrom(call.body, id, before)
    refuseSameName(call, role)
    call.writes.putRole(role)
    return json(JSON.stringify(roleEntity(call.world, role, false)))
  },
}

const deleteRole: Operation = {
  method: 'DELETE',
  path: '/api/v2/authorization/roles/{roleId}',
  permissions: ['authorization:role:delete'],
  handle(call) {
    const { id } = existingRole(call)
    call.writes.submit((world) => world.deleteRole(id))
    return noContent()
  },
}

/** Direct holders only: members of a holding group are not listed. */
const listSubjectGrants: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/roles/{roleId}/subjectgrants',
  query: ['pageSize', 'pageNumber', 'sortBy', 'expand'],
  permissions: VIEW_ROLES,
  handle(call) {
    const { world, query } = call
    const role = existingRole(call)
    const page = readPage(query, { max: MAX_SUBJECT_GRANTS_PAGE })
    const subjects = world.grants.subjectsOfRole(role.id)
    const entities = cut(subjects, page).map((id) => subjectOfRoleText(world, id, role.id))
    return json(listing({ path: call.path, query, page, total: subjects.length, entities }))
  },
}

const listRoleUsers: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/roles/{roleId}/users',
  query: ['pageSize', 'pageNumber'],
  handle(call) {
    const role = existingRole(call)
    const page = readPage(call.query, { max: MAX_ROLES_PAGE })
    const users = usersOfRole(call.world, role.id)
    const entities = cut(users, page).map((id) =>
      JSON.stringify({ id, selfUri: `/api/v2/users/${id}` }),
    )
    return json(linklessListing({ page, total: users.length, entities }))
  },
}

const readRoleSettings: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/roles/settings',
  permissions: VIEW_ROLES,
  handle: () => json('{"backfillEnabled":false,"authorizationGrantDivisionAware":false}'),
}

export const roleOperations: readonly Operation[] = [
  listRoles,
  readRole,
  createRole,
  replaceRole,
  deleteRole,
  listSubjectGrants,
  listRoleUsers,
  readRoleSettings,
]
