import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import { parseStrictJson } from './strict-json.ts'

/**
 * Reads the body of a request that says plainly what it is: JSON, of so many bytes within the limit.
 * False, with nothing read, for any other; those go the way that Fastify has for bodies, which knows
 * every case and takes as long as deciding does. `parsed` is told of a body that is no I-JSON, too.
 */
export function readPlainBody(raw: IncomingMessage, limit: number, parsed: Parsed): boolean {
  const { headers } = raw
  if (headers['content-type'] !== 'application/json') return false
  let missing = Number(headers['content-length'])
  // Absent from bodies in chunks: not a number is not within the limit.
  if (!(missing > 0 && missing <= limit)) return false
  let chunks: Buffer[] | undefined
  const take = (chunk: Buffer): void => {
    missing -= chunk.length
    if (missing > 0 || chunks !== undefined) (chunks ??= []).push(chunk)
    // The length is known, and the parser of HTTP lets no more come: nobody waits for the end.
    if (missing > 0) return
    let value: unknown
    try {
      value = parseStrictJson(chunks === undefined ? chunk : Buffer.concat(chunks))
    } catch (error) {
      parsed(error as Error)
      return
    }
    parsed(null, value)
  }
  raw.on('data', take)
  return true
}

type Parsed = (error: Error | null, value?: unknown) => void

/**
 * Reads a JSON body of at most `limit` bytes. By hand, for what nearly every body needs is one chunk
 * and no copy of it: Fastify's own reading would show in the time of an evaluation.
 */
export function jsonBody(limit: number) {
  return (_request: FastifyRequest, payload: IncomingMessage, parsed: Parsed): void => {
    const chunks: Buffer[] = []
    let length = 0
    const end = (error: Error | null, value?: unknown): void => {
      payload.removeListener('data', onData)
      payload.removeListener('end', onEnd)
      payload.removeListener('error', onError)
      parsed(error, value)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else end(tooLarge(limit))
    }
    const onEnd = (): void => {
      const [first] = chunks
      let value: unknown
      try {
        value = parseStrictJson(first && chunks.length === 1 ? first : Buffer.concat(chunks))
      } catch (error) {
        end(error as Error)
        return
      }
      // Outside of the try: the rest of the request runs in here.
      end(null, value)
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
