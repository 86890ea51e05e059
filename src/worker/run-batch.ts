import type {
  ChangeError,
  RestState,
  RoleChangeBatch,
  RoleChangeItem,
} from '../domain/role-change.ts'
import { applyItem } from './apply-item.ts'
import type { Halt, OnItemFailed } from './apply-item.ts'
import { endError, endState } from './batch-end.ts'
import { endedEntry, rollingBackEntry } from './change-audit.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import { hasOnlySunsets, isUndoable, undoItem, undoSunsets } from './undo-item.ts'

/** `rolling-back`: what was applied is to be taken back, in a run of its own. */
type RunEnd = RestState | 'rolling-back'

/**
 * Carries out, or rolls back, a batch from wherever it has come to, one item after another, until it
 * comes to rest; answers in which state. Throws when the batch is out of our hands.
 */
export async function runBatch(batch: ClaimedBatch): Promise<RunEnd> {
  return batch.batch.state === 'rolling-back' ? await rollBack(batch) : await carryOut(batch)
}

/**
 * First what is under way or waiting, in order of position; then, once each, what had failed before
 * this run: whoever resumes a batch wants that tried again, but not before the others had their turn.
 *
 * With `onFailure: stop` a failure leaves a batch `stopped` while users are waiting, so that it can be
 * resumed; where none are, there is nothing to halt.
 */
async function carryOut(batch: ClaimedBatch): Promise<RunEnd> {
  const items = await batch.items()
  const open = items.filter(isOpen)
  const failed = items.filter(({ state }) => state === 'failed')
  for (const [index, item] of [...open, ...failed].entries()) {
    // An item that was interrupted is still the one in hand.
    if (batch.stopRequested && item.state !== 'applying') return await stop(batch)
    batch.checkpoint()
    const waiting = open.length - index - 1
    let state: RunEnd | undefined
    const onFailed: OnItemFailed = (error) => {
      const halt = haltOn(batch.batch, item, error, waiting)
      state = halt?.batch.state
      return halt
    }
    await applyItem(batch, item, onFailed)
    if (state) return state
  }
  return await end(batch)
}

function isOpen({ state }: RoleChangeItem): boolean {
  return state === 'pending' || state === 'applying'
}

function haltOn(
  batch: RoleChangeBatch,
  item: RoleChangeItem,
  cause: ChangeError,
  waiting: number,
): Halt | undefined {
  const error = { ...cause, message: `user ${item.userId} failed: ${cause.message}` }
  if (batch.onFailure === 'rollback') {
    const state = 'rolling-back'
    return { batch: { state, error }, audit: [rollingBackEntry(batch, error)] }
  }
  if (batch.onFailure !== 'stop' || waiting <= 0) return undefined
  const halt = { state: 'stopped', error } as const
  return { batch: halt, audit: [endedEntry(batch, halt)] }
}

async function stop(batch: ClaimedBatch): Promise<RunEnd> {
  await batch.shown()
  const halt = { state: 'stopped', error: null } as const
  await batch.record('ended', { batch: halt, audit: [endedEntry(batch.batch, halt)] })
  return halt.state
}

async function end(batch: ClaimedBatch): Promise<RunEnd> {
  await batch.shown()
  const { counts } = await batch.current()
  const items = counts.failed === 0 ? [] : await batch.items()
  const first = items.find(({ state }) => state === 'failed')?.error
  const state = endState(counts)
  const error = endError(counts, first ?? undefined)
  const ended = { state, error }
  await batch.record('ended', { batch: ended, audit: [endedEntry(batch.batch, ended)] })
  return state
}

/** Last item first. An item that cannot be undone does not keep the others from it. */
async function rollBack(batch: ClaimedBatch): Promise<RunEnd> {
  const items = await batch.items()
  const left: ChangeError[] = []
  for (const item of items.toReversed()) {
    batch.checkpoint()
    if (hasOnlySunsets(item)) await undoSunsets(batch, item)
    if (!isUndoable(item)) continue
    const error = await undoItem(batch, item)
    if (error) left.push({ ...error, message: `user ${item.userId}: ${error.message}` })
  }
  await batch.shown()
  const [first] = left
  const error = first
    ? { ...first, message: `${left.length} could not be rolled back; ${first.message}` }
    : batch.batch.error
  const state = first ? 'partially-applied' : 'rolled-back'
  await batch.record('ended', {
    batch: { state, error },
    audit: [endedEntry(batch.batch, { state, error: first ? error : null })],
  })
  return state
}
