/** What the simulated organisation holds. Records are replaced, never changed in place. */

export type UserState = 'active' | 'inactive' | 'deleted'

export interface UserRecord {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly state: UserState
  readonly divisionId: string
  readonly department?: string
  readonly title?: string
  /** Ids of the groups the user is in, whether or not they carry roles. */
  readonly groups: readonly string[]
  /** Rises with every write; the platform's optimistic lock. */
  readonly version: number
}

export interface DivisionRecord {
  readonly id: string
  readonly name: string
  readonly description?: string
  readonly home: boolean
}

export interface GroupRecord {
  readonly id: string
  readonly name: string
  readonly description?: string
  /** Only a group with roles enabled hands its grants on to its members. */
  readonly rolesEnabled: boolean
  readonly version: number
}

/** An OAuth client: a subject of grants, and a caller of the API when its secret is known. */
export interface ClientRecord {
  readonly id: string
  readonly name: string
}

/** A user of another organisation that has been let in. Not among this organisation's users. */
export interface TrusteeRecord {
  readonly id: string
  readonly name: string
}

export type ConditionOperator = 'EQ' | 'IN' | 'GE' | 'GT' | 'LE' | 'LT'

export interface ConditionOperand {
  readonly type: 'SCALAR' | 'VARIABLE' | 'USER' | 'TEAM' | 'QUEUE'
  readonly value?: string
  readonly user?: { readonly id: string; readonly name: string; readonly version: number }
  readonly queue?: { readonly id: string; readonly name: string }
  readonly team?: { readonly id: string; readonly name: string }
}

/** Either a comparison (variable, operator, operands) or a conjunction of terms. */
export interface ConditionNode {
  readonly variableName?: string
  readonly operator?: ConditionOperator
  readonly operands?: readonly ConditionOperand[]
  readonly conjunction?: 'AND' | 'OR'
  readonly terms?: readonly ConditionNode[]
}

export interface PolicyRecord {
  readonly domain: string
  /** `*` matches every entity of the domain. */
  readonly entityName: string
  /** `*` matches every action of the entity. */
  readonly actionSet: readonly string[]
  readonly condition?: ConditionNode
}

export interface RoleRecord {
  readonly id: string
  readonly name: string
  readonly description?: string
  /** Names of default roles only, such as `employee`. */
  readonly defaultRoleId?: string
  /** Flat general permissions, names without colons. */
  readonly permissions: readonly string[]
  readonly policies: readonly PolicyRecord[]
}

export interface QueueRecord {
  readonly id: string
  readonly name: string
  readonly divisionId: string
  /** Instants as ISO texts. */
  readonly dateCreated: string
  readonly dateModified: string
  /** Ids of the clients that wrote it. */
  readonly createdBy: string
  readonly modifiedBy: string
  /** All else that was written of the queue, unknown properties included, over the defaults. */
  readonly settings: Readonly<Record<string, unknown>>
}

/** How a user is in a queue. */
export interface QueueMembership {
  /** The bullseye ring, 1 to 6. */
  readonly ringNumber: number
  /** Whether the member takes conversations of this queue just now. */
  readonly joined: boolean
}

/** One entry of the permission catalogue: `domain:entity:action`. */
export interface PermissionRecord {
  readonly domain: string
  readonly entity: string
  readonly action: string
  readonly label: string
  readonly divisionAware: boolean
  readonly allowsConditions: boolean
}

/** An attribute-based access policy, which may deny what a role grants. */
export interface AccessPolicyRecord {
  readonly id: string
  readonly name: string
  readonly targetResource: string
  readonly subject: {
    readonly type: 'USER' | 'CLIENT' | 'GROUP' | 'TEAM' | 'ALL'
    readonly id?: string
  }
  readonly effect: 'ALLOW' | 'DENY'
  readonly active: boolean
  readonly applyToClients: boolean
  readonly description?: string
}

export interface OrganizationRecord {
  readonly id: string
  readonly name: string
  readonly domain: string
}

/** A role in a division; `*` is every division, those still to come included. */
export interface Grant {
  readonly roleId: string
  readonly divisionId: string
}

export interface SubjectGrant extends Grant {
  readonly subjectId: string
}

export type SubjectType = 'PC_USER' | 'PC_GROUP' | 'PC_OAUTH_CLIENT' | 'PC_TRUSTEE_USER' | 'UNKNOWN'
