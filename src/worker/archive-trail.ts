import { isJsonObject } from '../domain/audit.ts'
import type { AuditEntry, AuditTrail, Json } from '../domain/audit.ts'
import type { Grant, SubjectFact, SubjectState } from '../domain/facts.ts'

/** Users whose changes are told; with more, nobody's state is certain. */
const MAX_USERS = 20_000
/** Entries named of one user, and differences named that may concern anybody. */
const MAX_NAMED = 10
/** Drift that does not say since when may have come about at most so long before it was found. */
const UNDATED_DRIFT_MS = 24 * 60 * 60_000

/** What of a user is known to be so, in place of what a matrix has. */
export type UserParts = Partial<Pick<SubjectFact, 'state' | 'groupIds' | 'grants'>>

type UserTrail = {
  /** As the trail has the user at the time. */
  parts: UserParts
  /** How the user may have been instead; `possible` is undefined where that is not told in full. */
  doubt: { readonly possible: UserParts | undefined } | undefined
  /** Entries that say so. */
  readonly entries: string[]
}

/** What the trail says of the time between an archived matrix and a time asked for. */
export type TrailSince = {
  readonly users: ReadonlyMap<string, UserTrail>
  /** Drift that may concern anybody: of groups, roles, divisions and permissions. */
  readonly shared: readonly string[]
  /** False when there is more than is told here. */
  readonly complete: boolean
}

export type TrailSinceOptions = {
  readonly audit: Pick<AuditTrail, 'stream'>
  /** When reading the archived matrix began, epoch milliseconds: what came later it may not have. */
  readonly takenAt: number
  /** Of the archived matrix: drift that made it is in it. */
  readonly revision: number
  /** ISO 8601. */
  readonly at: string
  readonly signal: AbortSignal
}

/**
 * Reads what assignments wrote and what drift found until `at`. An assignment that had begun and not
 * ended by then, and drift that was found later but may have been there, leave a doubt.
 */
export async function readTrailSince(options: TrailSinceOptions): Promise<TrailSince> {
  const { audit, takenAt, at, signal, revision } = options
  const users = new UserTrails()
  const from = new Date(takenAt).toISOString()
  const assignments = audit.stream({ from, to: at, action: 'role_assignment_change' })
  const drift = audit.stream({ from, to: at, action: 'drift' })
  for await (const entry of inOrder(assignments, drift)) {
    signal.throwIfAborted()
    if (entry.action === 'role_assignment_change') learnAssignment(users, entry)
    else if (revisionOf(entry) > revision) learnDrift(users, entry)
  }
  const atMs = Date.parse(at)
  for await (const entry of audit.stream({ from: at, action: 'drift' })) {
    signal.throwIfAborted()
    // Each drift came about after the one before it was found.
    if (sinceOf(entry) > atMs) break
    doubtDrift(users, entry)
  }
  return users.trail
}

class UserTrails {
  readonly #users = new Map<string, UserTrail>()
  readonly #shared = new Set<string>()
  #complete = true

