import { Failure } from '../domain/failure.ts'
import type { ClaimedBatch } from './claimed-batch.ts'
import type { BatchTools } from './claimed-batch.ts'

/** Of a lease's length: when it is renewed, and again after a renewal that failed. */
const RENEW_AFTER = 1 / 3
const RETRY_AFTER = 1 / 15
/** Of its length: so long before others may take the batch, what is in flight here is called off. */
const MARGIN = 2 / 15

/**
 * Renews a batch's lease until `over` aborts. A lease that is lost, or that cannot be renewed before
 * it runs out, aborts the batch. Never throws.
 *
 * @param askedAt when the claim was asked for, on the clock's `elapsed`
 */
export async function keepLease(
  batch: ClaimedBatch,
  { store, clock, leaseMs }: Pick<BatchTools, 'store' | 'clock' | 'leaseMs'>,
  askedAt: number,
  over: AbortSignal,
): Promise<void> {
  const ended = AbortSignal.any([over, batch.signal])
  let heldFrom = askedAt
  const lost = (why: string): void => batch.abort(new Failure('conflict', why))
  let pauseMs = leaseMs * RENEW_AFTER
  for (;;) {
    await clock.pause(pauseMs, ended).catch(() => undefined)
    if (ended.aborted) return
    const renewingAt = clock.elapsed()
    const leftMs = heldFrom + leaseMs * (1 - MARGIN) - renewingAt
    if (leftMs <= 0) return lost('the lease ran out before it could be renewed')
    const answered = new AbortController()
    const tooLate = clock
      .pause(leftMs, AbortSignal.any([ended, answered.signal]))
      .catch(() => undefined)
    const renewal = store.renew(batch.claim, leaseMs).catch((error: unknown) => {
      batch.log.warn({ err: error }, 'a lease could not be renewed')
    })
    const renewed = await Promise.race([renewal, tooLate])
    answered.abort()
    if (renewed === false) return lost('the batch is in other hands')
    if (renewed) heldFrom = renewingAt
    pauseMs = leaseMs * (renewed ? RENEW_AFTER : RETRY_AFTER)
  }
}
