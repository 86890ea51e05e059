import type { AuditEntry, Json, JsonObject } from '../domain/audit.ts'
import type { OrganizationNames } from '../domain/organization-names.ts'
import type { ReportRow } from '../domain/report.ts'

/** Lines told of one before- or after-state, and characters of one line. */
const MAX_LINES = 50
const MAX_LINE_LENGTH = 300
const MAX_DETAILS_LENGTH = 600
/** Longer lists in the details are counted, not told. */
const MAX_NAMED = 5

/** What a reader looks for, before everything else in the order of the trail. */
const FIRST: ReadonlySet<string> = new Set(['reason', 'comment', 'operation', 'state'])
/** What other columns tell, or nobody reads. */
const UNTOLD: ReadonlySet<string> = new Set(['added', 'removed', 'position', 'userIds'])

/** An entry of the trail as a row, with names where the organisation still has them. */
export function describeEntry(entry: AuditEntry, names: OrganizationNames): ReportRow {
  const { userId } = entry
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

/** Grants read as "role in division"; anything else as it is, a line for each member. */
function describeState(state: Json, names: OrganizationNames): readonly string[] {
  const lines = linesOf(state, names)
  const shown = lines.slice(0, MAX_LINES).map((line) => cut(line, MAX_LINE_LENGTH))
  return lines.length > MAX_LINES ? [...shown, `and ${lines.length - MAX_LINES} more`] : shown
}

function linesOf(state: Json, names: OrganizationNames): string[] {
  if (state === null) return []
  if (isList(state)) return state.map((item) => describeItem(item, names))
  if (!isObject(state)) return [plain(state)]
  return Object.entries(state).flatMap(([name, value]) => {
    if (!isList(value) || !value.every(isGrant)) return [`${name}: ${plain(value)}`]
    return value.length === 0 ? [`no ${name}`] : value.map((item) => describeItem(item, names))
  })
}

function describeItem(item: Json, names: OrganizationNames): string {
  if (!isGrant(item)) return plain(item)
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
    const short = isList(value) ? listText(value, names) : plain(value)
    return `${name}: ${cut(short, MAX_LINE_LENGTH)}`
  })
  return cut(text.join('; '), MAX_DETAILS_LENGTH)
}

function isEmpty(value: Json): boolean {
  return value === null || value === '' || (isList(value) && value.length === 0)
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

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isGrant(value: Json): value is { roleId: string; divisionId: string; until?: Json } {
  return (
    isObject(value) &&
    typeof value['roleId'] === 'string' &&
    typeof value['divisionId'] === 'string'
  )
}
