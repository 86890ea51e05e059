import type { Kysely, SelectQueryBuilder } from 'kysely'
import type { AuditFilter } from '../domain/audit.ts'
import { Failure } from '../domain/failure.ts'
import type { AuditEntryRow, Tables } from './tables.ts'

type EntryQuery = SelectQueryBuilder<Tables, 'audit_entries', AuditEntryRow>

/** Matching entries in the order of the chain. Throws `invalid` for a time that is none. */
export function matchingEntries(
  db: Kysely<Tables>,
  filter: AuditFilter,
  order: 'asc' | 'desc',
): EntryQuery {
  let query: EntryQuery = db.selectFrom('audit_entries').selectAll().orderBy('sequence', order)
  const { from, to, actor, userId, action, outcome, subjectId } = filter
  if (from !== undefined) query = query.where('time', '>=', epochMs('from', from))
  if (to !== undefined) query = query.where('time', '<', epochMs('to', to))
  if (actor !== undefined) query = query.where('actor', '=', actor)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  if (action !== undefined) query = query.where('action', '=', action)
  if (outcome !== undefined) query = query.where('outcome', '=', outcome)
  if (subjectId !== undefined) query = query.where('subject_id', '=', subjectId)
  return query
}

function epochMs(field: string, text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time))
    throw new Failure('invalid', `${field} must be an ISO 8601 time`, { field })
  return time
}
