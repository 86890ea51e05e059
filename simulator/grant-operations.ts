import { grantText, subjectText } from './grant-json.ts'
import { type Call, json, noContent, type Operation, parameter } from './operation.ts'
import { cut, linklessListing, readPage } from './paging.ts'
import { notFound, PlatformError } from './platform-error.ts'
import { booleanParameter, choiceParameter, listParameter } from './query.ts'
import type { Grant, SubjectType } from './records.ts'
import { list, object, text, texts } from './request-body.ts'
import { existingRole } from './role-operations.ts'
import { effectiveRoles } from './user-json.ts'
import { EVERY_DIVISION, type Subject, type World } from './world.ts'

export const MAX_DIVISION_GRANTS_PAGE = 500
const MAX_COUNTED_SUBJECTS = 100
const VIEW_GRANTS = ['authorization:grant:view']
const ADD_GRANTS = ['authorization:grant:add']
const REMOVE_GRANTS = ['authorization:grant:delete']
const SUBJECTS = '/api/v2/authorization/subjects'
const SUBJECT_TYPES: readonly SubjectType[] = ['PC_USER', 'PC_GROUP', 'PC_OAUTH_CLIENT']

function existingSubject(call: Call, id: string): Subject {
  const pending = call.writes.latestUser(id)
  const subject =
    call.world.subject(id) ?? (pending && { id, name: pending.name, type: 'PC_USER' as const })
  if (subject === undefined) throw notFound('subject', id)
  return subject
}

/** The caller has to say what kind of subject it writes to; left out, it says a user. */
function writableSubject(call: Call, id: string): Subject {
  const subject = existingSubject(call, id)
  const type = choiceParameter(call.query, 'subjectType', SUBJECT_TYPES, 'PC_USER')
  if (type === subject.type) return subject
  const message = `The subject ${id} is a ${subject.type}, not a ${type}.`
  throw new PlatformError(400, 'invalid.subject.type', message)
}

function checkGrant(call: Call, grant: Grant): Grant {
  const { roleId, divisionId } = grant
  if (call.writes.latestRole(roleId) === undefined) throw notFound('role', roleId)
  if (divisionId !== EVERY_DIVISION && !call.world.divisions.has(divisionId)) {
    throw notFound('division', divisionId)
  }
  return grant
}

/** One unknown role or division spoils the whole call, before anything is written. */
function grantsOfBody(call: Call): Grant[] {
  return list(object(call.body)['grants'], 'grants').map((item) => {
    const pair = object(item)
    return checkGrant(call, { roleId: text(pair, 'roleId'), divisionId: text(pair, 'divisionId') })
  })
}

const readOwnSubject: Operation = {
  method: 'GET',
  path: `${SUBJECTS}/me`,
  query: ['includeDuplicates'],
  handle(call) {
    const duplicates = booleanParameter(call.query, 'includeDuplicates', false)
    return json(subjectText(call.world, existingSubject(call, call.client.id), duplicates))
  },
}

const readSubject: Operation = {
  method: 'GET',
  path: `${SUBJECTS}/{subjectId}`,
  query: ['includeDuplicates'],
  permissions: VIEW_GRANTS,
  handle(call) {
    const id = parameter(call, 'subjectId')
    const subject = call.world.subject(id)
    if (subject === undefined) throw notFound('subject', id)
    const duplicates = booleanParameter(call.query, 'includeDuplicates', false)
    return json(subjectText(call.world, subject, duplicates))
  },
}

const countRoles: Operation = {
  method: 'GET',
  path: `${SUBJECTS}/rolecounts`,
  query: ['id'],
  permissions: VIEW_GRANTS,
  handle(call) {
    const ids = listParameter(call.query, 'id')
    if (ids.length > MAX_COUNTED_SUBJECTS) {
      throw new PlatformError(400, 'max.user.ids', `No more than ${MAX_COUNTED_SUBJECTS} ids.`)
    }
    const counts = ids.map((id) => [id, effectiveRoles(call.world, id).length])
    return json(JSON.stringify(Object.fromEntries(counts)))
  },
}

const listDivisionGrants: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/divisions/{divisionId}/grants',
  query: ['pageNumber', 'pageSize'],
  permissions: VIEW_GRANTS,
  handle(call) {
    const { world } = call
    const id = parameter(call, 'divisionId')
    if (id !== EVERY_DIVISION && !world.divisions.has(id)) throw notFound('division', id)
    const page = readPage(call.query, { max: MAX_DIVISION_GRANTS_PAGE })
    const grants = world.grants.ofDivision(id)
    const entities = cut(grants, page).map((grant) => grantText(world, grant))
    return json(linklessListing({ page, total: grants.length, entities }))
  },
}

