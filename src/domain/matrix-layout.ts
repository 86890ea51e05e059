/**
 * The matrix in memory: one SharedArrayBuffer, sections one after another, each aligned to eight
 * bytes, so that it crosses threads without a copy and goes to disk as it is. Everything but the
 * header's floats and the text is 32-bit unsigned words in the machine's byte order.
 */

/** Rises with every change of the layout: a snapshot of another version is not read. */
export const LAYOUT_VERSION = 4

/** "GPCM": first word of every matrix. Reads differently on a machine of other byte order. */
export const MAGIC = 0x4750434d

export const HEADER_BYTES = 512

/** Word positions in the header; float positions count in 8-byte units. */
export const HEADER = {
  magic: 0,
  version: 1,
  byteLength: 2,
  subjects: 3,
  users: 4,
  directGrants: 5,
  groupGrants: 6,
  conditionalRoles: 7,
  permissionWords: 8,
  catalogued: 9,
  /** Text number of subject 0's name; name and email of every subject follow in pairs. */
  firstSubjectText: 10,
  /** How far a hash is shifted to the right to give its bucket. */
  bucketShift: 11,
  activeUsers: 12,
  memberships: 13,
  /** Permissions of all roles, with and without condition, added up. */
  rolePermissions: 14,
} as const
export const HEADER_FLOATS = { revision: 8, takenAt: 9 } as const

/** First header word of the section table: start and length, in bytes, for each section. */
export const SECTION_TABLE = 32

/**
 * - `buckets` hash table over the subjects: where the bucket of a hash begins in `subjects`; one more
 *   ends the last
 * - `subjects` {@link SUBJECT} records in order of bucket, each with its assignments: a grant (role
 *   and division in one word, see `grantBits`), or a group index | GROUP_BIT. Id and assignments are
 *   neighbours, so that a check touches one or two cache lines of what may be a hundred megabytes
 * - `subjectStarts` where the record of subject i begins in `subjects`
 * - `groupGrants` of each group, as grants of subjects are
 * - `groups`, `roles`, `divisions`, `permissions`, `policies` fixed-size records
 * - `actions` text indices of the policies' actions; `flat` permission indices of roles
 * - `roleBits` a row of permission bits for each role: what it gives without condition
 * - `givingRoles` the same the other way round, a row of role bits for each permission: a check asks
 *   several roles about one permission, and finds them in one or two cache lines
 * - `conditionalBits` a row for each role that has conditional policies: what those speak of
 * - `textStarts` where text i begins in `text` (i+1: where it ends); `text` UTF-8
 */
export const SECTIONS = [
  'buckets',
  'subjects',
  'subjectStarts',
  'groupGrants',
  'groups',
  'roles',
  'divisions',
  'permissions',
  'policies',
  'actions',
  'flat',
  'roleBits',
  'givingRoles',
  'conditionalBits',
  'textStarts',
  'text',
] as const
export type Section = (typeof SECTIONS)[number]

/** A subject's record: 16 bytes of packed id, {@link INFO}, then as many assignments as that says. */
export const SUBJECT = { id: 0, info: 4, assignments: 5 } as const

/** Bits of a subject's info word; the low 24 count its assignments. */
export const INFO = {
  countMask: 0x00ff_ffff,
  stateShift: 24,
  stateMask: 0x0300_0000,
  client: 0x0400_0000,
  textId: 0x0800_0000,
} as const

/** Set in an assignment that names a group instead of a grant: such a word is negative when signed. */
export const GROUP_BIT = 0x8000_0000

/** How a grant is laid out in an assignment: the division's bits below the role's. */
type GrantBits = {
  readonly divisionBits: number
  /** All ones: also the division that stands for every division. */
  readonly divisionMask: number
}

/** Bits for so many divisions and the one value that stands for all of them. */
export function grantBits(divisions: number): GrantBits {
  const divisionBits = 32 - Math.clz32(divisions)
  return { divisionBits, divisionMask: 2 ** divisionBits - 1 }
}

/** Whether roles and divisions fit into one word beside {@link GROUP_BIT}. */
export function fitsGrantWord(roles: number, divisions: number): boolean {
  return roles * 2 ** grantBits(divisions).divisionBits <= GROUP_BIT
}

export const GROUP = { words: 5, id: 0, name: 1, enabled: 2, start: 3, count: 4 } as const

export const ROLE = {
  words: 9,
  id: 0,
  name: 1,
  defaultRoleId: 2,
  licences: 3,
  flatStart: 4,
  flatCount: 5,
  policyStart: 6,
  policyCount: 7,
  /** Row in `conditionalBits` + 1; 0 for a role without conditional policies. */
  conditional: 8,
} as const

export const DIVISION = { words: 3, id: 0, name: 1, home: 2 } as const

/** `code` is the whole name; `domain`, `entity`, `action` are texts too, empty for flat ones. */
export const PERMISSION = {
  words: 6,
  code: 0,
  label: 1,
  domain: 2,
  entity: 3,
  action: 4,
  flags: 5,
} as const
export const PERMISSION_FLAG = { divisionAware: 1, allowsConditions: 2, flat: 4 } as const

/** `condition` is the text index of its JSON + 1, or 0 for none. */
export const POLICY = {
  words: 5,
  domain: 0,
  entity: 1,
  actionStart: 2,
  actionCount: 3,
  condition: 4,
} as const

/** Text 0 is the description: organisation, gaps and whatever else is not looked up by key. */
export const DESCRIPTION_TEXT = 0

/** Text 1 is empty. */
export const EMPTY_TEXT = 1

/** Text 2 is the wildcard, so that a policy's part is compared by number. */
export const WILDCARD_TEXT = 2
