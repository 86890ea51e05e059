import { randomUUID } from 'node:crypto'
import { notFound } from './platform-error.ts'
import type {
  AccessPolicyRecord,
  DivisionRecord,
  Grant,
  GroupRecord,
  PolicyRecord,
  RoleRecord,
  UserRecord,
  UserState,
} from './records.ts'
import { EVERY_DIVISION, type World } from './world.ts'

export interface NewUser {
  readonly id?: string
  readonly name: string
  readonly email?: string
  readonly state?: UserState
  readonly divisionId?: string
  readonly department?: string
  readonly title?: string
  readonly groups?: readonly string[]
  readonly grants?: readonly Grant[]
}

export interface NewRole {
  readonly id?: string
  readonly name: string
  readonly description?: string
  readonly permissions?: readonly string[]
  readonly policies?: readonly PolicyRecord[]
}

/**
 * Changes from outside the API, as an admin at another desk makes them: at once, whatever the
 * consistency delay, and exactly as asked (a user made inactive keeps its grants here).
 */
export interface Mutations {
  readonly addUser: (user: NewUser) => UserRecord
  readonly updateUser: (
    id: string,
    changes: Partial<Omit<UserRecord, 'id' | 'version'>>,
  ) => UserRecord
  /** As the platform does it: grants and memberships go, the record stays as `deleted`. */
  readonly deleteUser: (id: string) => void
  readonly addRole: (role: NewRole) => RoleRecord
  readonly updateRole: (id: string, changes: Partial<Omit<RoleRecord, 'id'>>) => RoleRecord
  readonly deleteRole: (id: string) => void
  readonly addGroup: (group: { id?: string; name: string; rolesEnabled?: boolean }) => GroupRecord
  readonly updateGroup: (
    id: string,
    changes: Partial<Omit<GroupRecord, 'id' | 'version'>>,
  ) => GroupRecord
  readonly deleteGroup: (id: string) => void
  readonly addDivision: (division: { id?: string; name: string }) => DivisionRecord
  readonly grant: (subjectId: string, roleId: string, divisionId: string) => void
  readonly revoke: (subjectId: string, roleId: string, divisionId: string) => void
  /** The organisation's attribute-based access policies, all of them. */
  readonly setPolicies: (policies: readonly AccessPolicyRecord[]) => void
}

function demand<T>(record: T | undefined, kind: string, id: string): T {
  if (record === undefined) throw notFound(kind, id)
  return record
}

function newUser(world: World, given: NewUser): UserRecord {
  const { id = randomUUID(), grants: _, ...rest } = given
  const email = `${rest.name.toLowerCase().replaceAll(/[^a-z]+/g, '.')}@${world.organization.domain}`
  const divisionId = rest.divisionId ?? world.homeDivision().id
  return { email, state: 'active', groups: [], ...rest, id, divisionId, version: 1 }
}

type UserMutations = Pick<Mutations, 'addUser' | 'updateUser' | 'deleteUser'>

function userMutations(world: World): UserMutations {
  return {
    addUser(given) {
      const user = newUser(world, given)
      world.putUser(user)
      for (const { roleId, divisionId } of given.grants ?? []) {
        world.grants.add(user.id, roleId, divisionId)
      }
      return user
    },
    updateUser(id, changes) {
      const before = demand(world.user(id), 'user', id)
      const user = { ...before, ...changes, version: before.version + 1 }
      world.putUser(user)
      return user
    },
    deleteUser: (id) => world.deleteUser(demand(world.user(id), 'user', id).id),
  }
}

type RoleMutations = Pick<
  Mutations,
  'addRole' | 'updateRole' | 'deleteRole' | 'grant' | 'revoke' | 'setPolicies'
>

function roleMutations(world: World): RoleMutations {
  return {
    addRole({ id = randomUUID(), ...given }) {
      const role = { permissions: [], policies: [], ...given, id }
      world.roles.set(id, role)
      return role
    },
    updateRole(id, changes) {
      const role = { ...demand(world.roles.get(id), 'role', id), ...changes }
      world.roles.set(id, role)
      return role
    },
    deleteRole: (id) => world.deleteRole(demand(world.roles.get(id), 'role', id).id),
    grant(subjectId, roleId, divisionId) {
      demand(world.roles.get(roleId), 'role', roleId)
      if (divisionId !== EVERY_DIVISION) {
        demand(world.divisions.get(divisionId), 'division', divisionId)
      }
      world.grants.add(subjectId, roleId, divisionId)
    },
    revoke(subjectId, roleId, divisionId) {
      world.grants.remove(subjectId, roleId, divisionId)
    },
    setPolicies(policies) {
      world.accessPolicies = policies
    },
  }
}

type GroupMutations = Pick<Mutations, 'addGroup' | 'updateGroup' | 'deleteGroup' | 'addDivision'>

function groupMutations(world: World): GroupMutations {
  return {
    addGroup({ id = randomUUID(), name, rolesEnabled = true }) {
      const group = { id, name, rolesEnabled, version: 1 }
      world.groups.set(id, group)
      return group
    },
    updateGroup(id, changes) {
      const before = demand(world.groups.get(id), 'group', id)
      const group = { ...before, ...changes, version: before.version + 1 }
      world.groups.set(id, group)
      return group
    },
    deleteGroup: (id) => world.deleteGroup(demand(world.groups.get(id), 'group', id).id),
    addDivision({ id = randomUUID(), name }) {
      const division = { id, name, home: false }
      world.divisions.set(id, division)
      return division
    },
  }
}

export function mutationsOf(world: World): Mutations {
  return { ...userMutations(world), ...roleMutations(world), ...groupMutations(world) }
}
