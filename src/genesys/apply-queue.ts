import { Failure } from '../domain/failure.ts'
import { merged } from '../domain/json-difference.ts'
import type { FieldChange } from '../domain/json-difference.ts'
import { changesOf, compareQueue, creationOf, isAsWanted } from '../domain/plan-queue.ts'
import type {
  PlatformQueue,
  QueueDifference,
  QueueMember,
  ResolvedQueue,
} from '../domain/plan-queue.ts'
import { isTaken, lookAgainMs, needing, writePolicy } from './admin-policy.ts'
import { pauseAsTold } from './architecture-collection.ts'
import { sleep } from './clock.ts'
import { createOnce } from './create-once.ts'
import { chunksOf } from './find-users.ts'
import { refusalStatus } from './login-failure.ts'
import { mapQueue, updateBody } from './map-queue.ts'
import type { Platform, PlatformSession } from './platform-client.ts'
import { findQueue, readMembers, readQueue } from './read-queues.ts'
import { isUnclear } from './unclear-outcome.ts'

export type AppliedQueue = {
  /** `unconfirmed`: all was written, and the platform does not show it yet. */
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'unconfirmed'
  readonly id: string
  /** What was written. */
  readonly changes: readonly FieldChange[]
}

export type ApplyOptions = {
  /** Members may be removed. */
  readonly allowRemoval: boolean
  readonly signal: AbortSignal
}

const MEMBERS_PER_CALL = 100
const CREATE_ATTEMPTS = 4
const CREATE_TIMEOUT_MS = 5 * 60_000
/** Conflicts and lost answers that a queue survives. */
const MAX_SETBACKS = 5
/** Looks at what was written: half a second, one, two … after each other. */
const MAX_LOOKS = 6

/**
 * Makes one queue as wanted and waits until it shows. It is created where the name is free; where
 * somebody else has created it meanwhile, that queue is compared and changed instead. An update is
 * merged with what was read right before, so that what the manifest does not name stays.
 * @param knownId the queue as the plan found it; undefined when there was none
 */
export function applyQueue(
  platform: Platform,
  wanted: ResolvedQueue,
  knownId: string | undefined,
  options: ApplyOptions,
): Promise<AppliedQueue> {
  return new QueueApplication(platform, wanted, options).run(knownId)
}

type Held = { readonly queue: PlatformQueue; readonly members: readonly QueueMember[] | undefined }

class QueueApplication {
  readonly #platform: Platform
  readonly #wanted: ResolvedQueue
  readonly #options: ApplyOptions
  /** By field: what was written, or may have been. */
  readonly #changes = new Map<string, FieldChange>()
  #created = false
  #setbacks = 0

  constructor(platform: Platform, wanted: ResolvedQueue, options: ApplyOptions) {
    this.#platform = platform
    this.#wanted = wanted
    this.#options = options
  }

