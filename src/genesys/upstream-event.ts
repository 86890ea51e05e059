import type { RETRY_CAUSES, UPSTREAM_CLIENTS, UPSTREAM_OUTCOMES } from '../observability/metrics.ts'

/** Which OAuth client a request is sent as. */
export type ClientName = (typeof UPSTREAM_CLIENTS)[number]
/** How one exchange with the platform ended. */
export type RequestOutcome = (typeof UPSTREAM_OUTCOMES)[number]
export type RetryCause = (typeof RETRY_CAUSES)[number]

/** What the reader tells of itself while it works; all values come from closed lists. */
export type UpstreamEvent =
  | {
      readonly type: 'request'
      readonly client: ClientName
      readonly outcome: RequestOutcome
      readonly seconds: number
    }
  | { readonly type: 'retry'; readonly cause: RetryCause }
  | {
      readonly type: 'budget'
      readonly client: ClientName
      /** Requests that may be sent at once. */
      readonly remaining: number
    }
  | { readonly type: 'thread'; readonly state: 'started' | 'crashed' }

export type OnEvent = (event: UpstreamEvent) => void
