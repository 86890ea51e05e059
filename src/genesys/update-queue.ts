import { differences, merged } from '../domain/json-difference.ts'
import type { JsonObject } from '../domain/json-shape.ts'
import type { PlatformQueue } from '../domain/plan-queue.ts'
import { lookAgainMs, needing, writePolicy } from './admin-policy.ts'
import { broken } from './answer-shape.ts'
import { pauseAsTold } from './architecture-collection.ts'
import { sleep } from './clock.ts'
import { lostFields, updateBody } from './map-queue.ts'
import type { Platform } from './platform-client.ts'
import { readQueue } from './read-queues.ts'
import { MAX_RETRY_AFTER_SECONDS } from './retry-rules.ts'
import { isTurnedAway, isUnclear } from './unclear-outcome.ts'
import type { Written } from './written.ts'

export type QueueUpdate = {
  /** The queue as an earlier answer had it: what that one had must not be missing now. */
  readonly seen: PlatformQueue
  readonly settings: JsonObject
  /** Is told what was written, or may have been. */
  readonly written: Written
  readonly signal: AbortSignal
}

const UPDATE_ATTEMPTS = 4
const MAX_LOOKS = 3

/**
 * Writes settings. The platform replaces the whole queue and knows no version: the queue is read
 * right before each attempt, so that what others changed until then stays. False when the queue is
 * gone; true with nothing sent when nothing differs. Throws `upstream-broken` when a field does not
 * come that was there before: the update would reset it.
 */
export async function updateQueue(platform: Platform, update: QueueUpdate): Promise<boolean> {
  const { write } = platform
  const { seen, settings, written, signal } = update
  const policy = { ...writePolicy(signal), attempts: 1 }
  for (let attempt = 1; ; attempt++) {
    const queue = await readWhole(platform, update)
    // What we have created may not show yet: nobody else has seen it either.
    if (queue === undefined && !written.created) return false
    const latest = queue ?? seen
    const changes = differences(settings, latest.body)
    if (changes.length === 0) return true
    const body = merged(updateBody(latest), settings)
    try {
      const work = write.call(policy, (sdk) => sdk.routing.putRoutingQueue(latest.id, body))
      await needing(write, 'routing:queue:edit', work)
      written.note(changes)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (isUnclear(error)) written.note(changes)
      // What was turned away unexecuted is made anew from what is read then.
      if (!isTurnedAway(error) || attempt >= UPDATE_ATTEMPTS) throw error
      const askedSeconds = error.retryAfterSeconds
      if (askedSeconds !== undefined && askedSeconds > MAX_RETRY_AFTER_SECONDS) throw error
      const status = error.upstream?.status
      await sleep(write.clock, pauseAsTold({ attempt, status, askedSeconds }), signal)
    }
  }
}

async function readWhole(
  { read }: Platform,
  { seen, settings, signal }: QueueUpdate,
): Promise<PlatformQueue | undefined> {
  const { id } = seen
  for (let look = 1; ; look++) {
    const queue = await readQueue(read, id, signal)
    if (queue === undefined) return undefined
    const lost = lostFields(seen, queue, settings)
    if (lost.length === 0) return queue
    if (look >= MAX_LOOKS) {
      throw broken(`queue ${id}`, `no "${lost.join('", "')}", which it had before: run it again`)
    }
    await sleep(read.clock, lookAgainMs(look), signal)
  }
}
