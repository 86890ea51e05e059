import { differences } from './json-difference.ts'
import type { FieldChange } from './json-difference.ts'
import type { JsonObject } from './json-shape.ts'
import type { WantedQueue } from './queue-manifest.ts'

/** A queue as it was read, whole: an update must give all of it back. */
export type PlatformQueue = {
  readonly id: string
  readonly name: string
  readonly divisionId: string
  readonly divisionName: string
  /** Every field, also those that nothing here knows of. */
  readonly body: JsonObject
}

export type QueueMember = {
  readonly id: string
  /** Empty when the platform gives none. */
  readonly name: string
}

/** What a manifest wants, with ids in the place of names. */
export type ResolvedQueue = Omit<WantedQueue, 'members'> & {
  readonly divisionId: string | undefined
  /** Each is named as the manifest has it. Undefined when the manifest does not speak of members. */
  readonly members: readonly QueueMember[] | undefined
}

/** What has to be done to a queue; all parts empty when it is as wanted. */
export type QueueDifference = {
  readonly settings: readonly FieldChange[]
  readonly division: FieldChange | undefined
  readonly addMembers: readonly QueueMember[]
  readonly removeMembers: readonly QueueMember[]
}

/**
 * Compares a queue and its members, who are a set, with what is wanted.
 * @param members undefined when they were not read, because the manifest does not speak of them
 */
export function compareQueue(
  wanted: ResolvedQueue,
  held: PlatformQueue,
  members: readonly QueueMember[] | undefined,
): QueueDifference {
  const { divisionId } = wanted
  const moved = divisionId !== undefined && divisionId !== held.divisionId
  const before = held.divisionName === '' ? held.divisionId : held.divisionName
  const wantedMembers = wanted.members ?? []
  const heldMembers = wanted.members === undefined ? [] : (members ?? [])
  return {
    settings: differences(wanted.settings, held.body),
    division: moved
      ? { field: 'division', before, after: wanted.division ?? divisionId }
      : undefined,
    addMembers: without(wantedMembers, heldMembers),
    removeMembers: without(heldMembers, wantedMembers),
  }
}

export function isAsWanted(difference: QueueDifference): boolean {
  return changesOf(difference).length === 0
}

/** The difference as people read it, members as two lists. */
export function changesOf(difference: QueueDifference): readonly FieldChange[] {
  const { settings, division, addMembers, removeMembers } = difference
  const moved = division === undefined ? [] : [division]
  return [...settings, ...moved, ...memberChanges(addMembers, removeMembers)]
}

/** Members who come and go, as people read it. */
export function memberChanges(
  added: readonly QueueMember[],
  removed: readonly QueueMember[],
): readonly FieldChange[] {
  const changes: FieldChange[] = []
  if (added.length > 0) {
    changes.push({ field: 'members/added', before: null, after: added.map(memberText) })
  }
  if (removed.length > 0) {
    changes.push({ field: 'members/removed', before: removed.map(memberText), after: null })
  }
  return changes
}

/** What a queue is created with, as people read it. */
export function creationOf(wanted: ResolvedQueue): readonly FieldChange[] {
  const { name, division, divisionId, settings, members = [] } = wanted
  const place = division === undefined ? [] : [['division', division ?? divisionId]]
  const named = Object.entries(settings).filter(([, value]) => value !== null)
  const fields = [['name', name], ...place, ...named]
  const people = members.length === 0 ? [] : [['members/added', members.map(memberText)]]
  return [...fields, ...people].map(([field, after]) => {
    return { field: field as string, before: null, after }
  })
}

function without(
  members: readonly QueueMember[],
  others: readonly QueueMember[],
): readonly QueueMember[] {
  const ids = new Set(others.map(({ id }) => id))
  return members.filter(({ id }) => !ids.has(id))
}

export function memberText({ id, name }: QueueMember): string {
  return name === '' || name === id ? id : `${name} (${id})`
}
