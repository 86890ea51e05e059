import { Failure } from '../domain/failure.ts'

type Bucket = { tokens: number; refilledAt: number }

/** Counts one request of a caller at a time in milliseconds; throws `rate-limited` beyond the rate. */
export type RateLimit = (name: string, nowMs: number) => void

/** Names come from tokens too: beyond this many, buckets that are full again are dropped. */
const MAX_BUCKETS = 10_000

/**
 * A bucket for each caller that holds one second's requests and fills at the same rate, so a caller
 * who has paused may burst for a second.
 */
export function createRateLimit(perSecond: number): RateLimit {
  const buckets = new Map<string, Bucket>()
  return (name, nowMs) => {
    let bucket = buckets.get(name)
    if (!bucket) {
      if (buckets.size >= MAX_BUCKETS) dropFull(buckets, nowMs)
      bucket = { tokens: perSecond, refilledAt: nowMs }
      buckets.set(name, bucket)
    }
    const refill = ((nowMs - bucket.refilledAt) / 1000) * perSecond
    bucket.tokens = Math.min(perSecond, bucket.tokens + refill)
    bucket.refilledAt = nowMs
    if (bucket.tokens < 1) {
      const message = `more than ${perSecond} requests a second`
      const retryAfterSeconds = Math.ceil((1 - bucket.tokens) / perSecond)
      throw new Failure('rate-limited', message, { retryAfterSeconds })
    }
    bucket.tokens -= 1
  }
}

function dropFull(buckets: Map<string, Bucket>, nowMs: number): void {
  // After a second without requests a bucket is full, which is how a new one begins.
  for (const [name, bucket] of buckets) if (nowMs - bucket.refilledAt >= 1000) buckets.delete(name)
}
