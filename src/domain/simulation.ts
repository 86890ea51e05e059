import type { Grant, PolicyFact } from './facts.ts'
import type { UserChange } from './role-change.ts'
import type { RoleRule, RuleConflict } from './role-rules.ts'

/** A role as it is to be edited; a policy to remove must be one that the role has, conditions aside. */
export type RoleEdit = {
  readonly roleId: string
  readonly addPolicies: readonly PolicyFact[]
  readonly removePolicies: readonly Omit<PolicyFact, 'condition'>[]
}

/** Ids looked up. Exactly one of the two kinds of change. */
export type SimulationRequest = {
  readonly change:
    | { readonly kind: 'users'; readonly changes: readonly UserChange[] }
    | { readonly kind: 'role'; readonly edit: RoleEdit }
  readonly rules: readonly RoleRule[]
  /** ISO 8601; goes into the entries. */
  readonly timestamp: string
  /** The users told of in full; all are counted. At most 1,000. */
  readonly limit: number
  /** Affected users before this one, in the order of the answer, are not told of again. */
  readonly offset: number
}

/** A line of a role as a caller writes it; no condition and null are the same. */
type RequestedPolicy = Omit<PolicyFact, 'condition'> & {
  readonly condition?: PolicyFact['condition'] | undefined
}

/** As a caller writes it: the role by id or exact name. At least one policy in the two lists. */
export type RequestedRoleEdit = {
  readonly roleId: string
  readonly addPolicies?: readonly RequestedPolicy[] | undefined
  readonly removePolicies?: readonly Omit<PolicyFact, 'condition'>[] | undefined
}

/**
 * Where a user's permissions differ: codes gained and lost in one division. The line `*` holds for
 * every division, also those to come, but for the divisions that have a line of their own: there
 * that line holds alone, and it is empty where nothing changes.
 */
export type DivisionChange = {
  readonly divisionId: string
  readonly divisionName: string
  readonly addedPermissions: readonly string[]
  readonly removedPermissions: readonly string[]
  /** Held under a condition before, and without one after. */
  readonly loosenedPermissions: readonly string[]
  /** Held without a condition before, and under one only after. */
  readonly tightenedPermissions: readonly string[]
}

/**
 * The audit entry of one user. The lists hold permission codes in order, without regard to
 * divisions, what is held under a condition included; `divisions` tells where they differ.
 */
export type SimulatedEntry = {
  readonly timestamp: string
  readonly userId: string
  readonly userName: string
  readonly action: 'role_assignment_change'
  readonly oldPermissions: readonly string[]
  readonly newPermissions: readonly string[]
  readonly addedPermissions: readonly string[]
  readonly removedPermissions: readonly string[]
  readonly divisions: readonly DivisionChange[]
  /** Those of the lists that hold, before or after, under a condition only. */
  readonly conditionalPermissions: readonly string[]
}

/**
 * What would do nothing: granting what is held directly, in that division or in all of them; revoking
 * what is not. `given-by-group`: a group gives
 * it; a grant is written all the same, there is nothing direct to revoke.
 */
export type WithoutEffect = Grant & {
  readonly userId: string
  readonly operation: 'grant' | 'revoke'
  readonly reason: 'held-already' | 'not-held' | 'given-by-group' | 'employee-role'
}

/**
 * A permission that a revoked role, or a policy removed from an edited one, gave in a division and
 * that a user keeps there all the same, through groups alone.
 */
export type KeptThroughGroup = {
  readonly userId: string
  readonly permission: string
  readonly groups: readonly { readonly id: string; readonly name: string }[]
}

/** An administrator who would no longer be able to change roles: what is lost for that. */
export type Lockout = {
  readonly userId: string
  readonly userName: string
  readonly permissions: readonly string[]
}

export type Simulation = {
  readonly revision: number
  /** Only users whose permissions differ. */
  readonly entries: readonly SimulatedEntry[]
  /** Offset to go on with; absent when all entries were told. */
  readonly nextOffset?: number
  readonly conflicts: readonly RuleConflict[]
  readonly withoutEffect: readonly WithoutEffect[]
  readonly keptThroughGroups: readonly KeptThroughGroup[]
  readonly lockouts: readonly Lockout[]
  readonly blastRadius: {
    /** Active users whose permissions differ. */
    readonly users: number
    /** OAuth clients whose permissions differ: an edited role may be theirs. None has an entry. */
    readonly clients: number
    /** Distinct permissions that differ for some user, in whatever division. */
    readonly permissions: number
    readonly grantsAdded: number
    readonly grantsRemoved: number
    /** Permissions that an active user holds before and none after; OAuth clients do not count. */
    readonly orphanedPermissions: readonly string[]
  }
  /** Roles that are granted, revoked or edited, with the licences that they cost. */
  readonly licences: readonly {
    readonly roleId: string
    readonly roleName: string
    readonly licences: readonly string[]
    /** Users who newly get, and who lose, the role. */
    readonly gained: number
    readonly lost: number
  }[]
  /** Lists above are cut at 10,000 lines each, conflicts that exist already before others; true when one was. */
  readonly truncated: boolean
}
