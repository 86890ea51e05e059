import type { MissingPermission, Preflight } from '../domain/directory.ts'
import { ALL_DIVISIONS } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import { policyMatches } from '../domain/permission.ts'
import { listIn, objectIn, optionalTextsIn, textIn } from './answer-shape.ts'
import type { CallPolicy } from './call-policy.ts'
import { Deadline, systemClock } from './clock.ts'
import type { Platform, PlatformClient } from './platform-client.ts'
import { isUntold, readOrganization } from './read-organization.ts'
import type { Organization } from './read-organization.ts'
import type { SdkSession } from './sdk.ts'
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

type HeldPolicy = {
  readonly domain: string
  readonly entity: string
  readonly actions: readonly string[]
  /** Held in every division. */
  readonly everywhere: boolean
}

function shortfall(needed: MissingPermission, held: readonly HeldPolicy[]): MissingPermission[] {
  const [domain = '', entity = '', action = ''] = needed.permission.split(':')
  const giving = held.filter((policy) => policyMatches(policy, { domain, entity, action }))
  if (giving.length === 0) return [needed]
  if (giving.some((policy) => policy.everywhere)) return []
  // The platform leaves out what lies in other divisions without a word.
  const neededFor = `${needed.neededFor} in every division (held in some divisions only)`
  return [{ ...needed, neededFor, essential: false }]
}

/** The policies of our own client's roles; undefined when the platform does not tell. */
async function readOwnPolicies(
  sdk: SdkSession,
  clientId: string,
): Promise<readonly HeldPolicy[] | undefined> {
  const { authorization } = sdk
  const answer =
    (await authorization.getAuthorizationSubjectsMe({}).catch(unlessUntold)) ??
    (await authorization.getAuthorizationSubject(clientId, {}).catch(unlessUntold))
  if (answer === undefined) return undefined
  const where = 'the grants of our own client'
  return listIn(objectIn(answer, where), 'grants', where).flatMap((item) => {
    const grant = objectIn(item, where)
    const division = textIn(objectIn(grant['division'], where), 'id', where)
    const role = objectIn(grant['role'], where)
    // Roles without policies are common; what is left out here is reported as missing.
    const policies = Array.isArray(role['policies']) ? role['policies'] : []
    return policies.flatMap((value) => mapOwnPolicy(value, division === ALL_DIVISIONS))
  })
}

function mapOwnPolicy(value: unknown, everywhere: boolean): HeldPolicy[] {
  const where = 'a policy of our own client'
  const policy = objectIn(value, where)
  const { domain, entityName, condition } = policy
  // Conditions speak of resources, which none of our requests names.
  if (typeof domain !== 'string' || typeof entityName !== 'string' || condition) return []
  const actions = optionalTextsIn(policy, 'actions', where)
  return [{ domain, entity: entityName, actions, everywhere }]
}

function unlessUntold(error: unknown): undefined {
  if (!isUntold(error)) throw error
  return undefined
}
