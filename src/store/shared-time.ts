import type { Transaction } from 'kysely'
import type { StoreDialect } from './dialect.ts'
import type { Tables } from './tables.ts'

/**
 * The same moment by the clock that all instances share: what one of them wrote is compared with
 * this. See {@link StoreDialect.sharedNow}.
 *
 * @param time by the process's own clock, epoch milliseconds
 */
export async function sharedTime(
  transaction: Transaction<Tables>,
  dialect: StoreDialect,
  time: number,
  processNow: number,
): Promise<number> {
  return time + (await dialect.sharedNow(transaction, processNow)) - processNow
}
