import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import { LoginFailure } from './login-failure.ts'

/** What a call was for. */
export type PlatformUse = {
  /** For messages: `IP allowlists`. */
  readonly collection: string
  /** The platform's permission, which is the OAuth scope as well. */
  readonly permission: string
  readonly clientId: string
}

/** The platform does not take the address that a request comes from. */
const ADDRESS_REFUSED = 'ip.not.authorized'

/**
 * A refusal in words that say what is to be mended; any other error as it is. The platform's own
 * words stay in it.
 */
export function explainFailure(error: unknown, use: PlatformUse): unknown {
  if (!(error instanceof Failure) || error instanceof LoginFailure) return error
  const { code, upstream, message, unexecuted } = error
  if (code !== 'upstream-refused') return error
  const as = (kind: FailureCode, text: string): Failure =>
    new Failure(kind, text, { upstream, unexecuted })
  switch (upstream?.status) {
    case 401:
      return upstream.code === ADDRESS_REFUSED
        ? as('upstream-refused', `the platform does not let our address in: ${message}`)
        : as(
            'upstream-refused',
            `the platform refuses the credentials of the OAuth client ${use.clientId}: ${message}`,
          )
    case 403:
      return as(
        'upstream-refused',
        `the OAuth client ${use.clientId} needs a role with the permission ${use.permission}: ${message}`,
      )
    case 404:
      // Without the platform's own error form it was somebody in between who answered: what the
      // platform did is not known.
      return upstream.code === ''
        ? new Failure(
            'upstream-broken',
            `nothing of the platform answered for ${use.collection}: ${message}`,
            { upstream },
          )
        : as('not-offered', `this organisation does not offer ${use.collection}`)
    case 409:
      return as('conflict', message)
    default:
      return error
  }
}
