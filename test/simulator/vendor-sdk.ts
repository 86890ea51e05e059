import platformClient from 'purecloud-platform-client-v2'
import type { Simulator } from '../../simulator/server.ts'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'

/** The part of the SDK's client that its typings leave out. */
type VendorClient = {
  readonly config: { live_reload_config: boolean; setConfigPath(path: string): void }
  setGateway(gateway: object): void
  loginClientCredentialsGrant(id: string, secret: string): Promise<unknown>
}

type Untyped = { readonly ApiClient: VendorClient; readonly ApiClientClass: new () => VendorClient }

/**
 * The vendor's SDK as it is, logged in to the simulator. Without its watch on a configuration file
 * in the home folder, which would send it to the real platform.
 */
export async function vendorSdk(simulator: Simulator) {
  const { ApiClient, ApiClientClass } = platformClient as unknown as Untyped
  const client = new ApiClientClass()
  for (const each of [ApiClient, client]) {
    each.config.live_reload_config = false
    each.config.setConfigPath('')
  }
  const { hostname, port } = new URL(simulator.url)
  client.setGateway({
    host: hostname,
    protocol: 'http',
    port: Number(port),
    path_params_login: '',
    path_params_api: '',
  })
  await client.loginClientCredentialsGrant(DEFAULT_CLIENT.id, DEFAULT_CLIENT.secret)
  const typed = client as never
  return {
    users: new platformClient.UsersApi(typed),
    routing: new platformClient.RoutingApi(typed),
    analytics: new platformClient.AnalyticsApi(typed),
    authorization: new platformClient.AuthorizationApi(typed),
  }
}
