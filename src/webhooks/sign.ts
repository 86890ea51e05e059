import { createHmac } from 'node:crypto'
import type { Secret } from '../domain/secret.ts'

const SECRET_PREFIX = 'whsec_'

/** Headers of a message after the Standard Webhooks convention. */
export type SignatureHeaders = {
  readonly 'webhook-id': string
  /** Seconds since the epoch, of this attempt. */
  readonly 'webhook-timestamp': string
  /** One for each secret, spaces between. */
  readonly 'webhook-signature': string
}

/**
 * Signs a message: HMAC-SHA256 over `id.timestamp.body`, keyed with the bytes behind `whsec_`
 * (Base64). Every attempt has its own timestamp, and so its own signature, but the same id. With
 * several secrets there is a signature of each: a receiver takes the message for the one it knows.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function sign(
  message: { readonly id: string; readonly body: string; readonly seconds: number },
  secrets: readonly Secret[],
): SignatureHeaders {
  const { id, body, seconds } = message
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.reveal().slice(SECRET_PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  }
}
