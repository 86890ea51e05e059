import { randomBytes } from 'node:crypto'
import { PlatformError } from './platform-error.ts'

interface IssuedToken {
  readonly clientId: string
  readonly expiresAt: number
}

/** The access tokens in circulation. */
export class Tokens {
  readonly #issued = new Map<string, IssuedToken>()
  readonly #lifetimeMs: number
  readonly #now: () => number

  constructor(options: { lifetimeSeconds: number; now: () => number }) {
    this.#lifetimeMs = options.lifetimeSeconds * 1000
    this.#now = options.now
  }

  issue(clientId: string): { token: string; expiresInSeconds: number } {
    const token = randomBytes(32).toString('base64url')
    this.#issued.set(token, { clientId, expiresAt: this.#now() + this.#lifetimeMs })
    return { token, expiresInSeconds: Math.floor(this.#lifetimeMs / 1000) }
  }

  /** The client behind an `Authorization` header, or the platform's 401. */
  clientOf(authorization: string | undefined): { clientId: string; token: string } {
    const token = /^bearer (.+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) {
      const message = 'No authentication bearer token specified in authorization header.'
      throw new PlatformError(401, 'authentication.required', message)
    }
    const issued = this.#issued.get(token)
    if (issued === undefined || issued.expiresAt <= this.#now()) {
      this.#issued.delete(token)
      throw new PlatformError(401, 'bad.credentials', 'Invalid login credentials.')
    }
    return { clientId: issued.clientId, token }
  }

  revoke(token: string): void {
    this.#issued.delete(token)
  }

  revokeAll(): void {
    this.#issued.clear()
  }
}
