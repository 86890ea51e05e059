import { createHash } from 'node:crypto'
import { isJsonList, isJsonObject } from '../domain/audit.ts'
import type { Json, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import type { OrganizationNames } from '../domain/organization-names.ts'

/** Of `before`, `after` and `details` together, as JSON text; the trail takes 262,144. */
const MAX_CHARACTERS = 250_000
const MAX_NAME_LENGTH = 200

/** Items told of each list of grants (or other objects) and of each list of codes or ids. */
type Limits = { readonly objects: number; readonly texts: number }

/** Tried one after the other until the entry fits; with the last every list is a count and a hash. */
const LIMITS: readonly Limits[] = [
  { objects: 1_000, texts: 1_000 },
  { objects: 1_000, texts: 100 },
  { objects: 300, texts: 100 },
  { objects: 50, texts: 20 },
  { objects: 0, texts: 0 },
]

/**
 * An entry as the trail takes it, with what its ids were called when it was made: `details.names` is
 * `{user?, roles?, divisions?, groups?}`, the last three from id to name; what the organisation does
 * not have is missing there.
 *
 * A list of `before`, `after` or `details` that is too long is cut, and two members beside it say so:
 * for `grants` these are `grantsCount`, how many there are, and `grantsHash`, the SHA-256, in hex, of
 * the whole list's JSON text. The whole list is in the batch's item.
 */
export function fitEntry(entry: NewAuditEntry, names: OrganizationNames): NewAuditEntry {
  let fitted = entry
  for (const limits of LIMITS) {
    const before = cutLists(entry.before, limits)
    const after = cutLists(entry.after, limits)
    const details = cutMembers(entry.details, limits)
    const called = namesOf({ before, after, details }, entry.userId, names)
    fitted = { ...entry, before, after, details: { ...details, ...called } }
    if (lengthOf(fitted) <= MAX_CHARACTERS) break
  }
  return fitted
}

function lengthOf({ before, after, details }: NewAuditEntry): number {
  return JSON.stringify([before, after, details]).length
}

function cutLists(value: Json, limits: Limits): Json {
  return isJsonObject(value) ? cutMembers(value, limits) : value
}

function cutMembers(value: JsonObject, limits: Limits): JsonObject {
  const members = Object.entries(value).flatMap(([name, member]): [string, Json][] => {
    if (!isJsonList(member)) return [[name, member]]
    const limit = typeof member[0] === 'string' ? limits.texts : limits.objects
    if (member.length <= limit) return [[name, member]]
    const hash = createHash('sha256').update(JSON.stringify(member)).digest('hex')
    return [
      [name, member.slice(0, limit)],
      [`${name}Count`, member.length],
      [`${name}Hash`, hash],
    ]
  })
  return Object.fromEntries(members)
}

type Parts = Pick<NewAuditEntry, 'before' | 'after' | 'details'>

const KINDS = [
  ['role', 'roles'],
  ['division', 'divisions'],
  ['group', 'groups'],
] as const

function namesOf(parts: Parts, userId: string | null, names: OrganizationNames): JsonObject {
  const ids = { role: new Set<string>(), division: new Set<string>(), group: new Set<string>() }
  for (const part of [parts.before, parts.after, parts.details]) {
    if (!isJsonObject(part)) continue
    for (const [name, member] of Object.entries(part)) {
      for (const item of isJsonList(member) ? member : []) {
        if (name === 'groupIds' && typeof item === 'string') ids.group.add(item)
        if (!isJsonObject(item)) continue
        const { roleId, divisionId } = item as { roleId?: Json; divisionId?: Json }
        if (typeof roleId === 'string') ids.role.add(roleId)
        if (typeof divisionId === 'string') ids.division.add(divisionId)
      }
    }
  }
  const user = userId === null ? undefined : names.user(userId)
  const called: Record<string, Json> = user === undefined ? {} : { user: cutName(user) }
  for (const [kind, member] of KINDS) {
    const found = [...ids[kind]].flatMap((id) => {
      const name = names[kind](id)
      return name === undefined ? [] : [[id, cutName(name)]]
    })
    if (found.length > 0) called[member] = Object.fromEntries(found)
  }
  return Object.keys(called).length === 0 ? {} : { names: called }
}

function cutName(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH)
}
