import type { NewAuditEntry } from './audit.ts'

/** Where events go: GENESYS_SIM_CALLBACK_URL and MONITORING_WEBHOOK_URL. */
export const EVENT_TARGETS = ['callback', 'monitoring'] as const
export type EventTarget = (typeof EVENT_TARGETS)[number]

/** `dead`: given up after {@link DELIVERY_LIFETIME_MS}; an admin may have it tried again. */
export const DELIVERY_STATES = ['pending', 'delivered', 'dead'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** For how long a delivery is tried, from when it was queued or was last asked for by an admin. */
export const DELIVERY_LIFETIME_MS = 24 * 60 * 60_000

/**
 * The longest pause between two attempts. What seems to be due later than that was put off by a clock
 * that was ahead, and is due.
 */
export const MAX_DELIVERY_PAUSE_MS = 60 * 60_000
/** No lease is longer: one that lasts longer was taken before the clock was set back. */
export const MAX_DELIVERY_LEASE_MS = 5 * 60_000

/** One event on its way to one address. Times are epoch milliseconds. */
export type Delivery = {
  readonly id: string
  readonly target: EventTarget
  readonly event: string
  /** Deliveries of one subject to one address go one after another, in the order of their events. */
  readonly subject: string
  /** JSON text: exactly the bytes that are sent, and signed. */
  readonly body: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly createdAt: number
  /** When it is tried next. */
  readonly dueAt: number
  /** When it is given up. */
  readonly expiresAt: number
  readonly lastAttemptAt: number | null
  readonly finishedAt: number | null
  /** Why the last attempt failed, safe to show. */
  readonly error: string | null
}

/** A delivery in this process's hands, until its lease runs out. */
export type ClaimedDelivery = Delivery & { readonly token: string }

/** `failed`: tried again after the pause, unless its time is over by then. */
export type AttemptEnd =
  | { readonly state: 'delivered' }
  | {
      readonly state: 'failed'
      /** At most {@link MAX_DELIVERY_PAUSE_MS}. */
      readonly pauseMs: number
      readonly error: string
    }

export type DeliveryPage = { readonly items: readonly Delivery[]; readonly nextCursor?: string }

/** Deliveries of an address that wait, and that were given up. */
export type DeliveryCounts = Readonly<
  Record<EventTarget, { readonly pending: number; readonly dead: number }>
>

/**
 * The outbox. Deliveries get into it with the audit entries that they tell of, in one transaction.
 * Throws `store-unavailable` when the database cannot do it.
 */
export interface DeliveryStore {
  /**
   * Takes what is due for an address, oldest first: of each subject only the first one that has not
   * come to an end, and nothing that is in other hands. Writes only where there is something.
   */
  claim(
    target: EventTarget,
    lease: { readonly limit: number; readonly leaseMs: number },
  ): Promise<readonly ClaimedDelivery[]>
  /**
   * Records how an attempt ended. Answers what that makes of the delivery; undefined when it is in
   * other hands by now.
   */
  settle(claimed: ClaimedDelivery, end: AttemptEnd): Promise<DeliveryState | undefined>
  /** Gives up what waits for an address other than these and whose time is over; answers how many. */
  giveUpOthers(targets: readonly EventTarget[]): Promise<number>
  counts(): Promise<DeliveryCounts>
  /** Newest first. A cursor that was not given out throws `invalid`. */
  list(page: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly state?: DeliveryState | undefined
  }): Promise<DeliveryPage>
  /**
   * Makes a delivery due now, with its whole time before it. Throws `not-found`; `conflict` for one
   * that arrived.
   */
  retry(id: string, audit: readonly NewAuditEntry[]): Promise<Delivery>
  /** Forgets what arrived longer ago than this; answers how many. */
  removeDelivered(keptMs: number): Promise<number>
}

/** What became of one attempt. `error` is safe to show: neither address nor answer is in it. */
export type Sent =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly error: string
      /** Seconds after which the receiver wants to be asked again. */
      readonly retryAfterSeconds?: number | undefined
    }

/** Sends one event once, within a few seconds. Never throws, but for the signal's reason. */
export interface WebhookSender {
  send(delivery: Delivery, signal: AbortSignal): Promise<Sent>
}