  get trail(): TrailSince {
    return { users: this.#users, shared: [...this.#shared], complete: this.#complete }
  }

  of(userId: string): UserTrail | undefined {
    const known = this.#users.get(userId)
    if (known) return known
    if (this.#users.size >= MAX_USERS) {
      this.#complete = false
      return undefined
    }
    const trail: UserTrail = { parts: {}, doubt: undefined, entries: [] }
    this.#users.set(userId, trail)
    return trail
  }

  /** Of an entry that counts drift. */
  addShared({ details }: AuditEntry): void {
    const { entries, entriesUntold, usersUntold } = details
    if (typeof usersUntold === 'number' && usersUntold > 0) this.#complete = false
    const named = Array.isArray(entries) ? (entries as readonly Json[]) : []
    for (const item of named) {
      if (!isJsonObject(item) || this.#shared.size >= MAX_NAMED) continue
      const { kind, what, name, id } = item
      this.#shared.add(
        [kind, what, name ?? id].filter((part) => typeof part === 'string').join(' '),
      )
    }
    if (typeof entriesUntold === 'number') this.#shared.add('and more')
  }
}

function learnAssignment(users: UserTrails, entry: AuditEntry): void {
  const { userId, outcome } = entry
  if (userId === null || (outcome !== 'started' && outcome !== 'succeeded')) return
  const user = users.of(userId)
  if (!user) return
  const grants = listOf(entry.after, 'grants', isGrant)
  if (outcome === 'started') {
    user.doubt = { possible: grants && { grants } }
    note(user, entry, ', begun')
    return
  }
  if (grants) user.parts = { ...user.parts, grants }
  user.doubt = grants ? undefined : { possible: undefined }
  note(user, entry, '')
}

/** What was found by then had come about by then. */
function learnDrift(users: UserTrails, entry: AuditEntry): void {
  if (entry.userId === null) {
    users.addShared(entry)
    return
  }
  const user = users.of(entry.userId)
  if (!user) return
  const parts = partsOf(entry)
  if (parts) user.parts = { ...user.parts, ...parts }
  user.doubt = parts ? undefined : { possible: undefined }
  note(user, entry, ', drift')
}

function doubtDrift(users: UserTrails, entry: AuditEntry): void {
  if (entry.userId === null) {
    users.addShared(entry)
    return
  }
  const user = users.of(entry.userId)
  if (!user) return
  // Two doubts are more than one other state can answer.
  user.doubt = { possible: user.doubt ? undefined : partsOf(entry) }
  note(user, entry, ', drift found later')
}

function note(user: UserTrail, { sequence, time }: AuditEntry, what: string): void {
  if (user.entries.length < MAX_NAMED) user.entries.push(`No. ${sequence}, ${time}${what}`)
}

/** Epoch milliseconds before which what an entry tells of had not come about. */
function sinceOf({ details, time }: AuditEntry): number {
  const { since } = details
  const known = typeof since === 'string' ? Date.parse(since) : Number.NaN
  return Number.isNaN(known) ? Date.parse(time) - UNDATED_DRIFT_MS : known
}

/** Of the matrix in which drift was found; Infinity where it is not told. */
function revisionOf({ details, after }: AuditEntry): number {
  if (typeof details['revision'] === 'number') return details['revision']
  const found = isJsonObject(after) ? after['revision'] : undefined
  return typeof found === 'number' ? found : Infinity
}

const STATES: readonly SubjectState[] = ['active', 'inactive', 'deleted']

/** What a user was after drift; undefined where the entry does not have all of it. */
function partsOf({ after }: AuditEntry): UserParts | undefined {
  if (after === null) return { state: 'deleted', grants: [], groupIds: [] }
  const grants = listOf(after, 'grants', isGrant)
  const groupIds = listOf(after, 'groupIds', isText)
  const state = STATES.find((each) => isJsonObject(after) && each === after['state'])
  return grants && groupIds && state && { grants, groupIds, state }
}

/** A list that is a member of a state; undefined where it is missing or was cut. */
function listOf<Item extends Json>(
  state: Json,
  member: string,
  isItem: (item: Json) => item is Item,
): readonly Item[] | undefined {
  if (!isJsonObject(state) || `${member}Count` in state) return undefined
  const list = state[member]
  return Array.isArray(list) && list.every(isItem) ? list : undefined
}

function isText(value: Json): value is string {
  return typeof value === 'string'
}

function isGrant(value: Json): value is Grant {
  return (
    isJsonObject(value) && isText(value['roleId'] ?? null) && isText(value['divisionId'] ?? null)
  )
}

/** Entries of two streams in the order of the trail, each once. */
async function* inOrder(
  first: AsyncIterable<AuditEntry>,
  second: AsyncIterable<AuditEntry>,
): AsyncGenerator<AuditEntry> {
  const others = second[Symbol.asyncIterator]()
  try {
    let other = await others.next()
    for await (const entry of first) {
      while (other.done !== true && other.value.sequence < entry.sequence) {
        yield other.value
        other = await others.next()
      }
      if (other.done !== true && other.value.sequence === entry.sequence) {
        other = await others.next()
      }
      yield entry
    }
    while (other.done !== true) {
      yield other.value
      other = await others.next()
    }
  } finally {
    await others.return?.()
  }
}
