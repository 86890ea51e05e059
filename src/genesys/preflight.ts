import type { MissingPermission, Preflight } from '../domain/directory.ts'
import { Failure } from '../domain/failure.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { holding, readOwnPolicies } from './own-permissions.ts'
import type { HeldPolicy } from './own-permissions.ts'
import { readOrganization } from './read-organization.ts'
import type { Organization } from './read-organization.ts'
import { lateFailure } from './transport-failure.ts'

const NEEDED: readonly MissingPermission[] = [
  {
    permission: 'directory:user:view',
    neededFor: 'reading users and their groups',
    essential: true,
  },
  {
    permission: 'authorization:role:view',
    neededFor: 'reading roles and who holds them',
    essential: true,
  },
  {
    permission: 'authorization:grant:view',
    neededFor:
      'reading the grants of single users: those that no rebuild has met, and changed ones',
    essential: false,
  },
  {
    permission: 'authorization:policy:view',
    neededFor: 'telling whether access policies deny beyond roles',
    essential: false,
  },
  {
    permission: 'architecture:ipallowlist:read',
    neededFor: 'listing IP allowlists, where the organisation has them',
    essential: false,
  },
  {
    permission: 'architecture:environment:read',
    neededFor: 'listing and counting environments, where the organisation has them',
    essential: false,
  },
]

/** Asked of the client that writes: the second one where there is one. */
const NEEDED_TO_WRITE: readonly MissingPermission[] = [
  {
    permission: 'authorization:grant:add',
    neededFor: 'role changes that give roles (by the client that writes)',
    essential: false,
  },
  {
    permission: 'authorization:grant:delete',
    neededFor: 'role changes that take roles away (by the client that writes)',
    essential: false,
  },
  {
    permission: 'architecture:ipallowlist:write',
    neededFor: 'creating IP allowlists (by the client that writes)',
    essential: false,
  },
  {
    permission: 'architecture:environment:write',
    neededFor: 'creating environments (by the client that writes)',
    essential: false,
  },
  {
    permission: 'directory:organization:admin',
    neededFor: 'the organisation’s own login allowlist (by both clients)',
    essential: false,
  },
]

const ATTEMPTS = 4
const CALL_TIMEOUT_MS = 60_000
/** Bound of all its calls together. */
const TIMEOUT_MS = 3 * 60_000

/**
 * See `Directory.preflight`. That the platform does not say what a client may do is no error; that
 * it does not say whose organisation it is, is `upstream-busy`. Throws `invalid` when reading and
 * writing client belong to different organisations.
 */
export async function preflight(
  { read, write }: Pick<Platform, 'read' | 'write'>,
  signal: AbortSignal,
): Promise<Preflight> {
  const late = (): Failure => lateFailure('the preflight', TIMEOUT_MS)
  using deadline = new Deadline(systemClock, TIMEOUT_MS, signal, late)
  const policy: CallPolicy = {
    priority: 'single-user',
    signal: deadline.signal,
    attempts: ATTEMPTS,
    timeoutMs: CALL_TIMEOUT_MS,
  }
  const policiesOf = (client: PlatformClient): Promise<readonly HeldPolicy[] | undefined> =>
    client.call(policy, (sdk) => readOwnPolicies(sdk, client.clientId))
  const organization = await read.call(policy, readOrganization)
  const held = await policiesOf(read)
  const twoClients = write !== read
  if (twoClients) checkSame(organization, await write.call(policy, readOrganization))
  const heldToWrite = twoClients ? await policiesOf(write) : held
  return {
    organizationId: organization.id,
    organizationName: organization.name,
    permissionsKnown: held !== undefined && heldToWrite !== undefined,
    missing: [...shortfalls(NEEDED, held), ...shortfalls(NEEDED_TO_WRITE, heldToWrite)],
  }
}

function checkSame(read: Organization, write: Organization): void {
  if (read.id === write.id) return
  const message = `GENESYS_WRITE_CLIENT_ID belongs to another organisation (${write.name}) than GENESYS_CLIENT_ID (${read.name})`
  throw new Failure('invalid', message, { field: 'GENESYS_WRITE_CLIENT_ID' })
}

function shortfalls(
  needed: readonly MissingPermission[],
  held: readonly HeldPolicy[] | undefined,
): MissingPermission[] {
  return held === undefined ? [] : needed.flatMap((permission) => shortfall(permission, held))
}

function shortfall(needed: MissingPermission, held: readonly HeldPolicy[]): MissingPermission[] {
  const where = holding(needed.permission, held)
  if (where === 'nowhere') return [needed]
  if (where === 'everywhere') return []
  // The platform leaves out what lies in other divisions without a word.
  const neededFor = `${needed.neededFor} in every division (held in some divisions only)`
  return [{ ...needed, neededFor, essential: false }]
}
