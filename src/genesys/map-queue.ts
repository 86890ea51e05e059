import { isObject } from '../domain/json-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'
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
export function updateBody({ id, body }: PlatformQueue): JsonObject {
  for (const field of ['mediaSettings', 'acwSettings', 'skillEvaluationMethod']) {
    if (body[field] === undefined) throw broken(`queue ${id}`, `no "${field}"`)
  }
  return Object.fromEntries(Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name)))
}

/**
 * Paths of the fields that a queue had and that a later answer leaves out: an update from that answer
 * would reset them. What is written anew does not count.
 */
export function lostFields(
  seen: PlatformQueue,
  now: PlatformQueue,
  wanted: JsonObject,
): readonly string[] {
  return lostIn(updateBody(seen), now.body, wanted, '')
}

function lostIn(
  before: JsonObject,
  now: JsonObject,
  wanted: JsonObject,
  path: string,
): readonly string[] {
  return Object.entries(before).flatMap(([name, had]) => {
    const [has, want] = [now[name], wanted[name]]
    if (want !== undefined && !isObject(want)) return []
    if (had === undefined || had === null || had === '') return []
    const field = path === '' ? name : `${path}/${name}`
    if (has === undefined || has === null) return [field]
    // What a reference tells beside the id is not ours to write.
    if (!isObject(had) || !isObject(has) || 'id' in had) return []
    return lostIn(had, has, isObject(want) ? want : {}, field)
  })
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
