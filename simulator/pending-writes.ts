import { queueKey } from './queue-state.ts'
import type { QueueRecord, RoleRecord, UserRecord } from './records.ts'
import type { World } from './world.ts'

interface PendingWrite {
  readonly visibleAt: number
  apply(world: World): void
  forget?(): void
}

/** Last writes that reads do not see yet; an entry without a record is a deletion. */
type Latest<T> = Map<string, { readonly record: T | undefined }>

/** What a search still says of a user, until its index has caught up. */
interface StaleEntry {
  readonly before: UserRecord | undefined
  readonly until: number
}

/**
 * Eventual consistency: a write is acknowledged at once and seen by reads only after the delay,
 * by searches later still. Writers see their own last write (versions rise by one each time),
 * readers do not. What has to be unique is compared with the last writes: of two writers at once,
 * one is refused.
 */
export class PendingWrites {
  readonly #world: World
  readonly #delayMs: number
  readonly #searchDelayMs: number
  readonly #now: () => number
  readonly #queue: PendingWrite[] = []
  readonly #users: Latest<UserRecord> = new Map()
  readonly #roles: Latest<RoleRecord> = new Map()
  readonly #queues: Latest<QueueRecord> = new Map()
  readonly #stale = new Map<string, StaleEntry>()

  constructor(
    world: World,
    options: { delayMs: number; searchDelayMs?: number; now: () => number },
  ) {
    this.#world = world
    this.#delayMs = options.delayMs
    this.#searchDelayMs = options.searchDelayMs ?? 0
    this.#now = options.now
  }

  /** Writes become visible in the order in which they were made. */
  submit(apply: (world: World) => void, forget?: () => void): void {
    const visibleAt = this.#now() + this.#delayMs
    this.#queue.push({ visibleAt, apply, ...(forget && { forget }) })
    this.settle()
  }

  /** Called before every read: makes visible what is due. */
  settle(): void {
    const now = this.#now()
    let next = this.#queue[0]
    while (next !== undefined && next.visibleAt <= now) {
      this.#queue.shift()
      next.apply(this.#world)
      next.forget?.()
      next = this.#queue[0]
    }
  }

  latestUser(id: string): UserRecord | undefined {
    return this.#users.get(id)?.record ?? this.#world.user(id)
  }

  latestRole(id: string): RoleRecord | undefined {
    return this.#roles.get(id)?.record ?? this.#world.roles.get(id)
  }

  latestQueue(id: string): QueueRecord | undefined {
    const entry = this.#queues.get(id)
    return entry === undefined ? this.#world.queues.get(id) : entry.record
  }

  /** Whoever has the email address, in any state: a deleted user keeps it. */
  latestUserWithEmail(email: string): UserRecord | undefined {
    const wanted = email.toLowerCase()
    const has = (user: UserRecord | undefined): user is UserRecord =>
      user?.email.toLowerCase() === wanted
    for (const { record } of this.#users.values()) if (has(record)) return record
    const shown = this.#world.userWithEmail(wanted)
    return shown === undefined || this.#users.has(shown.id) ? undefined : shown
  }

  latestQueueNamed(name: string): QueueRecord | undefined {
    const wanted = queueKey(name)
    for (const { record } of this.#queues.values()) {
      if (record !== undefined && queueKey(record.name) === wanted) return record
    }
    const shown = this.#world.queues.named(name)
    return shown === undefined || this.#queues.has(shown.id) ? undefined : shown
  }

  putUser(user: UserRecord): void {
    this.#write(this.#users, user.id, user, (world) => {
      this.#noteForSearch(user.id)
      world.putUser(user)
    })
  }

  deleteUser(id: string): void {
    this.submit((world) => {
      this.#noteForSearch(id)
      world.deleteUser(id)
    })
  }

  putRole(role: RoleRecord): void {
    this.#write(this.#roles, role.id, role, (world) => world.roles.set(role.id, role))
  }

  putQueue(queue: QueueRecord): void {
    this.#write(this.#queues, queue.id, queue, (world) => world.queues.put(queue))
  }

  deleteQueue(id: string): void {
    this.#write(this.#queues, id, undefined, (world) => world.queues.delete(id))
  }

  /** All users as the search index has them, sorted by name. */
  searchableUsers(): readonly UserRecord[] {
    const now = this.#now()
    for (const [id, { until }] of this.#stale) if (until <= now) this.#stale.delete(id)
    const users = this.#world.users('any')
    if (this.#stale.size === 0) return users
    return users.flatMap((user) => {
      const entry = this.#stale.get(user.id)
      return entry === undefined ? user : (entry.before ?? [])
    })
  }

  /** A second write does not make the index newer: it goes on saying what it said. */
  #noteForSearch(id: string): void {
    if (this.#searchDelayMs === 0) return
    const before = this.#stale.get(id)?.before ?? this.#world.user(id)
    this.#stale.set(id, { before, until: this.#now() + this.#searchDelayMs })
  }

  #write<T>(
    latest: Latest<T>,
    id: string,
    record: T | undefined,
    apply: (world: World) => void,
  ): void {
    const entry = { record }
    latest.set(id, entry)
    this.submit(apply, () => {
      if (latest.get(id) === entry) latest.delete(id)
    })
  }
}