  async run(knownId: string | undefined): Promise<AppliedQueue> {
    const found = knownId === undefined ? await this.#create() : await this.#read(knownId)
    if (found === undefined) throw gone(this.#wanted.name)
    let held = found
    const { id } = held.queue
    for (;;) {
      const difference = compareQueue(this.#wanted, held.queue, held.members)
      if (isAsWanted(difference)) break
      if (difference.removeMembers.length > 0 && !this.#options.allowRemoval) {
        const message = `queue ${this.#wanted.name} would lose members, which was not asked for`
        throw new Failure('conflict', message)
      }
      if (await this.#write(held.queue, difference)) break
      // What was created a moment ago may not show yet.
      const again = await this.#read(id)
      if (again === undefined && !this.#created) throw gone(this.#wanted.name)
      held = again ?? held
    }
    return this.#done(id)
  }

  async #done(id: string): Promise<AppliedQueue> {
    const changes = [...this.#changes.values()]
    if (!this.#created && changes.length === 0) return { outcome: 'unchanged', id, changes }
    const shown = await this.#isShown(id)
    const outcome = this.#created ? 'created' : 'changed'
    return { outcome: shown ? outcome : 'unconfirmed', id, changes }
  }

  async #create(): Promise<Held> {
    const { read, write } = this.#platform
    const { name, divisionId, settings } = this.#wanted
    const { signal } = this.#options
    const division = divisionId === undefined ? {} : { division: { id: divisionId } }
    const body = { name, ...division, ...settings }
    const creation = createOnce<PlatformQueue>({
      client: write,
      operation: 'POST /api/v2/routing/queues',
      send: (sdk) => sdk.routing.postRoutingQueues(body),
      read: mapQueue,
      find: () => findQueue(read, name, signal),
      mayExist: true,
      isTaken,
      attempts: CREATE_ATTEMPTS,
      timeoutMs: CREATE_TIMEOUT_MS,
      pauseMs: pauseAsTold,
      signal,
    })
    const { item: queue, outcome } = await needing(write, 'routing:queue:add', creation)
    if (outcome !== 'existing') {
      this.#created = true
      const withoutMembers = { ...this.#wanted, members: [] }
      this.#note(creationOf(withoutMembers))
      return { queue, members: [] }
    }
    return { queue, members: await this.#readMembers(queue) }
  }

  async #read(id: string): Promise<Held | undefined> {
    const queue = await readQueue(this.#platform.read, id, this.#options.signal)
    return queue === undefined ? undefined : { queue, members: await this.#readMembers(queue) }
  }

  #readMembers(queue: PlatformQueue): Promise<readonly QueueMember[] | undefined> {
    if (this.#wanted.members === undefined) return Promise.resolve(undefined)
    return readMembers(this.#platform.read, queue, this.#options.signal)
  }

  /** False when the queue has to be read and compared again, a little later. */
  async #write(queue: PlatformQueue, difference: QueueDifference): Promise<boolean> {
    try {
      await this.#writeAll(queue, difference)
      this.#note(changesOf(difference))
      return true
    } catch (error) {
      const { signal } = this.#options
      signal.throwIfAborted()
      this.#setbacks += 1
      const passing = refusalStatus(error) === 409 || isUnclear(error)
      if (!passing || this.#setbacks > MAX_SETBACKS) throw error
      if (isUnclear(error)) this.#note(changesOf(difference))
      await sleep(this.#platform.write.clock, lookAgainMs(this.#setbacks), signal)
      return false
    }
  }

  #note(changes: readonly FieldChange[]): void {
    for (const change of changes) this.#changes.set(change.field, change)
  }

  async #writeAll(queue: PlatformQueue, difference: QueueDifference): Promise<void> {
    const { id } = queue
    const { settings, division, addMembers, removeMembers } = difference
    if (settings.length > 0) {
      const body = { ...merged(updateBody(queue), this.#wanted.settings) }
      await this.#call((sdk) => sdk.routing.putRoutingQueue(id, body))
    }
    const { divisionId } = this.#wanted
    if (division !== undefined && divisionId !== undefined) {
      // Moving to where it is changes nothing.
      await this.#call(
        (sdk) => sdk.authorization.postAuthorizationDivisionObject(divisionId, 'QUEUE', [id]),
        true,
      )
    }
    await this.#writeMembers(id, addMembers, false)
    await this.#writeMembers(id, removeMembers, true)
  }

  /** Adding who is in and removing who is not change nothing: either may be sent twice. */
  async #writeMembers(id: string, members: readonly QueueMember[], remove: boolean): Promise<void> {
    for (const some of chunksOf(members, MEMBERS_PER_CALL)) {
      const ids = some.map((member) => ({ id: member.id }))
      await this.#call(
        (sdk) => sdk.routing.postRoutingQueueMembers(id, ids, { _delete: remove }),
        true,
      )
    }
  }

  #call(run: (sdk: PlatformSession) => Promise<unknown>, idempotent = false): Promise<unknown> {
    const { write } = this.#platform
    const policy = { ...writePolicy(this.#options.signal), idempotent }
    return needing(write, 'routing:queue:edit', write.call(policy, run))
  }

  /** Waits, not for long, until a reader sees the queue as wanted: a second run finds it equal. */
  async #isShown(id: string): Promise<boolean> {
    for (let look = 1; look <= MAX_LOOKS; look++) {
      const held = await this.#read(id)
      if (held !== undefined) {
        if (isAsWanted(compareQueue(this.#wanted, held.queue, held.members))) return true
      }
      if (look < MAX_LOOKS) {
        await sleep(this.#platform.read.clock, lookAgainMs(look), this.#options.signal)
      }
    }
    return false
  }
}

function gone(name: string): Failure {
  return new Failure('conflict', `queue ${name} was deleted meanwhile: run it again to create it`)
}
