import type { Condition, Wanting } from './condition.ts'
import { ALL_DIVISIONS } from './facts.ts'
import type { Gaps, SubjectKind, SubjectState } from './facts.ts'
import { Failure } from './failure.ts'
import {
  DESCRIPTION_TEXT,
  DIVISION,
  GROUP,
  grantBits,
  HEADER,
  HEADER_BYTES,
  HEADER_FLOATS,
  INFO,
  LAYOUT_VERSION,
  MAGIC,
  PERMISSION,
  PERMISSION_FLAG,
  ROLE,
  SUBJECT,
} from './matrix-layout.ts'
import type { Section } from './matrix-layout.ts'
import { findRecord } from './find-records.ts'
import { unpackUuid } from './subject-id.ts'
import { checkSubjects, sectionExtent } from './matrix-sections.ts'
import { TextIndex } from './text-index.ts'
import { readText } from './text-table.ts'
import { StepCount } from './step-count.ts'

/** Asked for no particular division: any grant will do. */
export const ANY_DIVISION = -1
/** A division that the organisation does not have (or `*` itself): only grants in `*` reach it. */
const UNKNOWN_DIVISION = -2

const STATES: readonly SubjectState[] = ['active', 'inactive', 'deleted']

/** What is known of a matrix besides who may do what. */
export type MatrixDescription = {
  readonly organizationId: string
  readonly organizationName: string
  readonly activeAccessPolicies: number | null
  readonly gaps: Gaps
}

export type SubjectSummary = {
  readonly id: string
  readonly kind: SubjectKind
  readonly name: string
  readonly email: string
  readonly state: SubjectState
}

export type Named = { readonly id: string; readonly name: string }

/**
 * A reader of one immutable matrix. Attaching copies nothing: any number of threads may read the
 * same buffer. Subjects, roles, divisions, groups and permissions go by their index in it; an index
 * means nothing in another matrix.
 */
export class Matrix {
  readonly buffer: SharedArrayBuffer
  readonly buckets: Uint32Array
  /** Signed, as packed ids are. */
  readonly subjects: Int32Array
  readonly subjectStarts: Uint32Array
  readonly groupGrants: Uint32Array
  readonly groups: Uint32Array
  readonly roles: Uint32Array
  readonly divisions: Uint32Array
  readonly permissions: Uint32Array
  readonly policies: Uint32Array
  readonly actions: Uint32Array
  readonly flat: Uint32Array
  readonly roleBits: Uint32Array
  readonly givingRoles: Uint32Array
  readonly conditionalBits: Uint32Array
  /** Words of a row of permission bits, and of a row of role bits. */
  readonly permissionWords: number
  readonly roleWords: number
  readonly bucketShift: number
  /** How grants are laid out in `assignments`; see `grantBits`. */
  readonly divisionBits: number
  readonly divisionMask: number
  /** For each role its row in `conditionalBits` + 1, or 0: apart, for a check reads it for each grant. */
  readonly conditionalRows: Uint32Array
  /** 1 for each permission that a division narrows: one byte to read in a check. */
  readonly divisionAware: Uint8Array
  readonly description: MatrixDescription
  /** Work done with it on this thread. */
  readonly steps = new StepCount()
  /** Scratch of whatever is evaluated just now, for a set takes longer to make than to clear. */
  readonly wanting: Wanting = { missing: new Set(), unusable: new Set() }
  readonly #header: Uint32Array
  readonly #floats: Float64Array
  readonly #textStarts: Uint32Array
  readonly #text: Uint8Array
  readonly #permissionByCode: TextIndex
  readonly #divisionById: TextIndex
  readonly #conditions = new Map<number, Condition>()

