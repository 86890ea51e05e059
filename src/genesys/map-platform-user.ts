import type { PlatformUser } from '../domain/plan-user.ts'
import { USER_STATES } from '../domain/user-row.ts'
import { broken, objectIn, optionalTextIn, textIn } from './answer-shape.ts'

/**
 * A `User` with all that an update relies on. One without email, name, version, state or
 * division is broken: an update from it could undo what somebody else wrote.
 */
export function mapPlatformUser(entity: unknown): PlatformUser {
  const user = objectIn(entity, 'a user')
  const id = textIn(user, 'id', 'a user')
  const where = `user ${id}`
  const { version } = user
  if (typeof version !== 'number' || !Number.isSafeInteger(version)) {
    throw broken(where, 'no "version"')
  }
  const state = USER_STATES.find((known) => known === user['state'])
  if (state === undefined) throw broken(where, 'no known "state"')
  if (user['division'] === undefined) throw broken(where, 'no "division"')
  const division = objectIn(user['division'], `the division of ${where}`)
  return {
    id,
    version,
    email: textIn(user, 'email', where),
    name: textIn(user, 'name', where),
    divisionId: textIn(division, 'id', `the division of ${where}`),
    divisionName: optionalTextIn(division, 'name', `the division of ${where}`),
    department: optionalTextIn(user, 'department', where),
    title: optionalTextIn(user, 'title', where),
    state,
  }
}
