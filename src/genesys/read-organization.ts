import { Failure } from '../domain/failure.ts'
import { objectIn, optionalTextIn } from './answer-shape.ts'
import { refusalStatus } from './login-failure.ts'
import type { SdkSession } from './sdk.ts'

export type Organization = { readonly id: string; readonly name: string }

const UNTOLD_STATUSES = new Set([400, 403, 404])

/**
 * True for an answer that means "you are not told", which is no reason to give up. A failed login
 * is no answer.
 */
export function isUntold(error: unknown): boolean {
  const status = refusalStatus(error)
  return status !== undefined && UNTOLD_STATUSES.has(status)
}

/**
 * The organisation that our client belongs to. Throws `upstream-busy` when the platform does not
 * say: whose matrix is read is never a guess.
 */
export async function readOrganization(sdk: SdkSession): Promise<Organization> {
  const token = await sdk.tokens.getTokensMe({}).catch(unlessUntold)
  const ofToken = organizationIn(objectIn(token ?? {}, 'tokens/me')['organization'])
  if (ofToken !== undefined) return ofToken
  const own = await sdk.organization.getOrganizationsMe().catch(unlessUntold)
  const organization = organizationIn(own)
  if (organization !== undefined) return organization
  throw new Failure('upstream-busy', 'the platform does not say whose organisation it is')
}

function unlessUntold(error: unknown): undefined {
  if (!isUntold(error)) throw error
  return undefined
}

function organizationIn(value: unknown): Organization | undefined {
  if (value === undefined || value === null) return undefined
  const fields = objectIn(value, 'the organisation')
  const id = optionalTextIn(fields, 'id', 'the organisation')
  return id === '' ? undefined : { id, name: optionalTextIn(fields, 'name', 'the organisation') }
}
