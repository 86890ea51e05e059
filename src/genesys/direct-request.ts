import { withOperation } from './call-policy.ts'
import type { PlatformAddress } from './sdk.ts'
import type { Transport } from './transport.ts'

/** A request to an operation that the SDK does not have. */
export type DirectRequest = {
  readonly method: 'GET' | 'POST'
  /** As it is sent, without a query: `/api/v2/…`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/**
 * Sends such requests the same way as the SDK's: the transport gives them budget, token, retries
 * and bounds. Answers the parsed body; throws `Failure`, or the signal's reason.
 */
export function openDirectRequests(
  address: PlatformAddress,
  transport: Pick<Transport, 'request'>,
): (request: DirectRequest) => Promise<unknown> {
  const base =
    'host' in address ? `https://api.${address.host}` : address.baseUrl.replace(/\/+$/, '')
  return async ({ method, path, query = {}, body }) => {
    const options = { method, url: base + path, params: query, data: body }
    const { data } = await withOperation(`${method} ${path}`, () => transport.request(options))
    return data
  }
}
