import type { RoleRecord, UserRecord } from './records.ts'
import type { World } from './world.ts'

interface PendingWrite {
  readonly visibleAt: number
  apply(world: World): void
  forget?(): void
}

/**
 * Eventual consistency: a write is acknowledged at once and seen by reads only after the delay.
 * Writers see their own last write (versions rise by one each time), readers do not.
 */
export class PendingWrites {
  readonly #world: World
  readonly #delayMs: number
  readonly #now: () => number
  readonly #queue: PendingWrite[] = []
  readonly #users = new Map<string, UserRecord>()
  readonly #roles = new Map<string, RoleRecord>()

  constructor(world: World, options: { delayMs: number; now: () => number }) {
    this.#world = world
    this.#delayMs = options.delayMs
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
    return this.#users.get(id) ?? this.#world.user(id)
  }

  latestRole(id: string): RoleRecord | undefined {
    return this.#roles.get(id) ?? this.#world.roles.get(id)
  }

  putUser(user: UserRecord): void {
    this.#users.set(user.id, user)
    this.submit(
      (world) => world.putUser(user),
      () => {
        if (this.#users.get(user.id) === user) this.#users.delete(user.id)
      },
    )
  }

  putRole(role: RoleRecord): void {
    this.#roles.set(role.id, role)
    this.submit(
      (world) => world.roles.set(role.id, role),
      () => {
        if (this.#roles.get(role.id) === role) this.#roles.delete(role.id)
      },
    )
  }
}
