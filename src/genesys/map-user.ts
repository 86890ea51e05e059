import type { SubjectFact, SubjectState } from '../domain/facts.ts'
import { broken, listIn, objectIn, optionalTextIn, textIn } from './answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'

/** A user as listed. Grants are not part of it: they are read by role or by subject. */
export type ListedUser = Omit<SubjectFact, 'kind' | 'grants' | 'groupIds'> & {
  /** Null when the platform left the groups out though they were asked for: unknown, not none. */
  readonly groupIds: readonly string[] | null
}

const STATES: readonly SubjectState[] = ['active', 'inactive', 'deleted']

/** A `User` with `expand=groups`. @param listedAs the state that was asked for, if one was */
export function mapUser(entity: unknown, listedAs?: SubjectState): ListedUser {
  const user = objectIn(entity, 'a user')
  const id = textIn(user, 'id', 'a user')
  const where = `user ${id}`
  return {
    id,
    name: optionalTextIn(user, 'name', where),
    email: optionalTextIn(user, 'email', where),
    state: mapState(user, listedAs, where),
    groupIds: mapGroups(user, where),
  }
}

/** The user's own word counts before the listing it stands in: an index may lag behind. */
function mapState(
  user: JsonObject,
  listedAs: SubjectState | undefined,
  where: string,
): SubjectState {
  const state = user['state'] ?? listedAs
  const known = STATES.find((candidate) => candidate === state)
  if (known === undefined) throw broken(where, 'no known "state"')
  return known
}

function mapGroups(user: JsonObject, where: string): readonly string[] | null {
  if (user['groups'] === undefined || user['groups'] === null) return null
  return listIn(user, 'groups', where).map((group) => {
    return textIn(objectIn(group, `a group of ${where}`), 'id', `a group of ${where}`)
  })
}
