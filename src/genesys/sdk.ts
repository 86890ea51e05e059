import platformClient from 'purecloud-platform-client-v2'

/**
 * The SDK as this room uses it. Its own typings leave out the classes that a transport needs, so
 * the shapes are declared here; all answers are unknown until they have been checked.
 */
type Sdk = {
  readonly ApiClient: SdkClient
  readonly ApiClientClass: new () => SdkClient
  readonly AbstractHttpClient: new () => object
  readonly UsersApi: new (client: SdkClient) => SdkUsers
  readonly AuthorizationApi: new (client: SdkClient) => SdkAuthorization
  readonly GroupsApi: new (client: SdkClient) => SdkGroups
  readonly OrganizationApi: new (client: SdkClient) => SdkOrganization
  readonly TokensApi: new (client: SdkClient) => SdkTokens
  readonly RoutingApi: new (client: SdkClient) => SdkRouting
  readonly AnalyticsApi: new (client: SdkClient) => SdkAnalytics
}

type SdkClient = {
  readonly config: {
    live_reload_config: boolean
    setConfigPath(path: string): void
    readonly logger: { log_level: string; log_file_path: string | undefined; setLogger(): void }
  }
  timeout: number
  callApi(path: string, method: string, ...rest: readonly unknown[]): Promise<unknown>
  setHttpClient(transport: object): void
  setEnvironment(host: string): void
  setGateway(gateway: SdkGateway | undefined): void
  setPersistSettings(persist: boolean): void
  loginClientCredentialsGrant(
    clientId: string,
    clientSecret: string,
  ): Promise<{ readonly accessToken: unknown; readonly tokenExpiryTime: number }>
}

type SdkGateway = {
  readonly host: string
  readonly protocol: string
  readonly port?: number
  readonly path_params_login: string
  readonly path_params_api: string
}

type Options = Readonly<Record<string, unknown>>

type SdkUsers = {
  getUsers(options: Options): Promise<unknown>
  getUser(userId: string, options: Options): Promise<unknown>
  postUsersSearch(body: Options): Promise<unknown>
  postUsers(body: Options): Promise<unknown>
  patchUser(userId: string, body: Options): Promise<unknown>
  deleteUser(userId: string): Promise<unknown>
}

type SdkAuthorization = {
  getAuthorizationRoles(options: Options): Promise<unknown>
  getAuthorizationRoleSubjectgrants(roleId: string, options: Options): Promise<unknown>
  getAuthorizationDivisions(options: Options): Promise<unknown>
  getAuthorizationPermissions(options: Options): Promise<unknown>
  getAuthorizationPolicies(options: Options): Promise<unknown>
  getAuthorizationSubject(subjectId: string, options: Options): Promise<unknown>
  getAuthorizationSubjectsMe(options: Options): Promise<unknown>
  postAuthorizationSubjectBulkadd(
    subjectId: string,
    body: unknown,
    options: Options,
  ): Promise<unknown>
  postAuthorizationSubjectBulkremove(subjectId: string, body: unknown): Promise<unknown>
  deleteAuthorizationSubjectDivisionRole(
    subjectId: string,
    divisionId: string,
    roleId: string,
  ): Promise<unknown>
  postAuthorizationDivisionObject(
    divisionId: string,
    objectType: 'USER' | 'QUEUE',
    ids: readonly string[],
  ): Promise<unknown>
}

type SdkGroups = {
  getGroups(options: Options): Promise<unknown>
  getGroupMembers(groupId: string, options: Options): Promise<unknown>
}

type SdkOrganization = {
  getOrganizationsMe(): Promise<unknown>
  getOrganizationsAuthenticationSettings(): Promise<unknown>
  patchOrganizationsAuthenticationSettings(body: Options): Promise<unknown>
}
type SdkTokens = { getTokensMe(options: Options): Promise<unknown> }

