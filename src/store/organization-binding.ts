import type { Kysely, Transaction } from 'kysely'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Tables } from './tables.ts'

/**
 * To which organisation the database belongs: the first that the platform confirmed to a service on
 * it. A service of another one must not add to its trail, and must not carry out its batches: their
 * ids mean nothing, or something else, over there.
 */
export class OrganizationBinding {
  #confirmed: string | undefined
  #bound = false

  /** Says whose organisation the platform has confirmed this service to be of. */
  confirm(organizationId: string): void {
    if (this.#confirmed === organizationId) return
    this.#confirmed = organizationId
    this.#bound = false
  }

  /**
   * To be called first in every transaction that writes: it binds a database that is free. Throws
   * `store-unavailable`, or the code that is given, for one that belongs to another organisation. A
   * service that has not been confirmed yet may write: the platform may be out of reach just now.
   */
  async check(
    transaction: Transaction<Tables>,
    code: FailureCode = 'store-unavailable',
  ): Promise<void> {
    const confirmed = this.#confirmed
    if (this.#bound || confirmed === undefined) return
    const owner = await ownerOf(transaction)
    if (owner === confirmed) this.#bound = true
    else if (owner !== undefined) throw belongsTo(owner, confirmed, code)
    else {
      await bind(transaction, confirmed)
      // Another instance may have been first.
      const first = (await ownerOf(transaction)) ?? confirmed
      if (first !== confirmed) throw belongsTo(first, confirmed, code)
    }
  }

  /** Whether batches may be carried out: not while the database's organisation is unconfirmed. */
  async mayClaim(db: Kysely<Tables>): Promise<boolean> {
    return this.#confirmed !== undefined || (await ownerOf(db)) === undefined
  }
}

async function ownerOf(db: Kysely<Tables>): Promise<string | undefined> {
  const row = await db
    .selectFrom('store_facts')
    .select('value')
    .where('name', '=', 'organization')
    .executeTakeFirst()
  return row?.value
}

async function bind(transaction: Transaction<Tables>, organizationId: string): Promise<void> {
  await transaction
    .insertInto('store_facts')
    .values({ name: 'organization', value: organizationId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

function belongsTo(owner: string, confirmed: string, code: FailureCode): Failure {
  return new Failure(
    code,
    `the database belongs to the organisation ${owner}, but the client to ${confirmed}`,
  )
}
