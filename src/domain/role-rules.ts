/**
 * Rules about which roles and permissions may meet in one person. Roles are named by id or by name;
 * names compare without case, spaces and underscores.
 */

/** `division`: only what meets in one division counts; `overall`: wherever it is held. */
type RuleScope = 'division' | 'overall'

export type RoleRule =
  /** Who holds `role` must hold none of `excludes`. */
  | {
      readonly name: string
      readonly kind: 'excludes'
      readonly role: string
      readonly excludes: readonly string[]
      readonly scope: RuleScope
    }
  /** Who holds `role` must hold one of `requires`. */
  | {
      readonly name: string
      readonly kind: 'requires'
      readonly role: string
      readonly requires: readonly string[]
      readonly scope: RuleScope
    }
  /** Segregation of duties: nobody may hold two permissions of two different sets. */
  | {
      readonly name: string
      readonly kind: 'segregates'
      readonly permissions: readonly (readonly string[])[]
      readonly scope: RuleScope
    }

/** What applies when no file is given. */
export const DEFAULT_ROLE_RULES: readonly RoleRule[] = [
  {
    name: 'supervisor-excludes-agent',
    kind: 'excludes',
    role: 'supervisor',
    excludes: ['agent'],
    scope: 'overall',
  },
  {
    name: 'admin-excludes-external-user',
    kind: 'excludes',
    role: 'admin',
    excludes: ['external_user'],
    scope: 'overall',
  },
]

/** A user in whom a rule is broken. */
export type RuleConflict = {
  readonly rule: string
  readonly userId: string
  /** The roles that meet, or the role that lacks another. */
  readonly roleIds: readonly string[]
  readonly roleNames: readonly string[]
  /** For segregation of duties: the permissions that meet. */
  readonly permissions: readonly string[]
  /** Where they meet, for rules per division; null for overall. */
  readonly divisionId: string | null
  /**
   * `existing` was there before the change and is no worse after it: it blocks nothing. `worse`: more
   * roles or permissions meet or, for a rule that holds overall, they come to be held in a division,
   * or in all, where they were not.
   */
  readonly status: 'new' | 'worse' | 'existing'
  readonly message: string
}