type SdkRouting = {
  getRoutingQueues(options: Options): Promise<unknown>
  getRoutingQueue(queueId: string): Promise<unknown>
  postRoutingQueues(body: Options): Promise<unknown>
  putRoutingQueue(queueId: string, body: Options): Promise<unknown>
  getRoutingQueueMembers(queueId: string, options: Options): Promise<unknown>
  postRoutingQueueMembers(
    queueId: string,
    members: readonly Options[],
    options: Options,
  ): Promise<unknown>
}

type SdkAnalytics = {
  postAnalyticsConversationsAggregatesQuery(body: Options): Promise<unknown>
}

const sdk = platformClient as unknown as Sdk

/**
 * The SDK's base class for transports: its client takes instances of this very class only. It
 * brings a `timeout` and hooks, none of which is used.
 */
export const AbstractHttpClient = sdk.AbstractHttpClient

/**
 * What the SDK hands to a transport. Values in `params` are plain, names are encoded already; a list
 * is a parameter that is repeated.
 */
export type HttpRequestOptions = {
  readonly url: string
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  readonly params?: Readonly<Record<string, string | readonly string[]>>
  readonly data?: unknown
}

/** What the SDK takes from a transport. */
export type HttpResponse = {
  readonly status: number
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: unknown
}

/** Where the platform is: a region's host, or one address for login and API alike. */
export type PlatformAddress = { readonly host: string } | { readonly baseUrl: string }

/** The operations that are used, on one client of the SDK's. */
export type SdkSession = {
  readonly users: SdkUsers
  readonly authorization: SdkAuthorization
  readonly groups: SdkGroups
  readonly organization: SdkOrganization
  readonly tokens: SdkTokens
  readonly routing: SdkRouting
  readonly analytics: SdkAnalytics
  login(
    clientId: string,
    clientSecret: string,
  ): Promise<{ readonly accessToken: unknown; readonly tokenExpiryTime: number }>
}

/**
 * A client of its own for each OAuth client, speaking through `transport`.
 *
 * @param around wraps each operation; is given its method and path template
 */
export function openSdkSession(
  address: PlatformAddress,
  transport: object,
  around: <Value>(operation: string, call: () => Value) => Value,
): SdkSession {
  const client = new sdk.ApiClientClass()
  disarm(sdk.ApiClient)
  disarm(client)
  client.setPersistSettings(false)
  client.setHttpClient(transport)
  if ('host' in address) {
    client.setGateway(undefined)
    client.setEnvironment(address.host)
  } else {
    client.setGateway(gatewayOf(address.baseUrl))
  }
  const callApi = client.callApi.bind(client)
  client.callApi = (path, method, ...rest) => {
    return around(`${method} ${path}`, () => callApi(path, method, ...rest))
  }
  return {
    users: new sdk.UsersApi(client),
    authorization: new sdk.AuthorizationApi(client),
    groups: new sdk.GroupsApi(client),
    organization: new sdk.OrganizationApi(client),
    tokens: new sdk.TokensApi(client),
    routing: new sdk.RoutingApi(client),
    analytics: new sdk.AnalyticsApi(client),
    login: (clientId, clientSecret) => client.loginClientCredentialsGrant(clientId, clientSecret),
  }
}

/**
 * The SDK reads `~/.genesyscloudjavascript/config` and watches it: a file that appears there sends
 * the traffic to another region and may log requests. Neither is wanted of a service.
 */
function disarm(client: SdkClient): void {
  client.config.live_reload_config = false
  client.config.setConfigPath('')
  const { logger } = client.config
  logger.log_level = 'none'
  logger.log_file_path = undefined
  logger.setLogger()
}

function gatewayOf(baseUrl: string): SdkGateway {
  const url = new URL(baseUrl)
  return {
    host: url.hostname,
    protocol: url.protocol.replace(':', ''),
    ...(url.port !== '' && { port: Number(url.port) }),
    path_params_login: url.pathname,
    path_params_api: url.pathname,
  }
}
