import type { QueueMembership, QueueRecord } from './records.ts'

/** Names of queues are compared without regard to case. */
export function queueKey(name: string): string {
  return name.trim().toLowerCase()
}

const byName = (a: QueueRecord, b: QueueRecord): number => {
  const [left, right] = [queueKey(a.name), queueKey(b.name)]
  if (left !== right) return left < right ? -1 : 1
  return a.id < b.id ? -1 : 1
}

const NO_MEMBERS: ReadonlyMap<string, QueueMembership> = new Map()

/** The queues of an organisation, and the users who are members of them by themselves. */
export class QueueState {
  readonly #queues = new Map<string, QueueRecord>()
  readonly #members = new Map<string, Map<string, QueueMembership>>()

  get size(): number {
    return this.#queues.size
  }

  get(id: string): QueueRecord | undefined {
    return this.#queues.get(id)
  }

  named(name: string): QueueRecord | undefined {
    const wanted = queueKey(name)
    for (const queue of this.#queues.values()) if (queueKey(queue.name) === wanted) return queue
    return undefined
  }

  /** Sorted by name. */
  list(): QueueRecord[] {
    return [...this.#queues.values()].toSorted(byName)
  }

  put(queue: QueueRecord): void {
    this.#queues.set(queue.id, queue)
  }

  delete(id: string): void {
    this.#queues.delete(id)
    this.#members.delete(id)
  }

  /** By user id. */
  members(queueId: string): ReadonlyMap<string, QueueMembership> {
    return this.#members.get(queueId) ?? NO_MEMBERS
  }

  /** A queue that is gone gets no members. */
  putMember(queueId: string, userId: string, membership: QueueMembership): void {
    if (!this.#queues.has(queueId)) return
    const members = this.#members.get(queueId) ?? new Map<string, QueueMembership>()
    members.set(userId, membership)
    this.#members.set(queueId, members)
  }

  removeMember(queueId: string, userId: string): void {
    this.#members.get(queueId)?.delete(userId)
  }

  removeUser(userId: string): void {
    for (const members of this.#members.values()) members.delete(userId)
  }
}