  /** Throws `invalid` when the buffer holds no matrix of this version. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    if (buffer.byteLength < HEADER_BYTES) throw new Failure('invalid', 'too short for a matrix')
    this.#header = new Uint32Array(buffer, 0, HEADER_BYTES / 4)
    this.#floats = new Float64Array(buffer, 0, HEADER_BYTES / 8)
    if (
      this.#header[HEADER.magic] !== MAGIC ||
      this.#header[HEADER.version] !== LAYOUT_VERSION ||
      this.#header[HEADER.byteLength] !== buffer.byteLength
    ) {
      throw new Failure('invalid', 'not a matrix of this version')
    }
    this.buckets = this.#section('buckets')
    const [firstSubject, subjectBytes] = sectionExtent(this.#header, 'subjects')
    this.subjects = new Int32Array(buffer, firstSubject, subjectBytes / 4)
    this.subjectStarts = this.#section('subjectStarts')
    this.groupGrants = this.#section('groupGrants')
    this.groups = this.#section('groups')
    this.roles = this.#section('roles')
    this.divisions = this.#section('divisions')
    this.permissions = this.#section('permissions')
    this.policies = this.#section('policies')
    this.actions = this.#section('actions')
    this.flat = this.#section('flat')
    this.roleBits = this.#section('roleBits')
    this.givingRoles = this.#section('givingRoles')
    this.conditionalBits = this.#section('conditionalBits')
    this.#textStarts = this.#section('textStarts')
    const [textStart, textBytes] = sectionExtent(this.#header, 'text')
    this.#text = new Uint8Array(buffer, textStart, textBytes)
    this.permissionWords = this.#header[HEADER.permissionWords] ?? 0
    this.roleWords = Math.ceil(this.roleCount / 32)
    this.bucketShift = this.#header[HEADER.bucketShift] ?? 0
    const { divisionBits, divisionMask } = grantBits(this.divisionCount)
    this.divisionBits = divisionBits
    this.divisionMask = divisionMask
    this.conditionalRows = Uint32Array.from(
      { length: this.roleCount },
      (_, role) => this.roles[role * ROLE.words + ROLE.conditional] ?? 0,
    )
    checkSubjects(this, this.subjectCount)
    this.divisionAware = new Uint8Array(this.permissions.length / PERMISSION.words)
    for (let index = 0; index < this.permissionCount; index++) {
      const flags = this.permissions[index * PERMISSION.words + PERMISSION.flags] ?? 0
      this.divisionAware[index] = flags & PERMISSION_FLAG.divisionAware ? 1 : 0
    }
    this.#permissionByCode = new TextIndex([...this.permissionCodes()])
    const divisions = Array.from({ length: this.divisionCount }, (_, i) => this.division(i).id)
    this.#divisionById = new TextIndex(divisions)
    this.description = JSON.parse(this.text(DESCRIPTION_TEXT)) as MatrixDescription
  }

  #section(section: Section): Uint32Array {
    const [start, bytes] = sectionExtent(this.#header, section)
    return new Uint32Array(this.buffer, start, bytes / 4)
  }

  /** Rises by one with every published matrix; 0 before it is published. */
  get revision(): number {
    return this.#floats[HEADER_FLOATS.revision] ?? 0
  }

  /** When reading of the facts began, epoch milliseconds. */
  get takenAt(): number {
    return this.#floats[HEADER_FLOATS.takenAt] ?? 0
  }

  get subjectCount(): number {
    return this.#header[HEADER.subjects] ?? 0
  }

  get userCount(): number {
    return this.#header[HEADER.users] ?? 0
  }

  get activeUserCount(): number {
    return this.#header[HEADER.activeUsers] ?? 0
  }

  /** Subjects' places in groups, all added up. */
  get membershipCount(): number {
    return this.#header[HEADER.memberships] ?? 0
  }

  /** Permissions of all roles, with and without condition, added up. */
  get rolePermissionCount(): number {
    return this.#header[HEADER.rolePermissions] ?? 0
  }

  get directGrantCount(): number {
    return this.#header[HEADER.directGrants] ?? 0
  }

  get groupGrantCount(): number {
    return this.#header[HEADER.groupGrants] ?? 0
  }

  get roleCount(): number {
    return this.roles.length / ROLE.words
  }

  get groupCount(): number {
    return this.groups.length / GROUP.words
  }

  get divisionCount(): number {
    return this.divisions.length / DIVISION.words
  }

  /** Catalogue permissions and flat ones together. */
  get permissionCount(): number {
    return this.permissions.length / PERMISSION.words
  }

