import { pino } from 'pino'
import type { Logger } from 'pino'
import { Failure } from '../domain/failure.ts'

export type { Logger } from 'pino'

/** Property names whose values never reach a log, wherever they stand in the first three levels. */
const SECRET_NAMES = [
  'authorization',
  'Authorization',
  'cookie',
  'password',
  'secret',
  'clientSecret',
  'client_secret',
  'token',
  'access_token',
  'accessToken',
  'apiKey',
]

/**
 * JSON lines on standard output, or to `destination`. Errors are reduced to what is safe to show:
 * the SDK's errors carry the request with its bearer token, so nothing but name, message, code and
 * stack of an error is written.
 */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
    serializers: { err: describeError },
  }
  return destination ? pino(options, destination) : pino(options)
}

/** An error as it may be logged. */
export function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof Failure) {
    const { name, code, message, field, upstream, stack } = error
    const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) }
    return { name, code, message, field, upstream, stack, ...cause }
  }
  if (error instanceof Error) {
    const { name, message, stack } = error
    return { name, message, stack }
  }
  return { name: typeof error, message: 'not an Error' }
}
