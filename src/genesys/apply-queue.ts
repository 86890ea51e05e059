import { Failure } from '../domain/failure.ts'
import { merged } from '../domain/json-difference.ts'
import type { FieldChange } from '../domain/json-difference.ts'
import {
  compareQueue,
  creationOf,
  isAsWanted,
  memberChanges,
  memberText,
} from '../domain/plan-queue.ts'
import type {
  PlatformQueue,
  QueueDifference,
  QueueMember,
  ResolvedQueue,
} from '../domain/plan-queue.ts'
import { CREATION, lookAgainMs, needing, writePolicy } from './admin-policy.ts'
import { sleep } from './clock.ts'
import { createOnce } from './create-once.ts'
import { chunksOf } from './find-users.ts'
import { refusalStatus } from './login-failure.ts'
import { mapQueue } from './map-queue.ts'
import type { Platform, PlatformSession } from './platform-client.ts'
import { findQueue, readMembers, readQueue } from './read-queues.ts'
import { isUnclear } from './unclear-outcome.ts'
import { updateQueue } from './update-queue.ts'
import type { Written } from './written.ts'

export type AppliedQueue = {
  /** `unconfirmed`: all was written, and the platform does not show it yet. */
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'unconfirmed'
  readonly id: string
  /** What was written. */
  readonly changes: readonly FieldChange[]
}

export type ApplyOptions = {
  /** Ids of the members whom the plan removes; anybody else who would have to go is a conflict. */
  readonly mayRemove: ReadonlySet<string>
  /** Is told each write as it succeeds. */
  readonly written: Written
  readonly signal: AbortSignal
}

const MEMBERS_PER_CALL = 100
/** Conflicts and lost answers that a queue survives. */
const MAX_SETBACKS = 5
/** Looks at what was written: half a second, one, two … after each other. */
const MAX_LOOKS = 6
const MAX_NAMES = 5

const EDIT_MEMBERS = 'routing:queue:edit or routing:queueMember:manage'

/**
 * Makes one queue as wanted and waits until it shows. It is created where the name is free; where
 * somebody else has created it meanwhile, that queue is compared and changed instead. An update is
 * merged with what was read right before, so that what the manifest does not name stays.
 * @param known the queue as the plan found it; undefined when there was none
 */
export function applyQueue(
  platform: Platform,
  wanted: ResolvedQueue,
  known: PlatformQueue | undefined,
  options: ApplyOptions,
): Promise<AppliedQueue> {
  return new QueueApplication(platform, wanted, options).run(known)
}

type Held = { readonly queue: PlatformQueue; readonly members: readonly QueueMember[] | undefined }

class QueueApplication {
  readonly #platform: Platform
  readonly #wanted: ResolvedQueue
  readonly #options: ApplyOptions
  /** By id. */
  readonly #added = new Map<string, QueueMember>()
  readonly #removed = new Map<string, QueueMember>()
  #setbacks = 0

  constructor(platform: Platform, wanted: ResolvedQueue, options: ApplyOptions) {
    this.#platform = platform
    this.#wanted = wanted
    this.#options = options
  }

