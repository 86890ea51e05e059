import type { Grant } from './facts.ts'
import type { GrantDelta, RoleChangeItem } from './role-change.ts'
import { isTimed, timedGrants } from './sunset-changes.ts'

/** An item of which the platform has, or may have, something that can be taken back. */
export type Undoable = RoleChangeItem & {
  readonly found: readonly Grant[]
  readonly delta: GrantDelta
}

/** In whatever state it ended: what was recorded as planned may have been written. */
export function isUndoable(item: RoleChangeItem): item is Undoable {
  const { step, found, delta } = item
  if (!found || !delta || delta.add.length + delta.remove.length === 0) return false
  return step !== 'none' && step !== 'undone'
}

/** An item that wrote nothing, but set, replaced or cancelled sunsets. */
export function hasOnlySunsets({ state, step, intent, found }: RoleChangeItem): boolean {
  if (state !== 'unchanged' || step === 'undone') return false
  return timedGrants(intent).length > 0 || (found ?? []).some(isTimed)
}
