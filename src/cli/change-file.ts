import { createHash } from 'node:crypto'
import { Failure } from '../domain/failure.ts'
import type { OnFailure } from '../domain/role-change.ts'
import { readInput } from './input-file.ts'
import { parseJson, parseJsonObject } from './json-input.ts'
import type { Sent } from './service-client.ts'
import type { Session } from './session.ts'

/** What a batch is to be, beside its updates. What is left out the file, or the service, says. */
export type ChangeOptions = {
  readonly comment?: string
  readonly onFailure?: OnFailure
  readonly force?: boolean
  readonly baseRevision?: number
}

/** Changes as they were written: the service reads them, and tells every fault by its place. */
export type ChangeFile =
  | { readonly kind: 'json'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'csv'; readonly text: string }

/** Options of a batch that a simulation does not know: they make no difference to it. */
const BATCH_ONLY = new Set(['comment', 'onFailure', 'force', 'dryRun'])

/**
 * Reads the JSON body of the route, a bare JSON list of updates, or CSV with the columns
 * `userId,operation,roleId,divisionId[,until]`; which one its first sign tells. Throws `invalid`.
 */
export async function readChangeFile(session: Session, path: string): Promise<ChangeFile> {
  const text = (await readInput(session, path)).replace(/^\ufeff/, '')
  const [first] = text.trimStart()
  if (first === undefined) throw new Failure('invalid', 'there is nothing to change: no input')
  if (first === '[') return { kind: 'json', body: { updates: parseJson(text, path) } }
  return first === '{' ? { kind: 'json', body: parseJsonObject(text, path) } : { kind: 'csv', text }
}

/** The request that asks what the changes would do. */
export function simulationRequest(file: ChangeFile, { baseRevision }: ChangeOptions): Sent {
  const option = baseRevision === undefined ? {} : { baseRevision }
  if (file.kind === 'csv') return { query: option, body: file.text, type: 'text/csv' }
  const known = Object.entries(file.body).filter(([name]) => !BATCH_ONLY.has(name))
  return { body: { ...Object.fromEntries(known), ...option } }
}

/**
 * The request that has the changes done. Its key is made of the request itself unless one is given,
 * so that the same line, run twice, is one batch.
 */
export function changeRequest(file: ChangeFile, options: ChangeOptions, key?: string): Sent {
  const request: Sent =
    file.kind === 'csv'
      ? { query: options, body: file.text, type: 'text/csv' }
      : { body: { ...file.body, ...options } }
  return { ...request, headers: { 'idempotency-key': key ?? keyOf(request) } }
}

function keyOf({ query, body }: Sent): string {
  const hash = createHash('sha256').update(JSON.stringify([query ?? null, body]))
  return `permctl-${hash.digest('base64url')}`
}
