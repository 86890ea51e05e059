import type { PlatformQueue, QueueMember } from '../domain/plan-queue.ts'
import { broken, objectIn, optionalTextIn, textIn } from './answer-shape.ts'

/** What the platform alone writes; it is not given back with an update. */
const OWN_FIELDS = new Set([
  'dateCreated',
  'dateModified',
  'createdBy',
  'modifiedBy',
  'memberCount',
  'userMemberCount',
  'joinedMemberCount',
  'selfUri',
])

/** A `Queue`. One without a division is broken: an update from it could move the queue. */
export function mapQueue(entity: unknown): PlatformQueue {
  const body = objectIn(entity, 'a queue')
  const id = textIn(body, 'id', 'a queue')
  const where = `queue ${id}`
  if (body['division'] === undefined) throw broken(where, 'no "division"')
  const division = objectIn(body['division'], `the division of ${where}`)
  return {
    id,
    name: textIn(body, 'name', where),
    divisionId: textIn(division, 'id', `the division of ${where}`),
    divisionName: optionalTextIn(division, 'name', `the division of ${where}`),
    body,
  }
}

/**
 * A queue as an update gives it back, with everything that was read. Throws `upstream-broken` when
 * the settings that every queue has did not come: the update would put defaults in their place.
 */
export function updateBody({ id, body }: PlatformQueue): Readonly<Record<string, unknown>> {
  for (const field of ['mediaSettings', 'acwSettings']) {
    if (body[field] === undefined) throw broken(`queue ${id}`, `no "${field}"`)
  }
  return Object.fromEntries(Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name)))
}

/** Members that the queue has by themselves, as the queue itself counts them; null when it does not. */
export function userMemberCount({ body }: PlatformQueue): number | null {
  const count = body['userMemberCount']
  return typeof count === 'number' ? count : null
}

/** A `QueueMember`. */
export function mapQueueMember(entity: unknown): QueueMember {
  const member = objectIn(entity, 'a queue member')
  const id = textIn(member, 'id', 'a queue member')
  return { id, name: optionalTextIn(member, 'name', `queue member ${id}`) }
}
