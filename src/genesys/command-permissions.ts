import { Failure } from '../domain/failure.ts'
import { readPolicy } from './admin-policy.ts'
import { allOrFirstError } from './concurrently.ts'
import { holding, readOwnPolicies } from './own-permissions.ts'
import type { HeldPolicy } from './own-permissions.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { readOrganization } from './read-organization.ts'
import type { Organization } from './read-organization.ts'

/** One thing that a command does on the platform, and what it needs for it. */
export type CommandNeed = {
  readonly command: string
  /** Any one of them is enough. */
  readonly anyOf: readonly string[]
  readonly neededFor: string
  /** By the client that writes, where there is a second one. */
  readonly writes: boolean
}

function need(command: string, neededFor: string, ...anyOf: readonly string[]): CommandNeed {
  return { command, anyOf, neededFor, writes: false }
}

function needToWrite(command: string, neededFor: string, ...anyOf: readonly string[]): CommandNeed {
  return { command, anyOf, neededFor, writes: true }
}

const VIEW_USERS = 'directory:user:view'
const VIEW_QUEUES = 'routing:queue:view'

/** What the vendor's definition asks for, operation by operation. */
export const COMMAND_NEEDS = {
  listUsers: [need('users list', 'reading users', VIEW_USERS)],
  exportUsers: [need('users export', 'reading users', VIEW_USERS)],
  provision: [need('users provision', 'finding users by email', VIEW_USERS)],
  addUsers: [needToWrite('users provision', 'creating users', 'directory:user:add')],
  editUsers: [needToWrite('users provision', 'changing users', 'directory:user:edit')],
  deleteUsers: [needToWrite('users provision', 'deleting users', 'directory:user:delete')],
  listQueues: [need('queues list', 'reading queues', VIEW_QUEUES)],
  planQueues: [
    need('queues plan', 'reading queues and members', VIEW_QUEUES),
    need('queues plan', 'finding members by email', VIEW_USERS),
  ],
  applyQueues: [
    need('queues apply', 'reading queues and members', VIEW_QUEUES),
    need('queues apply', 'finding members by email', VIEW_USERS),
  ],
  addQueues: [needToWrite('queues apply', 'creating queues', 'routing:queue:add')],
  editQueues: [needToWrite('queues apply', 'changing queues', 'routing:queue:edit')],
  editMembers: [
    needToWrite(
      'queues apply',
      'changing members',
      'routing:queue:edit',
      'routing:queueMember:manage',
    ),
  ],
  analytics: [
    need('analytics queues', 'reading queues', VIEW_QUEUES),
    need('analytics queues', 'aggregates', 'analytics:conversationAggregate:view'),
  ],
} as const satisfies Record<string, readonly CommandNeed[]>

/** `elsewhere`: held in some divisions only; what lies in others is left out without a word. */
type NeedState = 'held' | 'elsewhere' | 'missing' | 'unknown'

export type CheckedNeed = CommandNeed & { readonly state: NeedState }

export type Account = {
  readonly organization: Organization
  readonly clientId: string
  /** Undefined where the first client does everything. */
  readonly writeClientId: string | undefined
  readonly needs: readonly CheckedNeed[]
}

/**
 * Whose clients these are and what they may do. `unknown` where the platform does not tell. Throws
 * `invalid` when the two clients belong to different organisations.
 */
export async function readAccount(platform: Platform, signal: AbortSignal): Promise<Account> {
  const { read, write } = platform
  const [organization, other] = await allOrFirstError([
    read.call(readPolicy(signal), readOrganization),
    write.call(readPolicy(signal), readOrganization),
  ])
  if (organization.id !== other.id) {
    const message = `GENESYS_WRITE_CLIENT_ID belongs to another organisation (${other.name}) than GENESYS_CLIENT_ID (${organization.name})`
    throw new Failure('invalid', message, { field: 'GENESYS_WRITE_CLIENT_ID' })
  }
  const needs = await checkNeeds(platform, Object.values(COMMAND_NEEDS).flat(), signal)
  const writeClientId = write === read ? undefined : write.clientId
  return { organization, clientId: read.clientId, writeClientId, needs }
}

/**
 * Throws `upstream-refused` that names every missing permission; to be asked before a command writes.
 * Answers what is held in some divisions only. Where the platform does not tell, it will itself say
 * what is missing.
 */
export async function requirePermissions(
  platform: Platform,
  needs: readonly CommandNeed[],
  signal: AbortSignal,
): Promise<readonly CheckedNeed[]> {
  const checked = await checkNeeds(platform, needs, signal)
  const missing = checked.filter(({ state }) => state === 'missing')
  if (missing.length === 0) return checked.filter(({ state }) => state === 'elsewhere')
  const clientOf = ({ writes }: CommandNeed): string =>
    (writes ? platform.write : platform.read).clientId
  const texts = missing.map((lack) => `${permissionText(lack)} (${lack.neededFor})`)
  const clients = [...new Set(missing.map(clientOf))].join(' and ')
  const unwritten = needs.some(({ writes }) => writes) ? '; nothing was written' : ''
  const message = `the OAuth client ${clients} needs a role with ${texts.join(', ')}${unwritten}`
  throw new Failure('upstream-refused', message)
}

export function permissionText({ anyOf }: CommandNeed): string {
  return anyOf.join(' or ')
}

async function checkNeeds(
  { read, write }: Platform,
  needs: readonly CommandNeed[],
  signal: AbortSignal,
): Promise<readonly CheckedNeed[]> {
  const heldBy = (client: PlatformClient): Promise<readonly HeldPolicy[] | undefined> =>
    client.call(readPolicy(signal), (sdk) => readOwnPolicies(sdk, client.clientId))
  const held = await heldBy(read)
  const heldToWrite = write === read ? held : await heldBy(write)
  return needs.map((each) => ({ ...each, state: stateOf(each, each.writes ? heldToWrite : held) }))
}

function stateOf({ anyOf }: CommandNeed, held: readonly HeldPolicy[] | undefined): NeedState {
  if (held === undefined) return 'unknown'
  const places = new Set(anyOf.map((permission) => holding(permission, held)))
  if (places.has('everywhere')) return 'held'
  return places.has('somewhere') ? 'elsewhere' : 'missing'
}
