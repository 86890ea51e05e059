import type { ChangeError, ItemState, RestState, RoleChangeBatch } from '../domain/role-change.ts'

type Counts = RoleChangeBatch['counts']

/** States of items that did not become what was asked for. */
const MISSED = ['failed', 'skipped-conflict', 'changed-meanwhile'] as const satisfies ItemState[]

/**
 * The state of a batch whose items all came to their end: `succeeded` when every user has what was
 * asked for, `partially-applied` when some have and some have not, `failed` when nothing was applied.
 */
export function endState(counts: Counts): RestState {
  const missed = MISSED.reduce((sum, state) => sum + counts[state], 0)
  if (missed === 0) return 'succeeded'
  return counts.applied > 0 ? 'partially-applied' : 'failed'
}

/** Why a batch did not succeed: how many users missed it, and the first failure. */
export function endError(counts: Counts, first: ChangeError | undefined): ChangeError | null {
  const parts = [
    count(counts.failed, 'failed'),
    count(counts['skipped-conflict'], 'would have broken a rule'),
    count(counts['changed-meanwhile'], 'had been changed meanwhile'),
  ].filter((part) => part !== '')
  if (parts.length === 0) return null
  const message = parts.join(', ')
  if (!first) return { message }
  return { ...first, message: `${message}: ${first.message}` }
}

function count(users: number, what: string): string {
  if (users === 0) return ''
  return `${users} ${users === 1 ? 'user' : 'users'} ${what}`
}
