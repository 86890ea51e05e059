import { Agent } from 'undici'
import type { Dispatcher } from 'undici'
import type { Delivery, EventTarget, Sent, WebhookSender } from '../domain/delivery.ts'
import { retryAfterSeconds } from '../domain/retry-after.ts'
import type { Secret } from '../domain/secret.ts'
import { sign } from './sign.ts'

/** Of an attempt as a whole: connecting, sending, and the answer's headers. */
const TIMEOUT_MS = 5_000
/** An answer's body is not looked at; a longer one costs the connection. */
const MAX_ANSWER_BYTES = 16 * 1024
const CONNECTIONS = 4
const USER_AGENT = 'genesys-permission-check'

export type WebhookSenderOptions = {
  /** Addresses may hold tokens: they are shown to nobody. */
  readonly addresses: Readonly<Partial<Record<EventTarget, Secret>>>
  /** `whsec_…`, one or, while it is changed, two; needed where there is an address. */
  readonly secrets: readonly Secret[]
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly timeoutMs?: number
}

/**
 * Sends events by POST. Whatever is no 2xx has not arrived; a redirect is not followed, for what is
 * signed goes to the address that an operator named, and nowhere else. To be disposed.
 */
export function openWebhookSender(options: WebhookSenderOptions): WebhookSender & AsyncDisposable {
  const { timeoutMs = TIMEOUT_MS } = options
  const agent = new Agent({ connections: CONNECTIONS, connect: { timeout: timeoutMs } })
  return {
    async send(delivery, signal): Promise<Sent> {
      const address = options.addresses[delivery.target]
      if (address === undefined) {
        return { ok: false, error: 'no address is configured' }
      }
      const late = AbortSignal.timeout(timeoutMs)
      const request = {
        ...requestOf(delivery, address, options),
        signal: AbortSignal.any([signal, late]),
      }
      try {
        return await sentBy(await agent.request(request), options.now())
      } catch (error) {
        signal.throwIfAborted()
        const reason = late.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)
        return { ok: false, error: reason }
      }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}

function requestOf(
  { id, body }: Delivery,
  address: Secret,
  { secrets, now }: Pick<WebhookSenderOptions, 'secrets' | 'now'>,
): Dispatcher.RequestOptions & { readonly origin: string } {
  const { origin, pathname, search } = new URL(address.reveal())
  return {
    origin,
    path: pathname + search,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': USER_AGENT,
      ...sign({ id, body, seconds: Math.floor(now() / 1_000) }, secrets),
    },
    body,
  }
}

/** The status decides: what comes behind it is thrown away, and may be cut off. */
async function sentBy(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  now: number,
): Promise<Sent> {
  await body.dump({ limit: MAX_ANSWER_BYTES }).catch(() => undefined)
  if (statusCode >= 200 && statusCode < 300) return { ok: true }
  const error = `answered ${statusCode}`
  const seconds = retryAfterSeconds(String(headers['retry-after'] ?? ''), now)
  return seconds === undefined
    ? { ok: false, error }
    : { ok: false, error, retryAfterSeconds: seconds }
}

/** A code says enough; a message may name the address. */
function reasonOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? `no connection (${code})` : 'no connection'
}