function bulk(
  name: 'bulkadd' | 'bulkremove' | 'bulkreplace',
  allPermissions: readonly string[],
  write: (call: Call, subjectId: string, grants: readonly Grant[]) => void,
): Operation {
  return {
    method: 'POST',
    path: `${SUBJECTS}/{subjectId}/${name}`,
    ...(name !== 'bulkremove' && { query: ['subjectType'] }),
    allPermissions,
    handle(call) {
      const id = parameter(call, 'subjectId')
      if (name === 'bulkremove') existingSubject(call, id)
      else writableSubject(call, id)
      const grants = grantsOfBody(call)
      write(call, id, grants)
      return noContent()
    },
  }
}

/** The number is the simulator's own: the platform documents the refusal, not the limit. */
function checkLimit(call: Call, held: readonly Grant[], grants: readonly Grant[]): void {
  const { maxGrantsPerSubject } = call.settings
  const keys = [...held, ...grants].map(({ roleId, divisionId }) => `${roleId} ${divisionId}`)
  if (new Set(keys).size <= Math.max(held.length, maxGrantsPerSubject)) return
  const message = `A subject may have at most ${maxGrantsPerSubject} role assignments.`
  throw new PlatformError(400, 'max.role.assignments.exceeded', message)
}

/** A role that was deleted before a write shows takes the grants along. */
function giveAll(world: World, subjectId: string, grants: readonly Grant[]): void {
  for (const { roleId, divisionId } of grants) {
    if (world.roles.has(roleId)) world.grants.add(subjectId, roleId, divisionId)
  }
}

function addAll(call: Call, subjectId: string, grants: readonly Grant[]): void {
  checkLimit(call, call.world.grants.ofSubject(subjectId), grants)
  call.writes.submit((world) => giveAll(world, subjectId, grants))
}

function removeAll(call: Call, subjectId: string, grants: readonly Grant[]): void {
  call.writes.submit((world) => {
    for (const { roleId, divisionId } of grants) world.grants.remove(subjectId, roleId, divisionId)
  })
}

/** Replaces the direct grants; inherited ones are the group's and stay. */
function replaceAll(call: Call, subjectId: string, grants: readonly Grant[]): void {
  checkLimit(call, [], grants)
  call.writes.submit((world) => {
    world.grants.removeSubject(subjectId)
    giveAll(world, subjectId, grants)
  })
}

const GRANT = `${SUBJECTS}/{subjectId}/divisions/{divisionId}/roles/{roleId}`

function grantOfPath(call: Call): Grant {
  return checkGrant(call, {
    roleId: parameter(call, 'roleId'),
    divisionId: parameter(call, 'divisionId'),
  })
}

const addGrant: Operation = {
  method: 'POST',
  path: GRANT,
  query: ['subjectType'],
  permissions: ADD_GRANTS,
  handle(call) {
    const subject = writableSubject(call, parameter(call, 'subjectId'))
    addAll(call, subject.id, [grantOfPath(call)])
    return noContent()
  },
}

/** Removing what is not there is done already; an unknown subject, role or division is a 404. */
const removeGrant: Operation = {
  method: 'DELETE',
  path: GRANT,
  permissions: REMOVE_GRANTS,
  handle(call) {
    const subject = existingSubject(call, parameter(call, 'subjectId'))
    removeAll(call, subject.id, [grantOfPath(call)])
    return noContent()
  },
}

/** Gives one role to many subjects in many divisions. */
const grantRole: Operation = {
  method: 'POST',
  path: '/api/v2/authorization/roles/{roleId}',
  query: ['subjectType'],
  permissions: ADD_GRANTS,
  handle(call) {
    const role = existingRole(call)
    const body = object(call.body)
    const subjects = texts(body, 'subjectIds').map((id) => writableSubject(call, id))
    const grants = texts(body, 'divisionIds').map((divisionId) =>
      checkGrant(call, { roleId: role.id, divisionId }),
    )
    for (const subject of subjects) addAll(call, subject.id, grants)
    return noContent()
  },
}

export const grantOperations: readonly Operation[] = [
  readOwnSubject,
  countRoles,
  readSubject,
  listDivisionGrants,
  bulk('bulkadd', ADD_GRANTS, addAll),
  bulk('bulkremove', REMOVE_GRANTS, removeAll),
  bulk('bulkreplace', [...ADD_GRANTS, ...REMOVE_GRANTS], replaceAll),
  addGrant,
  removeGrant,
  grantRole,
]
