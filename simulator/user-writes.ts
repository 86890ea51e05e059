import { randomUUID } from 'node:crypto'
import { type Call, json, type Operation, parameter } from './operation.ts'
import { badRequest, conflict, invalidValue, notFound } from './platform-error.ts'
import type { UserRecord, UserState } from './records.ts'
import { number, object, optionalText, text, word } from './request-body.ts'
import { userText } from './user-json.ts'

const STATES: readonly UserState[] = ['active', 'inactive', 'deleted']
const FIRST_STATES = ['active', 'inactive'] as const
const MODIFIABLE = ['name', 'email', 'department', 'title'] as const

function emailOf(body: Readonly<Record<string, unknown>>): string {
  const email = text(body, 'email')
  if (/^[^@\s]+@[^@\s]+$/.test(email)) return email
  throw invalidValue('email', email, 'an email address')
}

/**
 * An address belongs to one user. A deleted user keeps it, so that creating a user anew is refused
 * until the deleted one is restored (code as seen in the vendor's Terraform provider).
 */
function checkEmail(call: Call, email: string, ownId?: string): void {
  const owner = call.writes.latestUserWithEmail(email)
  if (owner !== undefined && owner.id !== ownId) {
    throw conflict(`The email address ${email} belongs to another user.`)
  }
}

/** Another version than the last one written is a conflict: somebody else was here. */
function checkVersion(user: UserRecord, version: number): void {
  if (version === user.version) return
  throw conflict(`The user has version ${user.version}, the request says ${version}.`)
}

/** An empty text takes the value away; an optional field that is left out stays as it is. */
function changed(
  user: UserRecord,
  body: Readonly<Record<string, unknown>>,
  field: 'department' | 'title',
): Partial<Record<typeof field, string>> {
  const value = body[field] === undefined ? user[field] : optionalText(body, field)
  return value === undefined ? {} : { [field]: value }
}

function withFields(
  call: Call,
  user: UserRecord,
  body: Readonly<Record<string, unknown>>,
): UserRecord {
  const { department: _, title: __, ...rest } = user
  const email = body['email'] === undefined ? user.email : emailOf(body)
  if (email !== user.email) checkEmail(call, email, user.id)
  return {
    ...rest,
    name: body['name'] === undefined ? user.name : text(body, 'name'),
    email,
    ...changed(user, body, 'department'),
    ...changed(user, body, 'title'),
  }
}

/** Leaving the active state drops all direct grants; coming back does not restore them. */
function store(call: Call, user: UserRecord): void {
  call.writes.putUser(user)
  if (user.state !== 'active') {
    call.writes.submit((world) => world.grants.removeSubject(user.id))
  }
}

/**
 * The vendor's model says of `state`: if specified, it is the only modifiable field. The simulator
 * refuses what comes beside it, so that a client cannot believe it written. The division is not a
 * field of the update: it is changed by assigning the user to a division.
 */
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
    const movesState = body['state'] !== undefined
    if (movesState && MODIFIABLE.some((field) => body[field] !== undefined)) {
      throw badRequest('With state given, it is the only modifiable field.')
    }
    const record = {
      ...(movesState
        ? { ...user, state: word(body, 'state', STATES) }
        : withFields(call, user, body)),
      version: user.version + 1,
    }
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
    const department = optionalText(body, 'department')
    const title = optionalText(body, 'title')
    const user: UserRecord = {
      id: randomUUID(),
      name: text(body, 'name'),
      email: emailOf(body),
      state: body['state'] === undefined ? 'active' : word(body, 'state', FIRST_STATES),
      divisionId,
      ...(department !== undefined && { department }),
      ...(title !== undefined && { title }),
      groups: [],
      version: 1,
    }
    checkEmail(call, user.email)
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
    call.writes.deleteUser(id)
    return json('{}')
  },
}

export const userWriteOperations: readonly Operation[] = [updateUser, createUser, deleteUser]
