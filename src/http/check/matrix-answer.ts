import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { REVISION_PATTERN } from '../schemas.ts'
import { SECURITY_HEADERS } from '../security-headers.ts'

const FIXED_HEADERS = [
  ...['content-type', 'application/json; charset=utf-8'],
  ...Object.entries(SECURITY_HEADERS).flat(),
]

const REVISION = new RegExp(REVISION_PATTERN)

/**
 * Refuses when the matrix is older than the caller's `x-minimum-revision`: `not-ready` when no later
 * one is served, `invalid` when it is only the caller's cursor that stands on an earlier one.
 */
export function requireRevision(request: FastifyRequest, matrix: Matrix, newest = matrix): void {
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
  const message = `cursor stands on revision ${matrix.revision}, before the x-minimum-revision ${String(minimum)}: begin the listing anew`
  throw new Failure('invalid', message, { field: 'cursor' })
}

function ageOf(matrices: ServedMatrices, matrix: Matrix): number {
  return Math.max(0, matrices.ageSeconds(matrix))
}

/** Tells which matrix answered, on a reply that Fastify sends. */
export function nameMatrix(reply: FastifyReply, matrices: ServedMatrices, matrix: Matrix): void {
  reply.header('x-matrix-revision', String(matrix.revision))
  reply.header('x-matrix-age', String(Math.floor(ageOf(matrices, matrix))))
}

/** Writes a JSON answer that was built as text, with the matrix headers, past Fastify's own reply. */
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
export function createAnswerWriter(matrices: ServedMatrices): AnswerWriter {
  let named: Matrix | undefined
  let revision = ''
  let age = ''
  let agesAt = 0
  return (request, reply, matrix, body, bytes = Buffer.byteLength(body)) => {
    // Not the clock of the wall: were that set back, the age would stand still until it caught up.
    const now = performance.now()
    if (matrix !== named || now >= agesAt) {
      named = matrix
      revision = String(matrix.revision)
      const seconds = ageOf(matrices, matrix)
      age = String(Math.floor(seconds))
      // When the age reaches its next whole second.
      agesAt = now + (1 - (seconds % 1)) * 1000
    }
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
      age,
    ])
    if (bytes === body.length) reply.raw.end(body, 'latin1')
    else reply.raw.end(body)
  }
}
