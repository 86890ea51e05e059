import { ArchitectureState } from './architecture-state.ts'
import { GrantIndex } from './grant-index.ts'
import { QueueState } from './queue-state.ts'
import type {
  AccessPolicyRecord,
  ClientRecord,
  DivisionRecord,
  GroupRecord,
  OrganizationRecord,
  PermissionRecord,
  RoleRecord,
  SubjectGrant,
  SubjectType,
  TrusteeRecord,
  UserRecord,
  UserState,
} from './records.ts'

/** The division id that stands for all divisions. It is a literal, not a division. */
export const EVERY_DIVISION = '*'

export type StateFilter = UserState | 'any'

export interface Subject {
  readonly id: string
  readonly name: string
  readonly type: SubjectType
}

export interface WorldCounts {
  users: number
  activeUsers: number
  inactiveUsers: number
  deletedUsers: number
  roles: number
  divisions: number
  groups: number
  clients: number
  queues: number
  permissions: number
  grants: number
  accessPolicies: number
}

const byName = (a: UserRecord, b: UserRecord): number => {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return a.id < b.id ? -1 : 1
}

/**
 * A whole organisation in memory. Users are listed by name, as the platform does, so a user added
 * while a caller pages shifts the later pages: a race that callers have to live with.
 */
export class World {
  readonly organization: OrganizationRecord
  readonly divisions = new Map<string, DivisionRecord>()
  readonly roles = new Map<string, RoleRecord>()
  readonly groups = new Map<string, GroupRecord>()
  readonly clients = new Map<string, ClientRecord>()
  readonly trustees = new Map<string, TrusteeRecord>()
  readonly grants = new GrantIndex()
  catalogue: readonly PermissionRecord[] = []
  accessPolicies: readonly AccessPolicyRecord[] = []
  ipAddressAllowlist: readonly string[] = []
  /** Where the platform sees its callers; whoever changes the list above must stay in it. */
  callerAddress = '203.0.113.10'
  readonly architecture = new ArchitectureState()
  readonly queues = new QueueState()
  readonly #users = new Map<string, UserRecord>()
  readonly #members = new Map<string, Set<string>>()
  readonly #lists = new Map<StateFilter, readonly UserRecord[]>()

  constructor(organization: OrganizationRecord) {
    this.organization = organization
  }

  user(id: string): UserRecord | undefined {
    return this.#users.get(id)
  }

  /** In any state. The address is compared without regard to case. */
  userWithEmail(email: string): UserRecord | undefined {
    const wanted = email.toLowerCase()
    for (const user of this.#users.values()) if (user.email.toLowerCase() === wanted) return user
    return undefined
  }

  /** Sorted by name; the array is made once and serves until a user changes. */
  users(state: StateFilter): readonly UserRecord[] {
    let list = this.#lists.get(state)
    if (list === undefined) {
      const all = [...this.#users.values()]
      list = (state === 'any' ? all : all.filter((user) => user.state === state)).toSorted(byName)
      this.#lists.set(state, list)
    }
    return list
  }

  /** Adds the user or takes the place of the one with its id; memberships follow. */
  putUser(user: UserRecord): void {
    const before = this.#users.get(user.id)
    for (const groupId of before?.groups ?? []) this.#members.get(groupId)?.delete(user.id)
    for (const groupId of user.groups) this.#membersOf(groupId).add(user.id)
    this.#users.set(user.id, user)
    this.#lists.clear()
  }

  members(groupId: string): ReadonlySet<string> {
    return this.#membersOf(groupId)
  }

  /** As the platform does it: grants and memberships go, the record stays, in the home division. */
  deleteUser(id: string): void {
    const user = this.#users.get(id)
    if (user === undefined) return
    this.grants.removeSubject(id)
    this.queues.removeUser(id)
    this.putUser({
      ...user,
      state: 'deleted',
      groups: [],
      divisionId: this.homeDivision().id,
      version: user.version + 1,
    })
  }

  /** Grants of the role go with it. */
  deleteRole(id: string): void {
    this.grants.removeRole(id)
    this.roles.delete(id)
  }

  /** Members lose the group and what it carried. */
  deleteGroup(id: string): void {
    for (const userId of [...this.members(id)]) {
      const user = this.#users.get(userId)
      if (user !== undefined) {
        const groups = user.groups.filter((groupId) => groupId !== id)
        this.putUser({ ...user, groups, version: user.version + 1 })
      }
    }
    this.grants.removeSubject(id)
    this.groups.delete(id)
    this.#members.delete(id)
  }

  homeDivision(): DivisionRecord {
    for (const division of this.divisions.values()) if (division.home) return division
    throw new Error('the world has no home division')
  }

  /** Whoever may hold grants: a user, a group, an OAuth client, a user of another organisation. */
  subject(id: string): Subject | undefined {
    const find = (
      record: { readonly name: string } | undefined,
      type: SubjectType,
    ): Subject | undefined => record && { id, name: record.name, type }
    return (
      find(this.#users.get(id), 'PC_USER') ??
      find(this.groups.get(id), 'PC_GROUP') ??
      find(this.clients.get(id), 'PC_OAUTH_CLIENT') ??
      find(this.trustees.get(id), 'PC_TRUSTEE_USER')
    )
  }

  /** Direct grants first, then those of each role-carrying group the subject is in. */
  effectiveGrants(subjectId: string): SubjectGrant[] {
    const sources = [subjectId]
    for (const groupId of this.#users.get(subjectId)?.groups ?? []) {
      if (this.groups.get(groupId)?.rolesEnabled === true) sources.push(groupId)
    }
    return sources.flatMap((source) =>
      this.grants.ofSubject(source).map((grant) => ({ subjectId: source, ...grant })),
    )
  }

  counts(): WorldCounts {
    return {
      users: this.#users.size,
      activeUsers: this.users('active').length,
      inactiveUsers: this.users('inactive').length,
      deletedUsers: this.users('deleted').length,
      roles: this.roles.size,
      divisions: this.divisions.size,
      groups: this.groups.size,
      clients: this.clients.size,
      queues: this.queues.size,
      permissions: this.catalogue.length,
      grants: this.grants.size,
      accessPolicies: this.accessPolicies.length,
    }
  }

  #membersOf(groupId: string): Set<string> {
    let members = this.#members.get(groupId)
    if (members === undefined) {
      members = new Set()
      this.#members.set(groupId, members)
    }
    return members
  }
}
