import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { resolveUpdates } from '../../domain/resolve-changes.ts'
import type { OnFailure, RequestedUpdate, UserChange } from '../../domain/role-change.ts'
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

/** Updates as a caller wrote them, and how to look up what they name in a matrix. */
export type WrittenUpdates = {
  readonly updates: readonly RequestedUpdate[]
  /** Throws `invalid` with every fault, in the words of what was sent: JSON path or row. */
  readonly resolve: (matrix: Matrix, now: number) => readonly UserChange[]
}

/** Updates of a JSON body or, a text having come, of a CSV. */
export async function readUpdates(body: readonly RequestedUpdate[] | string) {
  if (typeof body !== 'string') return jsonUpdates(body)
  const { updates, locate } = await readChangeCsv(body)
  const resolve: WrittenUpdates['resolve'] = (matrix, now) => {
    try {
      return resolveUpdates(matrix, updates, now)
    } catch (error) {
      throw error instanceof Failure ? locate(error) : error
    }
  }
  return { updates, resolve } satisfies WrittenUpdates
}

function jsonUpdates(updates: readonly RequestedUpdate[]): WrittenUpdates {
  let lines = 0
  for (const { grant = [], revoke = [], newRoleIds = [] } of updates) {
    lines += grant.length + revoke.length + newRoleIds.length
  }
  if (lines > MAX_CHANGE_LINES) {
    throw new Failure('too-large', `updates may name at most ${MAX_CHANGE_LINES} roles in all`)
  }
  return { updates, resolve: (matrix, now) => resolveUpdates(matrix, updates, now) }
}

type ChangeBody = Static<typeof ChangesBody> | string
type Query = Static<typeof ChangesQuery>

/** What a batch was asked to be. With JSON its options stand in the body, with CSV in the query. */
export async function readChangeRequest(
  body: ChangeBody,
  query: Query,
): Promise<WrittenUpdates & { readonly options: ChangeOptions }> {
  if (typeof body === 'string') {
    const { comment = '', onFailure = 'stop', dryRun, force, baseRevision } = query
    const options: ChangeOptions = {
      comment,
      onFailure,
      dryRun: dryRun === 'true',
      force: force === 'true',
      baseRevision: baseRevision === undefined ? undefined : Number(baseRevision),
    }
    return { ...(await readUpdates(body)), options }
  }
  const [misplaced] = Object.keys(query)
  if (misplaced !== undefined) {
    const message = `${misplaced} belongs into the body: the query is for CSV`
    throw new Failure('invalid', message, { field: misplaced })
  }
  const { updates, comment = '', onFailure = 'stop', dryRun = false, force = false } = body
  const { baseRevision } = body
  const options: ChangeOptions = { comment, onFailure, dryRun, force, baseRevision }
  return { ...(await readUpdates(updates)), options }
}

/** Without a body there is no type whose schema would be looked at. Throws `invalid`. */
export function requireBody<Body>(body: Body | null | undefined): Body {
  if (body !== null && body !== undefined) return body
  throw new Failure('invalid', 'a body is required: JSON or CSV')
}
