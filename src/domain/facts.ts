import type { Condition } from './condition.ts'

/** The platform's word for "every division, also those to come" in a grant. */
export const ALL_DIVISIONS = '*'

/** A user, or an OAuth client that acts for itself (client credentials). */
export type SubjectKind = 'user' | 'client'

/** Only `active` subjects have permissions. A client is always active: it could not ask otherwise. */
export type SubjectState = 'active' | 'inactive' | 'deleted'

/** One role in one division; `divisionId` may be {@link ALL_DIVISIONS}. */
export type Grant = { readonly roleId: string; readonly divisionId: string }

export type SubjectFact = {
  readonly id: string
  readonly kind: SubjectKind
  readonly name: string
  /** Empty when the platform gives none. */
  readonly email: string
  readonly state: SubjectState
  /** Every group that the subject is in, whether or not the group carries roles. */
  readonly groupIds: readonly string[]
  /** Direct grants only: what groups give is found through `groupIds`. */
  readonly grants: readonly Grant[]
}

export type GroupFact = {
  readonly id: string
  readonly name: string
  /** A group gives its grants to its members only when this is true. */
  readonly rolesEnabled: boolean
  readonly grants: readonly Grant[]
}

export type DivisionFact = { readonly id: string; readonly name: string; readonly home: boolean }

/**
 * A line of a role: actions on an entity of a domain. `*` as entity or action stands for all of
 * that domain or entity. With a condition it allows only where the condition holds.
 */
export type PolicyFact = {
  readonly domain: string
  readonly entity: string
  readonly actions: readonly string[]
  readonly condition: Condition | null
}

export type RoleFact = {
  readonly id: string
  readonly name: string
  /** The platform's name of the default role that this one is or was made from; empty for none. */
  readonly defaultRoleId: string
  /** Licences that holding the role costs, base licence first. */
  readonly licences: readonly string[]
  /** Flat permissions: names without colons, such as `group_creation`. */
  readonly permissions: readonly string[]
  readonly policies: readonly PolicyFact[]
}

/** One permission that the platform's catalogue offers. */
export type PermissionFact = {
  readonly domain: string
  readonly entity: string
  readonly action: string
  readonly label: string
  /** False: the permission holds organisation-wide, whatever division it was granted in. */
  readonly divisionAware: boolean
  readonly allowsConditions: boolean
}

/** What was met while reading that the matrix cannot hold; shown in its description. */
export type Gaps = {
  /** Grants whose subject was in no user listing. */
  readonly grantsOfUnlistedUsers: number
  /** Grants to subjects of other organisations or of no known kind. */
  readonly grantsOfForeignSubjects: number
  /** Grants that name a role or division that was not listed. */
  readonly grantsOfUnknownRoleOrDivision: number
  /** True when the platform has more inactive users than it lists (10,000). */
  readonly inactiveUsersBeyondListing: boolean
}

/** Everything that a matrix is built from, read at one time from one organisation. */
export type Facts = {
  /** Empty while the organisation is not known. */
  readonly organizationId: string
  readonly organizationName: string
  /** When reading began, epoch milliseconds: nothing in the facts is older than this. */
  readonly takenAt: number
  readonly subjects: readonly SubjectFact[]
  readonly groups: readonly GroupFact[]
  readonly divisions: readonly DivisionFact[]
  readonly roles: readonly RoleFact[]
  readonly permissions: readonly PermissionFact[]
  /** Active attribute-based access policies, which can deny beyond roles; null when unreadable. */
  readonly activeAccessPolicies: number | null
  readonly gaps: Gaps
}

export const NO_GAPS: Gaps = {
  grantsOfUnlistedUsers: 0,
  grantsOfForeignSubjects: 0,
  grantsOfUnknownRoleOrDivision: 0,
  inactiveUsersBeyondListing: false,
}
