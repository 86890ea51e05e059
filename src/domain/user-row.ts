import { Failure } from './failure.ts'
import { FaultList } from './fault-list.ts'
import { checkShape } from './json-shape.ts'
import type { ObjectShape } from './json-shape.ts'

/** States that a user can be in, in the platform's words. */
export const USER_STATES = ['active', 'inactive', 'deleted'] as const
export type UserState = (typeof USER_STATES)[number]

/** A user as an export writes it and as provisioning reads it, in the order of the columns. */
export const USER_COLUMNS = [
  'email',
  'name',
  'division',
  'department',
  'title',
  'state',
  'id',
] as const

/**
 * What is wanted of one user, found by its email without case. A field that is left out is left
 * alone; an empty `department` or `title` is emptied; spaces around texts do not count.
 */
export type UserRow = {
  /** Where it stands in the file, for messages: `line 3`. */
  readonly place: string
  readonly email: string
  readonly name?: string
  /** By id or exact name. */
  readonly division?: string
  readonly department?: string
  readonly title?: string
  readonly state?: UserState
  /** When given, the user that has the email must be this one. */
  readonly id?: string
}

/** More rows are more than a budget of some hundred requests a minute can take. */
const MAX_ROWS = 10_000
const EMAIL = /^[^\s@,;<>"]+@[^\s@,;<>"]+$/

const SHAPE: ObjectShape = {
  kind: 'object',
  required: ['email'],
  fields: {
    email: { kind: 'text', maxLength: 254 },
    name: { kind: 'text', maxLength: 256, spaces: true },
    division: { kind: 'text', maxLength: 256 },
    department: { kind: 'text', maxLength: 256, empty: true, spaces: true },
    title: { kind: 'text', maxLength: 256, empty: true, spaces: true },
    state: { kind: 'choice', values: USER_STATES },
    id: { kind: 'text', maxLength: 36 },
  },
}

/** The key under which a user is found: the platform overlooks case in emails. */
export function emailKey(email: string): string {
  return email.toLowerCase()
}

/** Spaces around a text come from the platform or a spreadsheet; nobody means them. */
function trimmed(row: Omit<UserRow, 'place'>): Omit<UserRow, 'place'> {
  const { name, department, title } = row
  return {
    ...row,
    ...(name !== undefined && { name: name.trim() }),
    ...(department !== undefined && { department: department.trim() }),
    ...(title !== undefined && { title: title.trim() }),
  }
}

/**
 * Reads rows as they stand in a file. Throws `invalid` with every fault, by place and field, also for
 * an email that stands there twice, and `too-large` for more than {@link MAX_ROWS}.
 */
export function readUserRows(
  items: readonly { readonly place: string; readonly value: unknown }[],
): readonly UserRow[] {
  if (items.length > MAX_ROWS) {
    throw new Failure('too-large', `a file may have at most ${MAX_ROWS} users`)
  }
  if (items.length === 0) throw new Failure('invalid', 'there is no user in the file')
  const faults = new FaultList()
  const placesByEmail = new Map<string, string>()
  const rows = items.flatMap(({ place, value }): UserRow[] => {
    if (!checkShape(value, SHAPE, place, faults)) return []
    const user = { ...trimmed(value as Omit<UserRow, 'place'>), place }
    const field = `${place}/email`
    if (!EMAIL.test(user.email)) faults.add(field, 'must be an email address')
    const before = placesByEmail.get(emailKey(user.email))
    if (before !== undefined) faults.add(field, `stands in ${before} already`)
    else placesByEmail.set(emailKey(user.email), place)
    return [user]
  })
  faults.throwIfAny()
  return rows
}
