import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { SECURITY_HEADERS } from '../security-headers.ts'

const FIXED_HEADERS = [
  ...['content-type', 'application/json; charset=utf-8'],
  ...Object.entries(SECURITY_HEADERS).flat(),
]

/** Refuses when the matrix is older than the caller's `x-minimum-revision`. */
export function requireRevision(request: FastifyRequest, matrix: Matrix): void {
  const minimum = request.raw.headers['x-minimum-revision']
  if (minimum === undefined) return
  if (!/^[0-9]{1,15}$/.test(String(minimum))) {
    const field = 'x-minimum-revision'
    throw new Failure('invalid', `${field} must be a whole number`, { field })
  }
  if (Number(minimum) <= matrix.revision) return
  const message = `revision ${String(minimum)} is not served yet; the newest is ${matrix.revision}`
  throw new Failure('not-ready', message, { retryAfterSeconds: 1 })
}

/** Age as it is told to callers: whole seconds. */
function wholeSeconds(matrices: ServedMatrices, matrix: Matrix): number {
  return Math.max(0, Math.floor(matrices.ageSeconds(matrix)))
}

/** Tells which matrix answered, on a reply that Fastify sends. */
export function nameMatrix(reply: FastifyReply, matrices: ServedMatrices, matrix: Matrix): void {
  reply.header('x-matrix-revision', String(matrix.revision))
  reply.header('x-matrix-age', String(wholeSeconds(matrices, matrix)))
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
    const now = Date.now()
    if (matrix !== named || now >= agesAt) {
      named = matrix
      revision = String(matrix.revision)
      age = String(wholeSeconds(matrices, matrix))
      // The next whole second of this matrix; sooner when clocks are set.
      agesAt = now + 1000 - ((now - matrix.takenAt) % 1000)
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
    reply.raw.end(body)
  }
}