  /** Catalogue permissions alone. */
  get cataloguedCount(): number {
    return this.#header[HEADER.catalogued] ?? 0
  }

  text(index: number): string {
    return readText(this.#textStarts, this.#text, index)
  }

  /** The permission's index, or -1 when nothing of that name is known. */
  findPermission(code: string): number {
    return this.#permissionByCode.find(code)
  }

  /** The division's index, {@link ANY_DIVISION} for undefined, {@link UNKNOWN_DIVISION} for others. */
  findDivision(id: string | undefined): number {
    if (id === undefined) return ANY_DIVISION
    const index = this.#divisionById.find(id)
    return index < 0 ? UNKNOWN_DIVISION : index
  }

  /** The subject's index, or -1. Ids compare byte for byte: an upper-case UUID is another id. */
  findSubject(id: string): number {
    const record = findRecord(this, id)
    return record < 0 ? -1 : this.#indexOfRecord(record)
  }

  /** Records stand in order of index. */
  #indexOfRecord(record: number): number {
    const starts = this.subjectStarts
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((starts[middle] as number) <= record) low = middle
      else high = middle - 1
    }
    return low
  }

  subjectId(index: number): string {
    const record = this.subjectStarts[index] ?? 0
    const info = this.subjects[record + SUBJECT.info] ?? 0
    if (info & INFO.textId) return this.text(this.subjects[record + 1] ?? 0)
    return unpackUuid(this.subjects, record)
  }

  subject(index: number): SubjectSummary {
    const info = this.subjects[(this.subjectStarts[index] ?? 0) + SUBJECT.info] ?? 0
    return {
      id: this.subjectId(index),
      kind: info & INFO.client ? 'client' : 'user',
      name: this.subjectName(index),
      email: this.text(this.#subjectText(index) + 1),
      state: STATES[(info & INFO.stateMask) >>> INFO.stateShift] ?? 'deleted',
    }
  }

  subjectName(index: number): string {
    return this.text(this.#subjectText(index))
  }

  #subjectText(index: number): number {
    return (this.#header[HEADER.firstSubjectText] ?? 0) + index * 2
  }

  permissionCode(index: number): string {
    return this.text(this.permissions[index * PERMISSION.words + PERMISSION.code] ?? 0)
  }

  permissionLabel(index: number): string {
    return this.text(this.permissions[index * PERMISSION.words + PERMISSION.label] ?? 0)
  }

  /** All names that can be asked for, in order. */
  *permissionCodes(): Generator<string> {
    for (let index = 0; index < this.permissionCount; index++) yield this.permissionCode(index)
  }

  role(index: number): Named {
    return this.#named(this.roles, index * ROLE.words)
  }

  group(index: number): Named & { readonly rolesEnabled: boolean } {
    const at = index * GROUP.words
    return { ...this.#named(this.groups, at), rolesEnabled: this.groups[at + GROUP.enabled] === 1 }
  }

  division(index: number): Named & { readonly home: boolean } {
    const at = index * DIVISION.words
    return { ...this.#named(this.divisions, at), home: this.divisions[at + DIVISION.home] === 1 }
  }

  /** The division of a grant by name: every division reads as `*`. */
  grantDivision(division: number): Named {
    if (division === this.divisionMask) return { id: ALL_DIVISIONS, name: 'all divisions' }
    const { id, name } = this.division(division)
    return { id, name }
  }

  // Every named record begins with the text numbers of its id and its name.
  #named(records: Uint32Array, at: number): Named {
    return { id: this.text(records[at] ?? 0), name: this.text(records[at + 1] ?? 0) }
  }

  /** The condition whose JSON is text `index`; parsed once. */
  condition(index: number): Condition {
    let condition = this.#conditions.get(index)
    if (!condition) {
      condition = JSON.parse(this.text(index)) as Condition
      this.#conditions.set(index, condition)
    }
    return condition
  }
}

/** Gives a matrix its revision. Only its publisher may, once, before anyone else sees it. */
export function stampRevision(buffer: SharedArrayBuffer, revision: number): void {
  new Float64Array(buffer, 0, HEADER_BYTES / 8)[HEADER_FLOATS.revision] = revision
}
