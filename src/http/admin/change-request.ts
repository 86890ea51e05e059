import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import type { OnFailure, RequestedUpdate } from '../../domain/role-change.ts'
import { readChangeCsv } from './change-csv.ts'
import { MAX_CHANGE_LINES } from './change-schemas.ts'
import type { ChangesBody, ChangesQuery } from './change-schemas.ts'

export type ChangeOptions = {
  readonly comment: string
  readonly onFailure: OnFailure
  readonly dryRun: boolean
  readonly force: boolean
  readonly baseRevision: number | undefined
}

/** Updates as a caller wrote them, nothing looked up yet. */
export type WrittenUpdates = {
  readonly updates: readonly RequestedUpdate[]
  /** Throws what it is given; faults in the words of what was sent: JSON path or row. */
  readonly locate: (error: unknown) => never
}

/** Updates of a JSON body or, a text having come, of a CSV. */
export async function readUpdates(
  body: readonly RequestedUpdate[] | string,
): Promise<WrittenUpdates> {
  if (typeof body !== 'string') return jsonUpdates(body)
  const { updates, locate } = await readChangeCsv(body)
  return {
    updates,
    locate(error) {
      throw error instanceof Failure ? locate(error) : error
    },
  }
}

function jsonUpdates(updates: readonly RequestedUpdate[]): WrittenUpdates {
  let lines = 0
  for (const { grant = [], revoke = [], newRoleIds = [] } of updates) {
    lines += grant.length + revoke.length + newRoleIds.length
  }
  if (lines > MAX_CHANGE_LINES) {
    throw new Failure('too-large', `updates may name at most ${MAX_CHANGE_LINES} roles in all`)
  }
  return { updates, locate: asWritten }
}

/** JSON is told of by its own paths. */
export function asWritten(error: unknown): never {
  throw error
}

type ChangeBody = Static<typeof ChangesBody> | string
type Query = Static<typeof ChangesQuery>

/** What a batch was asked to be. With JSON its options stand in the body, with CSV in the query. */
export async function readChangeRequest(
  body: ChangeBody,
  { limit, cursor, ...query }: Query,
): Promise<WrittenUpdates & { readonly options: ChangeOptions }> {
  const { updates, ...written } = typeof body === 'string' ? { ...query, updates: body } : body
  const [misplaced] = typeof body === 'string' ? [] : Object.keys(query)
  if (misplaced !== undefined) {
    const message = `${misplaced} belongs into the body: the query is for CSV`
    throw new Failure('invalid', message, { field: misplaced })
  }
  const { comment = '', onFailure = 'stop', dryRun, force, baseRevision } = written
  const options: ChangeOptions = {
    comment,
    onFailure,
    dryRun: dryRun === true || dryRun === 'true',
    force: force === true || force === 'true',
    baseRevision: baseRevision === undefined ? undefined : Number(baseRevision),
  }
  if (!options.dryRun) refusePaging({ limit, cursor })
  return { ...(await readUpdates(updates)), options }
}

function refusePaging(query: Readonly<Record<'limit' | 'cursor', string | undefined>>): void {
  for (const field of ['limit', 'cursor'] as const) {
    if (query[field] === undefined) continue
    throw new Failure('invalid', `${field} is for a dryRun`, { field })
  }
}

/** Without a body there is no type whose schema would be looked at. Throws `invalid`. */
export function requireBody<Body>(body: Body | null | undefined): Body {
  if (body !== null && body !== undefined) return body
  throw new Failure('invalid', 'a body is required: JSON or CSV')
}
