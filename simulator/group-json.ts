import type { GroupRecord } from './records.ts'
import type { World } from './world.ts'

const DATE_MODIFIED = '2026-01-15T08:00:00.000Z'

/**
 * The group inside an expanded user: who it is, not whether it carries roles. Callers have to
 * read the group itself for that.
 */
export function groupReference(group: GroupRecord): object {
  return {
    id: group.id,
    name: group.name,
    type: 'official',
    rulesVisible: true,
    visibility: 'public',
    selfUri: `/api/v2/groups/${group.id}`,
  }
}

export function groupEntity(world: World, group: GroupRecord): object {
  return {
    ...groupReference(group),
    ...(group.description !== undefined && { description: group.description }),
    dateModified: DATE_MODIFIED,
    memberCount: world.members(group.id).size,
    state: 'active',
    version: group.version,
    rolesEnabled: group.rolesEnabled,
    includeOwners: false,
    callsEnabled: false,
    owners: [],
  }
}
