import type { Failure } from '../domain/failure.ts'
import { NO_CONNECTION } from '../genesys/transport-failure.ts'
import { adviseOnConnection } from './connection-advice.ts'

/** Where the platform is asked, and whether a region named it rather than a URL. */
export type PlatformPlace = { readonly url: URL; readonly byRegion: boolean }

/** The system's code in the words for a connection that did not come about. */
const CONNECTION_CODE = new RegExp(`${NO_CONNECTION}: (\\w+)`)

/** What to do next about a failure of the platform; undefined where its message says it. */
export function adviseOnPlatform(
  { code, message, upstream }: Failure,
  { url, byRegion }: PlatformPlace,
): string | undefined {
  if (code === 'upstream-broken') {
    return 'run the command again; where it stays so, it is for the support of Genesys Cloud'
  }
  if (code !== 'upstream-busy') return undefined
  if (upstream !== undefined) return 'wait a little, then run the command again'
  const [, connection] = CONNECTION_CODE.exec(message) ?? []
  if (connection === undefined) return 'run the command again; --timeout gives an answer more time'
  return adviseOnConnection(connection, {
    ...{ variable: 'GENESYS_BASE_URL', url, authority: 'NODE_EXTRA_CA_CERTS' },
    ...(byRegion && { otherwise: `is the network here open to ${url.host}, without a proxy?` }),
  })
}
