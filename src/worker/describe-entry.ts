import { isJsonList, isJsonObject } from '../domain/audit.ts'
import type { AuditEntry, Json, JsonObject } from '../domain/audit.ts'
import type { OrganizationNames } from '../domain/organization-names.ts'
import type { ReportRow } from '../domain/report.ts'

/** Lines told of one before- or after-state, and characters of one line. */
const MAX_LINES = 50
const MAX_LINE_LENGTH = 300
const MAX_DETAILS_LENGTH = 600
/** Longer lists in the details are counted, not told. */
const MAX_NAMED = 10

/** What a reader looks for, before everything else in the order of the trail. */
const FIRST: ReadonlySet<string> = new Set(['reason', 'comment', 'operation', 'state'])
/** What other columns tell, or nobody reads. */
const UNTOLD: ReadonlySet<string> = new Set([
  'added',
  'addedCount',
  'addedHash',
  'removed',
  'removedCount',
  'removedHash',
  'names',
  'position',
  'rules',
  'userIds',
])

/**
 * An entry of the trail as a row, with the names that the entry itself holds, else those of today,
 * else ids.
 */
export function describeEntry(entry: AuditEntry, today: OrganizationNames): ReportRow {
  const { userId } = entry
  const names = recordedNames(entry, today)
  return {
    sequence: entry.sequence,
    time: entry.time,
    action: entry.action,
    outcome: entry.outcome,
    actor: entry.actor,
    userName: userId === null ? null : (names.user(userId) ?? userId),
    userId,
    before: describeState(entry.before, names),
    after: describeState(entry.after, names),
    details: describeDetails(entry.details, names),
    subjectId: entry.subjectId,
    requestId: entry.requestId,
    hash: entry.hash,
  }
}

/** Names of an entry as `fitEntry` wrote them. */
function recordedNames(
  { userId, details }: AuditEntry,
  today: OrganizationNames,
): OrganizationNames {
  const recorded = details['names'] ?? null
  if (!isJsonObject(recorded)) return today
  const find = (member: 'roles' | 'divisions' | 'groups', id: string): string | undefined => {
    const called = recorded[member] ?? null
    const name = isJsonObject(called) && Object.hasOwn(called, id) ? called[id] : undefined
    return typeof name === 'string' ? name : undefined
  }
  const { user } = recorded as { readonly user?: Json }
  return {
    user: (id) => (id === userId && typeof user === 'string' ? user : today.user(id)),
    role: (id) => find('roles', id) ?? today.role(id),
    division: (id) => find('divisions', id) ?? today.division(id),
    group: (id) => find('groups', id) ?? today.group(id),
  }
}

/** Grants read as "role in division"; anything else as it is, a line for each member. */
function describeState(state: Json, names: OrganizationNames): readonly string[] {
  const lines = linesOf(state, names)
  const shown = lines.slice(0, MAX_LINES).map((line) => cut(line, MAX_LINE_LENGTH))
  return lines.length > MAX_LINES ? [...shown, `and ${lines.length - MAX_LINES} more`] : shown
}

function linesOf(state: Json, names: OrganizationNames): string[] {
  if (state === null) return []
  if (isJsonList(state)) return state.map((item) => describeItem(item, names))
  if (!isJsonObject(state)) return [plain(state)]
  return Object.entries(state).flatMap(([name, value]) => {
    if (name === 'groupIds' && isJsonList(value))
      return value.map((id) => groupText(plain(id), names))
    if (!isJsonList(value) || !value.every(isGrant)) return [`${name}: ${plain(value)}`]
    return value.length === 0 ? [`no ${name}`] : value.map((item) => describeItem(item, names))
  })
}

function groupText(id: string, names: OrganizationNames): string {
  return `member of ${names.group(id) ?? id}`
}

function describeItem(item: Json, names: OrganizationNames): string {
  if (isJsonObject(item) && typeof item['message'] === 'string') return item['message']
  if (isDifference(item)) {
    const { kind, what, id, name, detail } = item
    const grant = isGrant(item) ? describeGrant(item, names) : detail
    const told = `${kind}: ${what} ${plain(name ?? id)}`
    return grant === undefined ? told : `${told} (${plain(grant)})`
  }
  return isGrant(item) ? describeGrant(item, names) : plain(item)
}

function describeGrant(item: GrantJson, names: OrganizationNames): string {
  const { roleId, divisionId, until } = item
  const role = names.role(roleId) ?? roleId
  const division = names.division(divisionId) ?? divisionId
  return `${role} in ${division}${typeof until === 'string' ? ` until ${until}` : ''}`
}

function describeDetails(details: JsonObject, names: OrganizationNames): string {
  const told = Object.entries(details)
    .filter(([name, value]) => !UNTOLD.has(name) && !isEmpty(value))
    .sort(([a], [b]) => Number(FIRST.has(b)) - Number(FIRST.has(a)))
  const text = told.map(([name, value]) => {
    const short = isJsonList(value) ? listText(value, names) : plain(value)
    return `${name}: ${cut(short, MAX_LINE_LENGTH)}`
  })
  return cut(text.join('; '), MAX_DETAILS_LENGTH)
}

function isEmpty(value: Json): boolean {
  return value === null || value === '' || (isJsonList(value) && value.length === 0)
}

function listText(items: readonly Json[], names: OrganizationNames): string {
  if (items.length > MAX_NAMED) return `${items.length} of them`
  return items.map((item) => describeItem(item, names)).join(', ')
}

function plain(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

type GrantJson = { roleId: string; divisionId: string; until?: Json }

type DifferenceJson = { kind: string; what: string; id: Json; name?: Json; detail?: Json }

/** A drift entry of something that is no user. */
function isDifference(value: Json): value is DifferenceJson {
  return (
    isJsonObject(value) && typeof value['kind'] === 'string' && typeof value['what'] === 'string'
  )
}

function isGrant(value: Json): value is GrantJson {
  return (
    isJsonObject(value) &&
    typeof value['roleId'] === 'string' &&
    typeof value['divisionId'] === 'string'
  )
}