  async run(known: PlatformQueue | undefined): Promise<AppliedQueue> {
    const { written } = this.#options
    if (known !== undefined) written.found(known.id)
    const found = known === undefined ? await this.#create() : await this.#read(known.id)
    if (found === undefined) throw gone(this.#wanted.name)
    let held = found
    const seen = known ?? held.queue
    for (;;) {
      const difference = compareQueue(this.#wanted, held.queue, held.members)
      if (isAsWanted(difference)) break
      this.#refuseUnplanned(difference)
      if (await this.#write(seen, difference)) break
      // What was created a moment ago may not show yet.
      const again = await this.#read(seen.id)
      if (again === undefined && !written.created) throw gone(this.#wanted.name)
      held = again ?? held
    }
    return this.#done(seen.id)
  }

  /** Who has become a member since the plan was made was not asked about. */
  #refuseUnplanned({ removeMembers }: QueueDifference): void {
    const { mayRemove } = this.#options
    const names = removeMembers.filter(({ id }) => !mayRemove.has(id)).map(memberText)
    if (names.length === 0) return
    const rest = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : ''
    const shown = `${names.slice(0, MAX_NAMES).join(', ')}${rest}`
    const message = `queue ${this.#wanted.name} would lose members, which was not asked for: ${shown}`
    throw new Failure('conflict', message)
  }

  async #done(id: string): Promise<AppliedQueue> {
    const { created, changes } = this.#options.written
    if (!created && changes.length === 0) return { outcome: 'unchanged', id, changes }
    const shown = await this.#isShown(id)
    const outcome = created ? 'created' : 'changed'
    return { outcome: shown ? outcome : 'unconfirmed', id, changes }
  }

  async #create(): Promise<Held> {
    const { read, write } = this.#platform
    const { name, divisionId, settings } = this.#wanted
    const { signal, written } = this.#options
    const division = divisionId === undefined ? {} : { division: { id: divisionId } }
    const body = merged({ name, ...division }, settings)
    const creation = createOnce<PlatformQueue>({
      ...CREATION,
      client: write,
      operation: 'POST /api/v2/routing/queues',
      send: (sdk) => sdk.routing.postRoutingQueues(body),
      read: mapQueue,
      find: () => findQueue(read, name, signal),
      signal,
    })
    const { item: queue, outcome } = await needing(write, 'routing:queue:add', creation)
    if (outcome !== 'existing') {
      written.create(queue.id, creationOf({ ...this.#wanted, members: [] }))
      return { queue, members: [] }
    }
    written.found(queue.id)
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
  async #write(seen: PlatformQueue, difference: QueueDifference): Promise<boolean> {
    try {
      await this.#writeAll(seen, difference)
      return true
    } catch (error) {
      const { signal } = this.#options
      signal.throwIfAborted()
      this.#setbacks += 1
      const passing = refusalStatus(error) === 409 || isUnclear(error)
      if (!passing || this.#setbacks > MAX_SETBACKS) throw error
      await sleep(this.#platform.write.clock, lookAgainMs(this.#setbacks), signal)
      return false
    }
  }

  async #writeAll(seen: PlatformQueue, difference: QueueDifference): Promise<void> {
    const { written, signal } = this.#options
    const { settings, division, addMembers, removeMembers } = difference
    if (settings.length > 0) {
      const update = { seen, settings: this.#wanted.settings, written, signal }
      if (!(await updateQueue(this.#platform, update))) throw gone(this.#wanted.name)
    }
    if (division !== undefined) await this.#move(seen.id, division)
    await this.#writeMembers(seen.id, addMembers, false)
    await this.#writeMembers(seen.id, removeMembers, true)
  }

  async #move(id: string, change: FieldChange): Promise<void> {
    const { divisionId } = this.#wanted
    if (divisionId === undefined) return
    await this.#call(
      'routing:queue:edit',
      (sdk) => sdk.authorization.postAuthorizationDivisionObject(divisionId, 'QUEUE', [id]),
      () => this.#options.written.note([change]),
    )
  }

  async #writeMembers(id: string, members: readonly QueueMember[], remove: boolean): Promise<void> {
    const done = remove ? this.#removed : this.#added
    for (const some of chunksOf(members, MEMBERS_PER_CALL)) {
      const ids = some.map((member) => ({ id: member.id }))
      await this.#call(
        EDIT_MEMBERS,
        (sdk) => sdk.routing.postRoutingQueueMembers(id, ids, { _delete: remove }),
        () => {
          for (const member of some) done.set(member.id, member)
          const changes = memberChanges([...this.#added.values()], [...this.#removed.values()])
          this.#options.written.note(changes)
        },
      )
    }
  }

  /**
   * A call that may be sent twice: adding who is in, removing who is not and moving to where it is
   * change nothing. `note` is called when it was executed, or may have been.
   */
  async #call(
    permission: string,
    run: (sdk: PlatformSession) => Promise<unknown>,
    note: () => void,
  ): Promise<void> {
    const { write } = this.#platform
    const policy = { ...writePolicy(this.#options.signal), idempotent: true }
    try {
      await needing(write, permission, write.call(policy, run))
    } catch (error) {
      if (isUnclear(error)) note()
      throw error
    }
    note()
  }

  /** Waits, not for long, until a reader sees the queue as wanted: a second run finds it equal. */
  async #isShown(id: string): Promise<boolean> {
    try {
      for (let look = 1; look <= MAX_LOOKS; look++) {
        const held = await this.#read(id)
        if (held !== undefined) {
          if (isAsWanted(compareQueue(this.#wanted, held.queue, held.members))) return true
        }
        if (look < MAX_LOOKS) {
          await sleep(this.#platform.read.clock, lookAgainMs(look), this.#options.signal)
        }
      }
    } catch (error) {
      this.#options.signal.throwIfAborted()
      // All was written, whether it can be read or not.
      if (!(error instanceof Failure)) throw error
    }
    return false
  }
}

function gone(name: string): Failure {
  return new Failure('conflict', `queue ${name} was deleted meanwhile: run it again to create it`)
}
