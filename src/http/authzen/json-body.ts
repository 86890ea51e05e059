import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import type { HeldBody } from '../held-bodies.ts'
import { parseStrictJson } from './strict-json.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the body is counted while it is held; of routes that take large ones. */
    heldBody: HeldBody | null
  }
}

/**
 * Reads the body of a request that says plainly what it is: JSON, of so many bytes within the limit.
 * False, with nothing read, for any other; those go the way that Fastify has for bodies, which knows
 * every case and takes as long as deciding does.
 *
 * The stream is asked for just these bytes and never read to its end: to tell of that and to take
 * the stream down are four turns of the queue, which cost more than all else that a body does.
 */
export function readPlainBody(
  raw: IncomingMessage,
  limit: number,
  take: (body: Buffer) => void,
): boolean {
  const { headers } = raw
  if (headers['content-type'] !== 'application/json') return false
  const length = Number(headers['content-length'])
  // Absent from bodies in chunks: not a number is not within the limit.
  if (!(length > 0 && length <= limit)) return false
  let taken = false
  const takeWhole = (): void => {
    // The end makes the stream readable as well; whoever reads then reads to the end.
    const body = taken ? null : (raw.read(length) as Buffer | null)
    if (body === null) return
    taken = true
    take(body)
  }
  // As a rule a body comes with its head, and is there as soon as the parser has returned.
  queueMicrotask(() => {
    takeWhole()
    if (!taken) raw.on('readable', takeWhole)
  })
  return true
}

type Parsed = (error: Error | null, value?: unknown) => void
type ReadBytes = (error: Error | null, bytes?: Buffer) => void

/**
 * Reads a JSON body of at most `limit` bytes. By hand, for what nearly every body needs is one chunk
 * and no copy of it: Fastify's own reading would show in the time of an evaluation.
 */
export function jsonBody(limit: number) {
  const read = bodyBytes(limit)
  return (request: FastifyRequest, payload: IncomingMessage, parsed: Parsed): void => {
    read(request, payload, (error, bytes) => {
      if (bytes === undefined) {
        parsed(error)
        return
      }
      let value: unknown
      try {
        value = parseStrictJson(bytes)
      } catch (cause) {
        parsed(cause as Error)
        return
      }
      // Outside of the try: the rest of the request runs in here.
      parsed(null, value)
    })
  }
}

/** Reads a body of at most `limit` bytes as it is; see {@link jsonBody}. */
export function bodyBytes(limit: number) {
  return ({ heldBody }: FastifyRequest, payload: IncomingMessage, read: ReadBytes): void => {
    const chunks: Buffer[] = []
    let length = 0
    const end = (error: Error | null, bytes?: Buffer): void => {
      payload.removeListener('data', onData)
      payload.removeListener('end', onEnd)
      payload.removeListener('error', onError)
      read(error, bytes)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limit) {
        end(tooLarge(limit))
        return
      }
      try {
        heldBody?.add(chunk.length)
      } catch (error) {
        end(error as Error)
        return
      }
      chunks.push(chunk)
    }
    const onEnd = (): void => {
      const [first] = chunks
      end(null, first && chunks.length === 1 ? first : Buffer.concat(chunks))
    }
    const onError = (): void => {
      end(new Failure('invalid', 'the connection ended before the body did'))
    }
    if (Number(payload.headers['content-length']) > limit) {
      end(tooLarge(limit))
      return
    }
    payload.on('data', onData)
    payload.on('end', onEnd)
    payload.on('error', onError)
  }
}

function tooLarge(limit: number): Failure {
  return new Failure(
    'too-large',
    `the body is larger than the ${limit} bytes that this route takes`,
  )
}
