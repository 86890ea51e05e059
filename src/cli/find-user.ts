import { Failure } from '../domain/failure.ts'
import { foldEmail } from '../domain/find-emails.ts'
import { reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'

/** Named as an id is: nothing has to be looked up. */
export function isUserId(named: string): boolean {
  return !named.includes('@')
}

const readUser = reader({ id: 'string', kind: 'string', email: 'string', state: 'string' })

/**
 * The id of a user who is named by id or email, in any case of letters. An address outlives its
 * deleted user and may be given to another: the deleted count only where nobody else has it. Throws
 * `not-found` for an email that nobody has, `invalid` for one that several have.
 */
export async function findUserId(admin: ServiceClient, named: string): Promise<string> {
  if (isUserId(named)) return named
  const wanted = foldEmail(named)
  const found: { readonly id: string; readonly state: string }[] = []
  for await (const user of admin.items('/admin/v1/users', readUser, { query: { q: named } })) {
    if (user.kind === 'user' && foldEmail(user.email) === wanted) found.push(user)
  }
  const living = found.filter(({ state }) => state !== 'deleted')
  const [owner, ...others] = living.length > 0 ? living : found
  if (owner === undefined) {
    const message = `no user has the email ${named}; the service knows users since its last rebuild`
    throw new Failure('not-found', message)
  }
  if (others.length === 0) return owner.id
  const ids = [owner, ...others].map(({ id }) => id).join(', ')
  throw new Failure('invalid', `several users have the email ${named}: name one by id: ${ids}`)
}
