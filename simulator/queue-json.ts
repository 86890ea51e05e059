import { divisionReference } from './division-json.ts'
import type { QueueMembership, QueueRecord, UserRecord } from './records.ts'
import { userText } from './user-json.ts'
import type { World } from './world.ts'

export const QUEUES = '/api/v2/routing/queues'

export interface QueueMember {
  readonly user: UserRecord
  readonly memberBy: 'user' | 'group'
  readonly membership: QueueMembership
}

const BY_GROUP: QueueMembership = { ringNumber: 1, joined: true }

function memberGroupIds(queue: QueueRecord): string[] {
  const groups = queue.settings['memberGroups']
  if (!Array.isArray(groups)) return []
  return groups.flatMap((group: { id?: unknown; type?: unknown } | null) =>
    typeof group?.id === 'string' && (group.type ?? 'GROUP') === 'GROUP' ? [group.id] : [],
  )
}

/** Users who are in by themselves, and those whom a member group brings; sorted by name. */
export function membersOf(world: World, queue: QueueRecord): QueueMember[] {
  const found = new Map<string, QueueMember>()
  for (const groupId of memberGroupIds(queue)) {
    for (const id of world.members(groupId)) {
      const user = world.user(id)
      if (user !== undefined) found.set(id, { user, memberBy: 'group', membership: BY_GROUP })
    }
  }
  for (const [id, membership] of world.queues.members(queue.id)) {
    const user = world.user(id)
    if (user !== undefined) found.set(id, { user, memberBy: 'user', membership })
  }
  return [...found.values()].toSorted((a, b) => (a.user.name < b.user.name ? -1 : 1))
}

export function queueText(world: World, queue: QueueRecord): string {
  const { id, name, divisionId, settings, ...written } = queue
  const members = membersOf(world, queue)
  return JSON.stringify({
    id,
    name,
    division: divisionReference(world, divisionId),
    ...written,
    memberCount: members.length,
    userMemberCount: members.filter(({ memberBy }) => memberBy === 'user').length,
    joinedMemberCount: members.filter(({ membership }) => membership.joined).length,
    ...settings,
    selfUri: `${QUEUES}/${id}`,
  })
}

/** The user comes whole, with what was asked to be expanded; `routingStatus` only when asked. */
export function memberText(
  world: World,
  queue: QueueRecord,
  member: QueueMember,
  expand: readonly string[],
): string {
  const { user, memberBy, membership } = member
  const rest = {
    ...membership,
    memberBy,
    ...(expand.includes('routingStatus') && {
      routingStatus: { userId: user.id, status: membership.joined ? 'IDLE' : 'OFF_QUEUE' },
    }),
    selfUri: `${QUEUES}/${queue.id}/members/${user.id}`,
  }
  const head = JSON.stringify({ id: user.id, name: user.name }).slice(0, -1)
  return `${head},"user":${userText(world, user, expand)},${JSON.stringify(rest).slice(1)}`
}
