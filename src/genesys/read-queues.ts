import { Failure } from '../domain/failure.ts'
import type { PlatformQueue, QueueMember } from '../domain/plan-queue.ts'
import { lookAgainMs, needing, readAll, readPolicy } from './admin-policy.ts'
import { broken, listIn, objectIn } from './answer-shape.ts'
import { sleep } from './clock.ts'
import { refusalStatus } from './login-failure.ts'
import { mapQueue, mapQueueMember, userMemberCount } from './map-queue.ts'
import type { PlatformClient } from './platform-client.ts'
import type { RequestProgress } from './request-progress.ts'

/** The platform gives no larger pages of queues and of members. */
const PAGE_SIZE = 100
/** A hundred pages are more members than a queue may have. */
const MAX_MEMBER_PAGES = 100
const MAX_MEMBER_READS = 3

const VIEW = 'routing:queue:view'

/** Every queue, all pages accounted for. */
export function listQueues(
  client: PlatformClient,
  signal: AbortSignal,
  progress?: RequestProgress,
): Promise<readonly PlatformQueue[]> {
  return queuesNamed(client, undefined, signal, progress)
}

/**
 * The queue that has this name. Throws `conflict` for one whose name differs in case alone: to the
 * platform that is the same name.
 */
export async function findQueue(
  client: PlatformClient,
  name: string,
  signal: AbortSignal,
): Promise<PlatformQueue | undefined> {
  // The platform's filter finds names that contain the text.
  const queues = await queuesNamed(client, name, signal)
  const exact = queues.find((queue) => queue.name === name)
  if (exact !== undefined) return exact
  const found = queues.find((queue) => queueKey(queue.name) === queueKey(name))
  if (found === undefined) return undefined
  throw new Failure('conflict', `queue ${name}: ${misspelt(found)}`)
}

/** The key under which a queue is found: the platform overlooks case in names. */
export function queueKey(name: string): string {
  return name.trim().toLowerCase()
}

/** What to tell whoever has written the name of a queue in another way than the platform. */
export function misspelt({ name }: PlatformQueue): string {
  return `the platform calls it ${name}: write it so`
}

function queuesNamed(
  client: PlatformClient,
  name: string | undefined,
  signal: AbortSignal,
  progress?: RequestProgress,
): Promise<readonly PlatformQueue[]> {
  const listing = {
    name: 'queues',
    pageSize: PAGE_SIZE,
    fetch: (page: { pageSize: number; pageNumber: number }) =>
      client.call(readPolicy(signal), (sdk) =>
        sdk.routing.getRoutingQueues({ ...page, ...(name !== undefined && { name }) }),
      ),
    map: mapQueue,
  }
  return needing(client, VIEW, readAll(client, listing, progress))
}

/** The queue as it is now; undefined when there is none. */
export async function readQueue(
  client: PlatformClient,
  id: string,
  signal: AbortSignal,
): Promise<PlatformQueue | undefined> {
  try {
    const work = client.call(readPolicy(signal), (sdk) => sdk.routing.getRoutingQueue(id))
    return mapQueue(await needing(client, VIEW, work))
  } catch (error) {
    if (refusalStatus(error) === 404) return undefined
    throw error
  }
}

/**
 * The users who are members by themselves, not through a group. The listing tells no total, so that
 * each full page has to be followed by another, and all have to be as many as the queue counts. What
 * does not add up is read again, a little later, then it is `upstream-broken`.
 */
export async function readMembers(
  client: PlatformClient,
  queue: PlatformQueue,
  signal: AbortSignal,
): Promise<readonly QueueMember[]> {
  // Without a count a part could not be told from the whole.
  let latest =
    userMemberCount(queue) === null ? ((await readQueue(client, queue.id, signal)) ?? queue) : queue
  for (let read = 1; ; read++) {
    try {
      const members = await readMembersOnce(client, queue.id, signal)
      const count = userMemberCount(latest)
      if (count === null) throw broken(`queue ${queue.id}`, 'no "userMemberCount"')
      if (members.length >= count) return members
      throw broken(`the members of queue ${queue.id}`, `${members.length} of ${count}`)
    } catch (error) {
      const inconsistent = error instanceof Failure && error.code === 'upstream-broken'
      if (!inconsistent || read >= MAX_MEMBER_READS) throw error
      await sleep(client.clock, lookAgainMs(read), signal)
      latest = (await readQueue(client, queue.id, signal)) ?? queue
    }
  }
}

async function readMembersOnce(
  client: PlatformClient,
  queueId: string,
  signal: AbortSignal,
): Promise<readonly QueueMember[]> {
  const members = new Map<string, QueueMember>()
  let seen = 0
  for (let pageNumber = 1; pageNumber <= MAX_MEMBER_PAGES; pageNumber++) {
    const options = { pageSize: PAGE_SIZE, pageNumber, memberBy: 'user' }
    const work = client.call(readPolicy(signal), (sdk) =>
      sdk.routing.getRoutingQueueMembers(queueId, options),
    )
    const where = `page ${pageNumber} of the members of queue ${queueId}`
    const page = objectIn(await needing(client, VIEW, work), where)
    const found = listIn(page, 'entities', where).map(mapQueueMember)
    for (const member of found) members.set(member.id, member)
    seen += found.length
    const { total, pageNumber: given, nextUri } = page
    if (given !== pageNumber) throw broken(where, 'another page number')
    const more = typeof nextUri === 'string' && nextUri !== ''
    if (more && found.length < PAGE_SIZE) throw broken(where, `${found.length} members and a next`)
    if (more || found.length === PAGE_SIZE) continue
    if (typeof total === 'number' && total !== seen) throw broken(where, `a total of ${total}`)
    // A member that moved from page to page has pushed another one out of sight.
    if (members.size !== seen) throw broken(where, 'a member of an earlier page')
    return [...members.values()]
  }
  throw broken(`the listing of the members of queue ${queueId}`, 'no end')
}
