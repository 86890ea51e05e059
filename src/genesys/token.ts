import { unlessAborted } from './clock.ts'
import type { Clock } from './clock.ts'

/** What a login gives. */
export type IssuedToken = { readonly token: string; readonly lifetimeSeconds: number }

type HeldToken = { readonly value: string; readonly renewAt: number; readonly expiresAt: number }

/** A token is renewed this long before it expires, or at four fifths of a short life. */
const MAX_MARGIN_MS = 5 * 60_000
const MARGIN_SHARE = 0.2

/**
 * The access token of one OAuth client. Renewed ahead of its expiry, and once after the platform
 * has refused it, however many calls find out together.
 */
export class TokenKeeper {
  readonly #login: () => Promise<IssuedToken>
  readonly #clock: Clock
  #held: HeldToken | undefined
  #renewal: Promise<string> | undefined

  constructor(login: () => Promise<IssuedToken>, clock: Clock) {
    this.#login = login
    this.#clock = clock
  }

  /** A token to send now. Throws what the login throws, or the signal's reason. */
  current(signal: AbortSignal): Promise<string> {
    const held = this.#held
    if (held !== undefined && this.#clock.now() < held.renewAt) return Promise.resolve(held.value)
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined
    })
    return unlessAborted(this.#renewal, signal)
  }

  /** The platform refused this token. One that is not the held one has been renewed already. */
  refused(token: string): void {
    if (this.#held?.value === token) this.#held = undefined
  }

  async #renew(): Promise<string> {
    const startedAt = this.#clock.now()
    try {
      const { token, lifetimeSeconds } = await this.#login()
      const lifeMs = lifetimeSeconds * 1000
      const margin = Math.min(MAX_MARGIN_MS, lifeMs * MARGIN_SHARE)
      const expiresAt = startedAt + lifeMs
      this.#held = { value: token, renewAt: expiresAt - margin, expiresAt }
      return token
    } catch (error) {
      // A login that fails ahead of time costs nothing while the old token lives.
      const held = this.#held
      if (held !== undefined && this.#clock.now() < held.expiresAt) return held.value
      throw error
    }
  }
}
