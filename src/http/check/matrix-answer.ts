import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { REVISION_PATTERN } from '../schemas.ts'
import { SECURITY_HEADERS } from '../security-headers.ts'
import type { UnreadAnswers } from '../unread-answers.ts'

const FIXED_HEADERS = [
  ...['content-type', 'application/json; charset=utf-8'],
  ...Object.entries(SECURITY_HEADERS).flat(),
]

/** From so many bytes on it pays to make an answer a buffer. */
const LARGE = 32 * 1024

const REVISION = new RegExp(REVISION_PATTERN)

/**
 * Refuses when the matrix is older than the caller's `x-minimum-revision`: `not-ready` when no later
 * one is served, `invalid` when it is only the caller's cursor that stands on an earlier one.
 *
 * @param cursor the field in which the route takes it
 */
export function requireRevision(
  request: FastifyRequest,
  matrix: Matrix,
  newest = matrix,
  cursor: 'cursor' | 'page/token' = 'cursor',
): void {
  const minimum = request.raw.headers['x-minimum-revision']
  if (minimum === undefined) return
  if (!REVISION.test(String(minimum))) {
    const field = 'x-minimum-revision'
    throw new Failure('invalid', `${field} must be a whole number`, { field })
  }
  if (Number(minimum) <= matrix.revision) return
  if (Number(minimum) > newest.revision) {
    const message = `revision ${String(minimum)} is not served yet; the newest is ${newest.revision}`
    throw new Failure('not-ready', message, { retryAfterSeconds: 1 })
  }
  const message = `${cursor} stands on revision ${matrix.revision}, before the x-minimum-revision ${String(minimum)}: begin anew`
  throw new Failure('invalid', message, { field: cursor })
}

function ageOf(matrices: ServedMatrices, matrix: Matrix): number {
  return Math.max(0, matrices.ageSeconds(matrix))
}

/** Tells the age of a matrix in whole seconds; asks for it anew once it has changed. */
export type AgeClock = (matrix: Matrix) => number

export function createAgeClock(matrices: ServedMatrices): AgeClock {
  let read: Matrix | undefined
  let age = 0
  let agesAt = 0
  return (matrix) => {
    // Not the clock of the wall: were that set back, the age would stand still until it caught up.
    const now = performance.now()
    if (matrix !== read || now >= agesAt) {
      read = matrix
      const seconds = ageOf(matrices, matrix)
      age = Math.floor(seconds)
      // When the age reaches its next whole second.
      agesAt = now + (1 - (seconds % 1)) * 1000
    }
    return age
  }
}

/** Tells which matrix answered, on a reply that Fastify sends. */
export function nameMatrix(reply: FastifyReply, matrices: ServedMatrices, matrix: Matrix): void {
  reply.header('x-matrix-revision', String(matrix.revision))
  reply.header('x-matrix-age', String(Math.floor(ageOf(matrices, matrix))))
}

/**
 * Writes a JSON answer that was built as text, with the matrix headers, past Fastify's own reply.
 * Throws `overloaded`, with nothing written, as {@link UnreadAnswers} does.
 */
export type AnswerWriter = (
  request: FastifyRequest,
  reply: FastifyReply,
  matrix: Matrix,
  body: string,
  /** Its length in UTF-8, where the caller knows it. */
  bytes?: number,
) => void

/**
 * Hijacked because serialization, header merging and hooks of the ordinary reply cost more than the
 * check itself. Node still frames the answer: no body for HEAD, nothing for a socket that is gone.
 */
export function createAnswerWriter(
  { matrices, unread }: { readonly matrices: ServedMatrices; readonly unread: UnreadAnswers },
  ageOfMatrix: AgeClock = createAgeClock(matrices),
): AnswerWriter {
  let named: Matrix | undefined
  let revision = ''
  return (request, reply, matrix, body, bytes = Buffer.byteLength(body)) => {
    if (matrix !== named) {
      named = matrix
      revision = String(matrix.revision)
    }
    unread.add(reply.raw, request, bytes)
    reply.hijack()
    reply.raw.writeHead(200, [
      ...FIXED_HEADERS,
      'content-length',
      String(bytes),
      'x-request-id',
      request.id,
      'x-matrix-revision',
      revision,
      'x-matrix-age',
      String(ageOfMatrix(matrix)),
    ])
    const encoding = bytes === body.length ? 'latin1' : 'utf8'
    // Node joins head and text into a new text, which is copied once more when it is written.
    reply.raw.end(bytes < LARGE ? body : Buffer.from(body, encoding), encoding)
  }
}
