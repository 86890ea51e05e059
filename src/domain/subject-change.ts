import type { EffectiveGrants } from './effective-grants.ts'
import type { GrantDelta, GrantIntent } from './role-change.ts'
import type { RoleRows } from './role-rows.ts'
import type { RowProjection } from './row-projection.ts'

/** What a change does to one subject, in a matrix's numbers. */
export type SubjectChange = {
  readonly subject: number
  readonly before: EffectiveGrants
  readonly after: EffectiveGrants
  /** The divisions of what changes: nothing differs elsewhere that does not differ in one of them. */
  readonly places: ReadonlySet<number>
  /** Permissions that what is taken away gave, cut down, and in which division. */
  readonly dropped: readonly { readonly place: number; readonly bits: Uint32Array }[]
  /** Of a user's change alone. */
  readonly planned?: { readonly intent: GrantIntent; readonly delta: GrantDelta }
}

/** What roles give before and after, and whom a change touches. */
export type ChangedWorld = {
  readonly before: RoleRows
  readonly after: RoleRows
  /** Each subject once. Those whose grants change, and all whose permissions may. */
  readonly changes: Iterable<SubjectChange>
  /** To the words of rows in which something may differ. */
  readonly projection: RowProjection
  /** The role that is edited, or -1. */
  readonly editedRole: number
}
