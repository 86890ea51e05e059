import type { Database } from './database.ts'

/** A report can be made again, and holds what is confidential: it is not kept for long. */
const KEPT_MS = 30 * 24 * 60 * 60_000
/** Of all reports together, in UTF-16 code units; the oldest go first. */
const MAX_LENGTH = 1024 * 1024 * 1024

/** Removes reports past their time and beyond their room, and answers how many. The newest stays. */
export async function removeExpiredReports(database: Database, now: number): Promise<number> {
  const reports = await database.read((db) =>
    db
      .selectFrom('reports')
      .select(['id', 'created_at', 'length'])
      .orderBy('number', 'desc')
      .execute(),
  )
  let length = 0
  const expired = reports.filter((report, place) => {
    length += report.length ?? 0
    return report.created_at < now - KEPT_MS || (place > 0 && length > MAX_LENGTH)
  })
  // One at a time: each may have much content, and no other write is to wait for all of it.
  for (const { id } of expired) {
    await database.write((transaction) =>
      transaction.deleteFrom('reports').where('id', '=', id).execute(),
    )
  }
  return expired.length
}
