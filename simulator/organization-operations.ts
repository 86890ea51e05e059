import { covers, type Ipv4Network, isPrivate, readIpv4Network } from './ipv4-network.ts'
import { type Call, json, type Operation, parameter } from './operation.ts'
import { notFound, PlatformError } from './platform-error.ts'
import { object, texts } from './request-body.ts'

const ORGANIZATION = '/api/v2/organizations'

const readOrganization: Operation = {
  method: 'GET',
  path: `${ORGANIZATION}/me`,
  handle({ world }) {
    const { id, name, domain } = world.organization
    return json(
      JSON.stringify({
        id,
        name,
        domain,
        defaultLanguage: 'en-us',
        defaultCountryCode: 'US',
        version: 1,
        state: 'active',
        productPlatform: 'GenesysCloud',
        features: {},
        selfUri: `${ORGANIZATION}/me`,
      }),
    )
  },
}

function tokenInfo(call: Call): object {
  const { id, name } = call.world.organization
  const roleDivisions = call.world.grants
    .ofSubject(call.client.id)
    .map(({ roleId, divisionId }) => ({ roleId, divisionId }))
  return {
    organization: { id, name },
    homeOrganization: { id, name },
    authorizedScope: [],
    OAuthClient: {
      id: call.client.id,
      name: call.client.name,
      authorizedGrantType: 'CLIENT-CREDENTIALS',
      scope: [],
      roleDivisions,
      state: 'active',
      organization: { id, name },
    },
  }
}

const readToken: Operation = {
  method: 'GET',
  path: '/api/v2/tokens/me',
  query: ['preserveIdleTTL'],
  handle: (call) => json(JSON.stringify(tokenInfo(call))),
}

const revokeToken: Operation = {
  method: 'DELETE',
  path: '/api/v2/tokens/me',
  handle(call) {
    call.revokeToken()
    return { status: 200 }
  },
}

function limitsOf(
  namespace: string,
  requestsPerMinute: number,
): Record<string, number> | undefined {
  if (namespace === 'platform.api') {
    return {
      'client.credentials.token.rate.per.minute': requestsPerMinute,
      'token.rate.per.minute': requestsPerMinute,
      'request.bytes.max': 512_000,
    }
  }
  if (namespace === 'authorization') return { 'division.max': 50, 'role.max': 500 }
  return namespace === 'directory' ? { 'user.max': 100_000 } : undefined
}

const readLimits: Operation = {
  method: 'GET',
  path: `${ORGANIZATION}/limits/namespaces/{namespaceName}`,
  handle(call) {
    const namespace = parameter(call, 'namespaceName')
    const limits = limitsOf(namespace, call.settings.requestsPerMinute)
    if (limits === undefined) throw notFound('namespace', namespace)
    const entities = Object.entries(limits).map(([key, value]) => ({ key, namespace, value }))
    return json(JSON.stringify({ entities }))
  },
}

function allowlistText(addresses: readonly string[]): string {
  return JSON.stringify({
    multifactorAuthenticationRequired: false,
    domainAllowlistEnabled: false,
    domainAllowlist: [],
    ipAddressAllowlist: addresses,
  })
}

const ADMINISTER = ['directory:organization:admin']

const readAuthenticationSettings: Operation = {
  method: 'GET',
  path: `${ORGANIZATION}/authentication/settings`,
  permissions: ADMINISTER,
  handle: ({ world }) => json(allowlistText(world.ipAddressAllowlist)),
}

const MAX_NETWORKS = 150

function publicNetwork(text: string): Ipv4Network {
  const network = readIpv4Network(text)
  if (network !== undefined && !isPrivate(network)) return network
  throw new PlatformError(400, 'invalid.ip.address', `${text} is not a public IPv4 network.`)
}

/** At most 150 networks, and the caller's own address in one of them. An empty list is no limit. */
function checkAllowlist(addresses: readonly string[], callerAddress: string): void {
  if (addresses.length > MAX_NETWORKS) {
    const message = `An organization has at most ${MAX_NETWORKS} networks.`
    throw new PlatformError(400, 'invalid.value', message)
  }
  const networks = addresses.map(publicNetwork)
  if (networks.length === 0 || covers(networks, callerAddress)) return
  const message = `The issuing address ${callerAddress} has to be in the list.`
  throw new PlatformError(400, 'invalid.issuing.ip.address', message)
}

/** One list, replaced as a whole, without a version: two writers overwrite each other. */
const changeAuthenticationSettings: Operation = {
  method: 'PATCH',
  path: `${ORGANIZATION}/authentication/settings`,
  permissions: ADMINISTER,
  handle(call) {
    const body = object(call.body)
    const addresses =
      body['ipAddressAllowlist'] === undefined
        ? call.world.ipAddressAllowlist
        : texts(body, 'ipAddressAllowlist')
    checkAllowlist(addresses, call.world.callerAddress)
    call.writes.submit((world) => {
      world.ipAddressAllowlist = addresses
    })
    return json(allowlistText(addresses))
  },
}

export const organizationOperations: readonly Operation[] = [
  readOrganization,
  readToken,
  revokeToken,
  readLimits,
  readAuthenticationSettings,
  changeAuthenticationSettings,
]
